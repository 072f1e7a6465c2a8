//! A co-signer whose key-encryption key lies in a real PKCS#11 token, SoftHSM2: an account, a payment, a
//! certificate, a stolen disk, a token that is unplugged.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::process::Cli;
use crate::world::{Account, World, new_request};

const TOKEN_PIN: &str = "582-0193-77";
const LABEL: &str = "cohold-acme";

fn module() -> PathBuf {
    let places = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];
    let found = places.iter().map(Path::new).find(|path| path.exists());
    found.expect("SoftHSM2 is there: `cargo xtask test` installs the package softhsm2").to_owned()
}

/// A token of the world's own; what runs in the world finds it.
fn token_make(world: &mut World) {
    std::fs::create_dir_all(world.path("hsm/tokens")).unwrap();
    let (settings, tokens) = (world.path("hsm/softhsm2.conf"), world.path("hsm/tokens"));
    let text = format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display());
    std::fs::write(&settings, text).unwrap();
    world.envs.push(("SOFTHSM2_CONF", settings.display().to_string()));
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", LABEL, "--so-pin", "99887766", "--pin", TOKEN_PIN])
        .env("SOFTHSM2_CONF", settings)
        .output()
        .expect("softhsm2-util starts");
    assert!(made.status.success(), "{made:?}");
}

fn vault(key: &str, pin: &str) -> String {
    format!(
        "[vault]\nkind = \"pkcs11\"\nmodule = \"{}\"\ntoken = \"{LABEL}\"\nkey = \"{key}\"\n{pin}",
        module().display()
    )
}

/// Writes the co-signer's settings anew, with another vault.
fn settings(world: &World, vault: &str) {
    let text = std::fs::read_to_string(world.path("cosigner/node.toml")).unwrap();
    let head: Vec<_> = text
        .lines()
        .take_while(|line| *line != "[vault]")
        .filter(|line| !line.starts_with("vault"))
        .collect();
    world.write("cosigner/node.toml", &format!("{}\n{vault}", head.join("\n")));
}

/// A world whose co-signer begins on a token.
fn world(pin: &str) -> Option<World> {
    let mut world = World::start()?;
    token_make(&mut world);
    world.node_stop("cosigner");
    for file in ["node.key", "identity.sealed", "node.sqlite"] {
        std::fs::remove_file(world.path("cosigner").join(file)).unwrap();
    }
    settings(&world, &vault("cosigner-share", pin));
    match pin {
        "" => world.envs.push(("COHOLD_TOKEN_PIN", TOKEN_PIN.into())),
        _ => pin_write(&world, TOKEN_PIN),
    }
    world.node_start("cosigner", None);
    world.wait_for_nodes();
    Some(world)
}

fn pin_write(world: &World, pin: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    world.write("cosigner/token.pin", &format!("{pin}\n"));
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(world.path("cosigner/token.pin"), private).unwrap();
}

