//! No secret in any log, with everything logged that can be.

use std::path::Path;

use crate::chain::new_address;
use crate::world::{NODES, PASSPHRASE, PIN, World, new_request};

/// Secrets as they lie in the folders, and as they might be printed.
fn known(world: &World) -> Vec<(String, Vec<u8>)> {
    let mut secrets = vec![
        ("the PIN".into(), PIN.into()),
        ("the passphrase".into(), PASSPHRASE.into()),
        ("the API token".into(), world.token.clone().into_bytes()),
        ("the API token without its prefix".into(), world.token.trim_start_matches("cohold_").into()),
    ];
    let files = NODES.iter().map(|node| format!("{node}/node.key")).chain(["device/device.key".into()]);
    for name in files {
        let bytes = std::fs::read(world.path(&name)).unwrap();
        assert!(bytes.len() >= 32, "{name}");
        secrets.push((format!("{name} as it is"), bytes.clone()));
        // A key file may be text around the key.
        let text = String::from_utf8_lossy(&bytes);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() >= 32);
        secrets.extend(words.map(|word| (format!("a word of {name}"), word.as_bytes().to_vec())));
        for part in bytes.windows(32).step_by(16) {
            secrets.push((format!("{name} in hex"), hex::encode(part).into_bytes()));
            let list: Vec<String> = part[..8].iter().map(u8::to_string).collect();
            secrets.push((format!("{name} as a list"), list.join(", ").into_bytes()));
        }
    }
    secrets
}

fn search(bytes: &[u8], place: &str, secrets: &[(String, Vec<u8>)]) {
    // One character for each byte, so that texts and raw keys are found alike, in any case.
    let plain =
        |bytes: &[u8]| -> String { bytes.iter().map(|b| char::from(b.to_ascii_lowercase())).collect() };
    let text = plain(bytes);
    for (what, secret) in secrets {
        assert!(!text.contains(&plain(secret)), "{what} is in {place}");
    }
}

#[test]
fn no_secret_is_logged() {
    let Some(mut world) = World::start_logging("trace") else { return };
    let created = world.device(["account", "create"]).run();
    created.assert(created.status.success(), "an account is made");
    let account = crate::world::Account::of(&created.json());
    world.fund(&account);
    let (to, request) = (new_address(), new_request());
    let paid = world.pay(&account, &to, &request).run();
    paid.assert(paid.status.success(), "a payment is made");
    let shown = world.device(["custody", "show", &account.id]).run();
    let file = account.recovery[0].display().to_string();
    let checked = world.device(["recovery", "check", &file]).run();
    let words = ["send", &account.id, "--to", &to, "--amount", "0.01", "--yes", "--rpc", &world.chain.url];
    let left = world.device(words).arg("--recovery").arg(&file).run();
    left.assert(left.status.success(), "the way out works");
    let wrong = world.pay(&account, &to, &new_request()).env("COHOLD_PIN", format!("{PIN}!")).run();
    assert_eq!(wrong.status.code(), Some(1));
    world.server_restart(None);

    let secrets = known(&world);
    for (verb, ran) in [
        ("create", &created),
        ("send", &paid),
        ("custody", &shown),
        ("check", &checked),
        ("leave", &left),
        ("pin", &wrong),
    ] {
        assert!(ran.stderr.len() > 20 || verb == "check", "{verb} logs: {}", ran.stderr);
        search(ran.stdout.as_bytes(), &format!("stdout of {verb}"), &secrets);
        search(ran.stderr.as_bytes(), &format!("stderr of {verb}"), &secrets);
    }
    for log in world.logs().iter().filter(|log| !log.ends_with("chain.log")) {
        let text = std::fs::read(log).unwrap();
        assert!(!text.is_empty(), "{} has something to search", log.display());
        search(&text, &log.display().to_string(), &secrets);
    }
    sealed_at_rest(&world, &secrets);
}

/// What no file but the secret's own may hold. The token is in the device's settings by design.
fn sealed_at_rest(world: &World, secrets: &[(String, Vec<u8>)]) {
    let secrets: Vec<_> = secrets.iter().filter(|(what, _)| !what.contains("token")).cloned().collect();
    for folder in ["server", "cosigner", "guardian", "device", "device/recovery"] {
        for entry in std::fs::read_dir(world.path(folder)).unwrap() {
            let path = entry.unwrap().path();
            let is_own = |path: &Path| path.extension().is_some_and(|extension| extension == "key");
            if path.is_file() && !is_own(&path) {
                search(&std::fs::read(&path).unwrap(), &path.display().to_string(), &secrets);
            }
        }
    }
}
