//! A key that was made elsewhere becomes an account at the same address; the certificate never forgets it.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::process::Cli;
use crate::world::{Account, NODES, World};

/// The mnemonic that every local chain begins with, and its sixth and seventh address.
const WORDS: &str = "test test test test test test test test test test test junk";
const SIXTH: &str = "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc";
const SIXTH_KEY: &str = "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba";

/// A file that only its owner reads.
fn private(world: &World, name: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    world.write(name, text);
    let path = world.path(name);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

/// That the certificate counts the doubt, and that a stranger with the file sees it hold.
fn assert_doubted(world: &World, account: &Account) {
    let asked = world.device(["custody", "certificate", &account.id]).run();
    asked.assert(asked.status.success(), "there is a certificate");
    let certificate = asked.json();
    let moves = certificate["document"]["evaluation"]["powers"]["move"].as_array().unwrap();
    let way = moves.iter().find(|way| way["coalition"] == json!(["imported-key"]));
    assert_eq!(way.map(|way| &way["evidence"]), Some(&json!("signed")), "whoever has the key from before");
    world.write("stranger/certificate.json", &asked.stdout);
    let file = world.path("stranger/certificate.json");
    Cli::new(["custody", "verify", "--json", "--home"]).arg(world.path("nobody")).arg(&file).run().done();
    let (exit, said) = crate::checker::check(&file, &[]);
    assert_eq!(exit, 0, "{said}");
    let shown = world.device(["custody", "show", &account.id]).run();
    assert!(shown.stdout.contains("imported-key"), "{}", shown.stdout);
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The whole key lies nowhere that this program writes.
fn assert_nowhere(world: &World) {
    let raw = hex::decode(SIXTH_KEY).unwrap();
    let forms: [&[u8]; 3] = [&raw, SIXTH_KEY.as_bytes(), WORDS.as_bytes()];
    let written = ["device", "server"].iter().chain(&NODES).flat_map(|folder| files(&world.path(folder)));
    for file in written.chain(world.logs()) {
        let bytes = std::fs::read(&file).unwrap();
        for form in forms {
            let found = bytes.windows(form.len()).any(|window| window == form);
            assert!(!found || file.ends_with("chain.log"), "the key is in {}", file.display());
        }
    }
}

#[test]
fn a_mnemonic_becomes_an_account_that_pays_and_stays_doubted() {
    let Some(mut world) = World::start_joining(0) else { return };
    let words = private(&world, "paper/words.txt", &format!("{WORDS}\n"));
    let import = ["account", "import", "mnemonic", "--mnemonic-file", "-", "--path", "m/44'/60'/0'/0/5"];
    let ran = world.device(import).arg("--address").arg(SIXTH).arg("--yes").input(Path::new(&words)).run();
    let stderr = ran.stderr.clone();
    let done = ran.done();
    assert_eq!((&done["address"], &done["origin"]), (&json!(SIXTH), &json!("mnemonic")));
    let advice = done["advice"].as_str().unwrap();
    assert!(advice.contains("move the funds") && stderr.contains(advice), "{stderr}");
    let account = Account::of(&done);
    assert_eq!(account.recovery.len(), 1);
    world.fund(&account);
    world.assert_spendable(&account);
    world.wait_for_statements(&account);
    assert_doubted(&world, &account);
    assert_nowhere(&world);
    let shown = world.device(["account", "show", &account.id]).run().done();
    assert_eq!(shown["charter"]["document"]["origin"], "mnemonic");

    // New shares clear nothing of it.
    let done = world.device(["account", "refresh", &account.id, "--yes"]).run().done();
    assert_eq!((&done["epoch"], &done["address"]), (&json!(2), &json!(SIXTH)));
    world.assert_spendable(&account);
    assert_doubted(&world, &account);
    let shown = world.device(["account", "show", &account.id]).run().done();
    assert_eq!(shown["charter"]["document"]["origin"], "mnemonic");

    // The same key a second time, in whatever form.
    let key = private(&world, "paper/key.txt", SIXTH_KEY);
    let twice = world.device(["account", "import", "key", "--yes", "--key-file", &key]).run();
    let (code, message) = twice.failed(1);
    assert!(code == "address-known" && message.contains(&account.id), "{code}: {message}");
    world.node_restart("cosigner", None);
    world.assert_spendable(&account);
}

#[test]
fn a_raw_key_becomes_an_account_of_any_shape() {
    let Some(world) = World::start() else { return };
    let key = private(&world, "paper/key.txt", SIXTH_KEY);
    let free =
        ["--threshold", "3", "--party", "me:device", "--party", "acme:cosigner", "--party", "acme:guardian"];
    let import = ["account", "import", "key", "--yes", "--key-file", &key];
    let done = world.device(import.iter().chain(&free).copied()).run().done();
    assert_eq!((&done["address"], &done["origin"]), (&json!(SIXTH), &json!("raw")));
    assert_eq!((&done["threshold"], &done["parties"]), (&json!(3), &json!(3)));
    let account = Account::of(&done);
    world.assert_spendable(&account);
    world.wait_for_statements(&account);
    assert_doubted(&world, &account);
    assert_nowhere(&world);
}

#[test]
fn what_is_no_key_is_refused_before_anything_is_made() {
    let Some(mut world) = World::start() else { return };
    let check = |what: &[&str], text: Option<&str>, exit: i32, code: &str, says: &str| {
        let mut words = vec!["account", "import"];
        words.extend(what);
        let file = text.map(|text| private(&world, "paper/secret.txt", text));
        if let Some(file) = &file {
            words.extend([if what[0] == "key" { "--key-file" } else { "--mnemonic-file" }, file]);
        }
        let ran = world.device(words).run();
        let printed = format!("{}{}", ran.stdout, ran.stderr);
        let (found, message) = ran.failed(exit);
        assert!(found == code && message.contains(says), "{what:?}: {found}: {message}");
        // Nothing of what was meant to be secret is repeated.
        assert!(text.is_none_or(|text| text.len() < 8 || !printed.contains(text)), "{what:?}: {printed}");
    };
    let (mnemonic, key) = (["mnemonic", "--yes"], ["key", "--yes"]);
    let short = WORDS.trim_end_matches(" junk");
    let typo = WORDS.replace("junk", "test");
    let unknown = WORDS.replacen("test", "tset", 1);
    check(&mnemonic, Some(short), 2, "mnemonic", "12, 15, 18, 21 or 24 words");
    check(&mnemonic, Some(&typo), 2, "mnemonic", "checksum of the mnemonic is wrong");
    check(&mnemonic, Some(&unknown), 2, "mnemonic", "word 1 is not in the English list");
    check(&mnemonic, Some(""), 2, "mnemonic", "12, 15, 18, 21 or 24 words");
    for path in ["", "44/60", "m/44'/60'/x", "m/2147483648", "m/1/2/3/4/5/6/7/8/9/10/11"] {
        let words = ["mnemonic", "--yes", "--path", path];
        check(&words, Some(WORDS), 2, "path", "no BIP-32 path of up to ten steps");
    }
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    check(&key, Some(&"00".repeat(32)), 2, "private-key", "no private key of secp256k1");
    check(&key, Some(order), 2, "private-key", "no private key of secp256k1");
    check(&key, Some(&SIXTH_KEY[1..]), 2, "private-key", "64 hexadecimal digits");
    // The example of the wallet import format's own page, one letter off.
    let wif = "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTK";
    check(&key, Some(wif), 2, "private-key", "checksum of the wallet import format");
    check(&key, Some(""), 2, "private-key", "64 hexadecimal digits");
    let elsewhere = ["key", "--yes", "--address", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"];
    check(&elsewhere, Some(SIXTH_KEY), 1, "address-mismatch", SIXTH);
    check(&["key", "--yes", "--address", "0x12"], Some(SIXTH_KEY), 2, "bad-address", "0x12");
    // Never from the command line, never unasked, and from no file that others read.
    check(&["key", "--yes", SIXTH_KEY], None, 2, "usage", "unexpected argument");
    check(&key, None, 2, "no-terminal", "--key-file");
    check(&["key"], Some(SIXTH_KEY), 1, "not-confirmed", "--yes");
    check(
        &["key", "--yes", "--threshold", "1", "--party", "me:device"],
        Some(SIXTH_KEY),
        2,
        "terms",
        "2 to 9",
    );
    world.write("paper/open.txt", SIXTH_KEY);
    let open = world.path("paper/open.txt").display().to_string();
    let (code, _) = world.device(["account", "import", "key", "--yes", "--key-file", &open]).run().failed(1);
    assert_eq!(code, "readable-secret");
    assert_eq!(world.listed(), (vec![], vec![]), "nothing was made");

    // A party is away: nothing is dealt, and it works once it is back.
    world.node_stop("cosigner");
    let file = private(&world, "paper/key.txt", SIXTH_KEY);
    let import = ["account", "import", "key", "--yes", "--key-file", &file];
    let (code, _) = world.device(import).run().failed(3);
    assert_eq!(code, "party-away");
    world.node_start("cosigner", None);
    world.wait_for_nodes();
    assert_eq!(world.device(import).run().done()["address"], SIXTH);
}

/// The folder of share sets that tss-lib really made, or nothing: the test then says so and is no test.
fn share_sets() -> Option<PathBuf> {
    let named = std::env::var_os("COHOLD_VECTORS").map(PathBuf::from);
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors"));
    let folder = named.unwrap_or_else(beside).join("tss-lib");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED: no vectors in `{}`: set COHOLD_VECTORS", folder.display());
    None
}

/// A holder's file (three of five sign), readable by its owner only.
fn share(world: &World, sets: &Path, place: &str, number: u8) -> String {
    let text = std::fs::read_to_string(sets.join(format!("keygen_data_{number}.json"))).unwrap();
    private(world, &format!("{place}/keygen_data_{number}.json"), &text)
}

/// What an operator does at a node that goes on running.
fn node_import(world: &World, node: &str, proposal: &str, share: &str) -> Cli {
    let config = world.path(&format!("{node}/node.toml"));
    let import = ["import", "--yes", "--proposal", proposal, "--share-file", share];
    import.iter().fold(Cli::new(["node", "--json", "--config"]).arg(config), |cli, word| cli.arg(word))
}

#[test]
fn a_share_set_becomes_an_account_and_is_never_in_one_place() {
    let Some(sets) = share_sets() else { return };
    let Some(mut world) = World::start_joining(0) else { return };
    // Three machines, each with its own file.
    let [own, second, third] = [("holder-1", 0), ("holder-2", 1), ("holder-3", 2)]
        .map(|(place, number)| share(&world, &sets, place, number));
    let seen = world.device(["account", "import", "inspect", "--share-file", &own]).run().done();
    assert_eq!((&seen["holder"], &seen["holders"], &seen["threshold"]), (&json!(1), &json!(5), &json!(3)));
    assert_eq!((&seen["importable"], &seen["findings"]), (&json!(true), &json!([])));
    let address = seen["address"].as_str().unwrap().to_owned();

    let proposal = world.path("holder-1/import.json").display().to_string();
    let propose = |out: &str, more: &[&str]| {
        let words =
            ["account", "import", "propose", "--template", "enterprise", "--share-file", &own, "--out", out];
        world.device(words.iter().chain(more).copied())
    };
    let holders = ["--holder", "cosigner=2", "--holder", "guardian=3"];
    let refused = |more: &[&str], says: &str| {
        let (code, message) = propose(&proposal, more).run().failed(2);
        assert!(code == "usage" && message.contains(says), "{more:?}: {code}: {message}");
    };
    refused(&[], "3 of the 5 holders make this key and 1 deal");
    refused(&["--holder", "cosigner=2"], "name 2 others");
    refused(&["--holder", "cosigner=2", "--holder", "guardian=2"], "two parties deal for holder 2");
    refused(&["--holder", "cosigner=2", "--holder", "guardian=6"], "holder 6 of 5");
    refused(&["--holder", "cosigner=2", "--holder", "nobody=3"], "`nobody` deals");
    refused(&["--holder", "cosigner=2", "--holder", "guardian"], "PARTY=NUMBER");
    refused(&["--holder", "cosigner=2", "--holder", "cosigner=3"], "name it once");
    let words = ["account", "import", "propose", "--share-file", &own, "--out", &proposal];
    let (code, message) = world.device(words.iter().chain(&holders).copied()).run().failed(2);
    assert!(code == "usage" && message.contains("`recovery`"), "{code}: {message}");
    let done = propose(&proposal, &holders).run().done();
    assert_eq!((&done["address"], &done["threshold"]), (&json!(address), &json!(2)));

    // A node deals nothing that its operator has not given it for this very proposal.
    let start = |proposal: &str| {
        world.device(["account", "import", "start", "--yes", "--proposal", proposal, "--share-file", &own])
    };
    let (code, message) = start(&proposal).run().failed(1);
    assert!(code == "account-failed" && message.contains("give it the share first"), "{code}: {message}");
    let again = world.path("holder-1/again.json").display().to_string();
    propose(&again, &holders).run().done();
    let (code, message) = node_import(&world, "cosigner", &again, &third).run().failed(1);
    assert!(code == "other-share" && message.contains("holder 2"), "{code}: {message}");
    let told = node_import(&world, "cosigner", &again, &second).run().done();
    assert_eq!((&told["party"], &told["holder"]), (&json!("cosigner"), &json!(2)));
    node_import(&world, "guardian", &again, &third).run().done();
    let sealed = || NODES.map(|node| files(&world.path(&format!("{node}/imports"))).len());
    assert_eq!(sealed(), [1, 1]);

    let done = start(&again).run().done();
    assert_eq!((&done["address"], &done["origin"]), (&json!(address), &json!("tss-lib")));
    assert!(done["advice"].as_str().unwrap().contains("moved, not refreshed"), "{done}");
    assert_eq!(sealed(), [0, 0], "each share is given out once");
    let account = Account::of(&done);
    world.assert_spendable(&account);
    world.wait_for_statements(&account);
    assert_doubted(&world, &account);
    // The same again: the device has this key, and the proposal was used.
    let (code, _) = start(&again).run().failed(1);
    assert_eq!(code, "address-known");
    world.node_stop("guardian");
    world.assert_spendable(&account);
}

#[test]
fn a_share_set_with_bad_moduli_goes_nowhere() {
    let Some(sets) = share_sets() else { return };
    let Some(world) = World::start() else { return };
    let own = share(&world, &sets, "holder-1", 0);
    let text = std::fs::read_to_string(&own).unwrap();
    // The last holder's Paillier modulus becomes a multiple of ten.
    let list = text.find("\"PaillierPKs\"").unwrap();
    let key = list + text[list..].find("\"ECDSAPub\"").unwrap();
    let last = list + text[list..key].rfind("\"N\":").unwrap();
    let digit = last + text[last..].find(['\n', '}']).unwrap() - 1;
    let bad = format!("{}0{}", &text[..digit], &text[digit + 1..]);
    let bad = private(&world, "holder-1/bad.json", &bad);
    let seen = world.device(["account", "import", "inspect", "--share-file", &bad]).run().done();
    assert_eq!((&seen["importable"], &seen["findings"][0]["holder"]), (&json!(false), &json!(5)), "{seen}");
    let out = world.path("holder-1/import.json").display().to_string();
    let holders = ["--holder", "cosigner=2", "--holder", "guardian=3", "--template", "enterprise"];
    let propose = |file: &str| {
        let words = ["account", "import", "propose", "--out", &out, "--share-file", file];
        world.device(words.iter().chain(&holders).copied())
    };
    let (code, message) = propose(&bad).run().failed(1);
    assert!(code == "weak-key" && message.contains("Paillier modulus of party 5"), "{code}: {message}");
    assert!(!Path::new(&out).exists(), "nothing is proposed");
    // Nor at a node, whatever the proposer looked at.
    propose(&own).run().done();
    let second = std::fs::read_to_string(share(&world, &sets, "holder-2", 1)).unwrap();
    let second = second.replace(&text[last..=digit], &format!("{}0", &text[last..digit]));
    let second = private(&world, "holder-2/bad.json", &second);
    let (code, _) = node_import(&world, "cosigner", &out, &second).run().failed(1);
    assert_eq!(code, "weak-key");
    assert!(!world.path("cosigner/imports").exists(), "nothing is stored");
    // What is no share file, or another proposal.
    let (code, message) =
        propose(&private(&world, "holder-1/cut.json", &text[..text.len() / 2])).run().failed(2);
    assert!(code == "share-file" && message.contains("line"), "{code}: {message}");
    let start = ["account", "import", "start", "--yes", "--proposal", &own, "--share-file", &own];
    let (code, _) = world.device(start).run().failed(2);
    assert_eq!(code, "proposal");
}