/// Starts a node's program once, in vain.
fn refused(world: &World, folder: &Path, says: &str) {
    let envs = world.envs.iter();
    let cli = Cli::new(["node", "--json", "--config"]).arg(folder.join("node.toml"));
    let ran = envs.fold(cli, |cli, (name, value)| cli.env(name, value)).run();
    ran.assert(!ran.status.success(), "it is refused");
    let said = ran.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    ran.assert(said.contains(says), says);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_cosigner_on_a_token_pays_and_its_disk_opens_nothing() {
    let Some(mut world) = world("pin_file = \"token.pin\"\n") else { return };
    let log = std::fs::read_to_string(world.path("cosigner.log")).unwrap();
    assert!(log.contains("a new key was made in the token"), "{log}");
    let account = world.funded();
    world.wait_for_statements(&account);
    world.assert_spendable(&account);
    world.node_restart("cosigner", None);
    world.assert_spendable(&account);

    the_certificate_tells(&world, &account);
    nothing_opens_without_the_token(&mut world);
    a_token_that_is_away_costs_nothing(&mut world, &account);
    what_is_wrong_is_named(&mut world);
    world.node_start("cosigner", None);
    world.wait_for_nodes();
    world.assert_spendable(&account);
}

fn the_certificate_tells(world: &World, account: &Account) {
    let ran = world.device(["custody", "certificate", &account.id]).run();
    ran.assert(ran.status.success(), "the certificate holds");
    let value: Value = serde_json::from_str(&ran.stdout).unwrap();
    let said = value["document"]["statements"].as_array().unwrap();
    let node = said.iter().find(|said| said["document"]["party"] == "cosigner").unwrap();
    let (sealing, token) = (&node["document"]["sealing"], &node["document"]["token"]);
    assert_eq!(
        (sealing, &token["key_never_left"], &token["pin"]),
        (&json!("hardware"), &json!(true), &json!("file"))
    );
    assert!(token["manufacturer"].as_str().unwrap().contains("SoftHSM"), "{token}");
    let atoms = &value["document"]["model"]["atoms"];
    for atom in ["cosigner-disk", "cosigner-token", "broken-token"] {
        assert!(atoms[atom].is_object(), "{atom}: {atoms}");
    }
    assert!(atoms["cosigner-pin"].is_null(), "the PIN lies on the disk: {atoms}");
    world.write("nobody/certificate.json", &ran.stdout);
    let file = world.path("nobody/certificate.json");
    let issuer = value["document"]["issuer"].as_str().unwrap();
    let held = Cli::new(["custody", "verify", "--json", "--issuer", issuer, "--home"])
        .arg(world.path("nobody"))
        .arg(&file)
        .run()
        .done();
    let (exit, second) = crate::checker::check(&file, &["--issuer", issuer]);
    assert_eq!((exit, &second["evaluation"]["class"]), (0, &held["class"]), "{second}");
}

/// A copy of the whole folder, PIN file included, where the token is another: even one of the same names.
fn nothing_opens_without_the_token(world: &mut World) {
    let (disk, own) = (world.path("stolen"), world.envs.clone());
    copy(&world.path("cosigner"), &disk);
    let bytes = std::fs::read(disk.join("identity.sealed")).unwrap();
    assert_eq!(bytes[0], 2, "sealed by a token");
    std::fs::rename(world.path("hsm"), world.path("hsm-of-acme")).unwrap();
    world.envs.clear();
    world.envs.push(("SOFTHSM2_CONF", "/nowhere/softhsm2.conf".into()));
    refused(world, &disk, "");
    world.envs.clear();
    token_make(world);
    refused(world, &disk, "has no key `cosigner-share`");
    // Nor is a key made in the thief's token, whatever the folder says.
    std::fs::remove_file(disk.join("node.token.json")).unwrap();
    refused(world, &disk, "no other key is made in its place");
    std::fs::remove_dir_all(world.path("hsm")).unwrap();
    std::fs::rename(world.path("hsm-of-acme"), world.path("hsm")).unwrap();
    world.envs = own;
}

/// The co-signer runs on while its token is unplugged, and signs again with it.
fn a_token_that_is_away_costs_nothing(world: &mut World, account: &Account) {
    // What was opened a moment ago is forgotten.
    world.node_restart("cosigner", None);
    std::fs::rename(world.path("hsm/tokens"), world.path("hsm/unplugged")).unwrap();
    std::fs::create_dir(world.path("hsm/tokens")).unwrap();
    let request = new_request();
    let to = crate::chain::new_address();
    let nonce = world.chain.nonce(&account.address);
    let ran = world.pay(account, &to, &request).run();
    ran.assert(!ran.status.success(), "nothing is signed without the token");
    let log = std::fs::read_to_string(world.path("cosigner.log")).unwrap();
    assert!(log.contains("the token does not answer"), "{log}");
    std::fs::remove_dir(world.path("hsm/tokens")).unwrap();
    std::fs::rename(world.path("hsm/unplugged"), world.path("hsm/tokens")).unwrap();
    world.assert_spendable(account);
    assert_eq!(world.chain.nonce(&account.address), nonce + 1, "what was refused was not paid");
}

fn what_is_wrong_is_named(world: &mut World) {
    world.node_stop("cosigner");
    let folder = world.path("cosigner");
    pin_write(world, "000000");
    refused(world, &folder, "the token refuses the PIN: few tries are left");
    pin_write(world, TOKEN_PIN);
    let private = "pin_file = \"token.pin\"\n";
    settings(world, &vault("another-share", private));
    refused(world, &folder, "no key `another-share`");
    let other = vault("cosigner-share", private).replace(LABEL, "no-such-token");
    settings(world, &other);
    refused(world, &folder, "no token has the label `no-such-token`");
    settings(world, &vault("cosigner-share", private).replace("libsofthsm2.so", "none.so"));
    refused(world, &folder, "is no PKCS#11 module");
    settings(world, "vault = \"key-file\"\n");
    refused(world, &folder, "sealed by a hardware token");
    assert!(!folder.join("node.key").exists());
    settings(world, &vault("cosigner-share", ""));
    refused(world, &folder, "set COHOLD_TOKEN_PIN");
    settings(world, &vault("cosigner-share", private));
}

/// What the places of a node on a token give, tried: the disk nothing, the disk with token and PIN all of it,
/// and the running node as well.
#[test]
fn a_coalition_needs_the_token_that_the_model_says_it_needs() {
    let Some(world) = world("") else { return };
    let account = world.funded();
    world.wait_for_statements(&account);
    world.assert_spendable(&account);
    let vault = |found: Value| -> (bool, String) {
        let found =
            found["findings"].as_array().unwrap().iter().find(|one| one["what"] == "vault").unwrap().clone();
        (found["ok"].as_bool().unwrap(), found["detail"].as_str().unwrap().to_owned())
    };
    let doctor = || world.device(["doctor"]).arg("--node").arg(world.path("cosigner/node.toml")).run();
    let (good, says) = vault(doctor().json());
    assert!(good && says.contains("SoftHSM"), "{says}");

    let attack = |coalition: &str| {
        let words = ["custody", "attack", &account.id, "--coalition", coalition];
        let value = world.device(words).arg("--dev").arg(world.path("")).run().done();
        value["attacks"][0].clone()
    };
    let opened = |attack: &Value| -> Vec<String> {
        let opened = attack["opened"].as_array().unwrap().iter();
        opened.map(|opened| opened["party"].as_str().unwrap().to_owned()).collect()
    };
    let held = attack("cosigner-disk,cosigner-pin,server");
    assert_eq!((held["outcome"].as_str(), opened(&held).len()), (Some("held"), 0), "{held}");
    let tried =
        |strategy: &str| held["tried"].as_array().unwrap().iter().any(|tried| tried["strategy"] == strategy);
    for strategy in ["guesses", "open-secrets", "ordered-resharing", "invented-consent", "forged-certificate"]
    {
        assert!(tried(strategy), "{strategy}: {held}");
    }
    for coalition in ["device,pin,cosigner-disk,cosigner-token,cosigner-pin", "device,pin,cosigner"] {
        let moved = attack(coalition);
        assert_eq!(moved["outcome"], "moved", "{moved}");
        assert_eq!(opened(&moved), ["device", "cosigner"], "{moved}");
        assert!(moved["opened"][1]["how"].as_str().unwrap().contains("token"), "{moved}");
    }
    // The set-up is as it was, but for the money.
    world.chain.set_balance(&account.address, 1000 * crate::chain::CENT);
    world.assert_spendable(&account);
}
