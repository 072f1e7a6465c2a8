//! No secret in any log: an account is made and signs with everything recorded that is traced at the
//! finest level, and then the secrets are read from the opened folders and looked for.
//!
//! It is alone in its process, as the recorder is the process's own.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use cohold_model::account::PartyKind;
use cohold_mpc_ecdsa::Share;
use cohold_node::Keeper as _;
use cohold_testkit::account::{MALLORY, Wish};
use cohold_testkit::party::{PASSPHRASE, PIN};
use cohold_testkit::{Account, Cluster, TwoFaced};
use tracing_subscriber::fmt::MakeWriter;

/// Everything that was logged.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<u8>>>);

impl Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Recorder {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A few bytes of each secret, by what it is; enough that no chance finds them.
fn secrets(cluster: &Cluster, account: &Account) -> BTreeMap<String, Vec<u8>> {
    let mut secrets = BTreeMap::new();
    for party in &cluster.parties {
        let name = &party.spec.party;
        let kept = party.keeper().kept(account.id()).unwrap();
        let key = party.keeper().open(&kept).unwrap();
        let share = key.share.to_secret_bytes();
        assert!(Share::from_secret_bytes(&share).is_ok());
        // Version, index, threshold and size, then the scalar; what follows is public.
        secrets.insert(format!("{name}: share"), share[4..36].to_vec());
        let auxiliary = key.auxiliary.to_secret_bytes();
        for (i, part) in auxiliary.chunks(auxiliary.len() / 8).enumerate() {
            // Long runs of zeros and lengths say nothing.
            let telling = part.windows(16).find(|window| {
                let distinct: std::collections::BTreeSet<_> = window.iter().collect();
                distinct.len() > 12
            });
            if let Some(window) = telling.filter(|_| i > 0) {
                secrets.insert(format!("{name}: auxiliary {i}"), window.to_vec());
            }
        }
        secrets.insert(format!("{name}: identity seed"), party.keys.identity.expose_seed().to_vec());
        secrets.insert(format!("{name}: party seed"), party.seed().to_vec());
        secrets.extend(key_file(party.folder()).map(|key| (format!("{name}: key file"), key)));
    }
    secrets
}

/// The key in a key file, if there is one.
fn key_file(folder: &Path) -> Option<Vec<u8>> {
    let paths = ["node.key", "device.key"].map(|name| folder.join(name));
    let text = paths.iter().find_map(|path| std::fs::read_to_string(path).ok())?;
    let digits = text.split_ascii_whitespace().nth(1).unwrap();
    Some(hex::decode(digits).unwrap())
}

/// The forms in which bytes could be written down.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let lower = hex::encode(secret);
    let listed = format!("{secret:?}");
    let mut forms = vec![secret.to_vec(), lower.to_uppercase().into_bytes(), lower.into_bytes()];
    forms.push(listed.trim_matches(['[', ']']).as_bytes().to_vec());
    // Within other bytes, a text in base64 starts at any of three places.
    for skipped in 0..3 {
        let whole = &secret[skipped..skipped + (secret.len() - skipped) / 3 * 3];
        forms.push(base64::engine::general_purpose::STANDARD_NO_PAD.encode(whole).into_bytes());
        forms.push(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(whole).into_bytes());
    }
    forms
}

fn contains(log: &[u8], form: &[u8]) -> bool {
    assert!(form.len() >= 16);
    log.windows(form.len()).any(|window| window == form)
}

#[test]
fn no_secret_is_ever_logged() {
    let recorder = Recorder::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(recorder.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    // What a careless line would say.
    let canary: Vec<u8> = (100..132).collect();
    tracing::trace!(?canary, digits = hex::encode(&canary));

    let mut cluster = Cluster::start_sealed(3);
    let account = cluster.account(2);
    let order = account.order(&Wish::new(), cluster.party(1), &[1, 2], 1);
    for answer in cluster.sign(&order).values() {
        account.assemble(&order.plan, answer.signature().unwrap()).unwrap();
    }
    // Refusals, faults and restarts are told of as well.
    let refused = Wish { to: MALLORY.into(), ..Wish::new() };
    let _ = cluster.sign(&account.order(&refused, cluster.party(1), &[1, 2], 1));
    let attacked = account.order(&Wish::new(), cluster.party(1), &[1, 2], 3);
    let terms = &account.charter.document.terms;
    let cheat = TwoFaced::new(terms, attacked.session(), attacked.signers[1], &cluster.keys());
    let spoil = cheat.saying(|words| {
        if let Some(direct) = &mut words.direct {
            let middle = direct.len() / 2;
            direct[middle] ^= 1;
        }
    });
    cluster.relay.intercept(attacked.session(), spoil);
    let mark = cluster.order(1, &attacked);
    cluster.order(2, &attacked);
    let _ = cluster.answer(1, mark, attacked.session());
    cluster.stop(1);
    cluster.start_again(1);

    let secrets = secrets(&cluster, &account);
    assert!(secrets.len() > 9, "{:?}", secrets.keys());
    assert_eq!(cluster.party(1).spec.kind, PartyKind::Device);
    let log = recorder.0.lock().unwrap().clone();
    // The recorder hears everything: what may be said is found, in the words of the node and below.
    for said in ["account in force", "refused", "banned for ever", "broke off", "TRACE"] {
        assert!(contains_text(&log, said), "`{said}` is not in the log");
    }
    assert_eq!(forms(&canary).iter().filter(|form| contains(&log, form)).count(), 2);
    for (what, secret) in &secrets {
        for (form, bytes) in forms(secret).iter().enumerate() {
            assert!(!contains(&log, bytes), "{what} is in the log, in form {form}");
        }
    }
    for text in [PIN, PASSPHRASE] {
        assert!(!contains_text(&log, text), "a PIN or passphrase is in the log");
    }
}

fn contains_text(log: &[u8], text: &str) -> bool {
    log.windows(text.len()).any(|window| window == text.as_bytes())
}
