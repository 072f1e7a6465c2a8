//! The vault over a real PKCS#11 module, SoftHSM2. A module reads its settings once in a process, so each
//! test runs as a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cohold_model::Epoch;
use cohold_model::statement::Sealing;
use cohold_model::token::PinSource;
use cohold_vault::token::{KeyFound, PinTries};
use cohold_vault::{
    Purpose, SealContext, Sealed, SoftwareVault, TokenError, TokenName, TokenPin, TokenPlace, TokenVault,
    Vault, VaultError,
};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const PIN: &str = "482916";
const LABEL: &str = "cohold-test";
const FOLDER: &str = "COHOLD_TOKEN_TEST_FOLDER";

fn module() -> PathBuf {
    let places = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];
    let found = places.iter().map(Path::new).find(|path| path.exists());
    found.expect("SoftHSM2 is there: `cargo xtask test` installs the package softhsm2").to_owned()
}

/// Runs a test in a process of its own, over a new token.
fn alone(name: &str, test: impl FnOnce(&Path) -> Result) -> Result {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return test(Path::new(&folder));
    }
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("tokens"))?;
    let settings = folder.path().join("softhsm2.conf");
    let tokens = folder.path().join("tokens");
    fs::write(
        &settings,
        format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        ),
    )?;
    token_make(folder.path(), LABEL)?;
    let ran = Command::new(std::env::current_exe()?)
        .args([name, "--exact", "--nocapture"])
        .env("SOFTHSM2_CONF", &settings)
        .env(FOLDER, folder.path())
        .output()?;
    assert!(ran.status.success(), "{}", said(&ran));
    assert!(said(&ran).contains("1 passed"), "{}", said(&ran));
    Ok(())
}

fn token_make(folder: &Path, label: &str) -> Result {
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", label, "--so-pin", "73829105", "--pin", PIN])
        .env("SOFTHSM2_CONF", folder.join("softhsm2.conf"))
        .output()?;
    assert!(made.status.success(), "{}", said(&made));
    Ok(())
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn at(key: &str) -> TokenPlace {
    TokenPlace { module: module(), token: TokenName::Token(LABEL.into()), key: key.into() }
}

fn pin() -> Result<TokenPin> {
    Ok(TokenPin::new(PIN.into(), PinSource::Entered)?)
}

fn home(party: &str) -> Result<SealContext> {
    let account = "acc_000102030405060708090a0b0c0d0e0f".parse()?;
    Ok(SealContext::of_account(account, Epoch(1), party.parse()?, Purpose::Share))
}

/// A session of the test's own, beside the vault's.
fn session() -> Result<Session> {
    let context = Pkcs11::new(module())?;
    drop(context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)));
    let slots = context.get_slots_with_token()?;
    let of = |slot: &&cryptoki::slot::Slot| {
        context.get_token_info(**slot).is_ok_and(|token| token.label() == LABEL)
    };
    let slot = *slots.iter().find(of).ok_or("the token is there")?;
    let session = context.open_rw_session(slot)?;
    drop(session.login(UserType::User, Some(&AuthPin::from(PIN))));
    Ok(session)
}

#[test]
fn a_blob_opens_in_its_own_place_by_the_same_key_only() -> Result {
    alone("a_blob_opens_in_its_own_place_by_the_same_key_only", |folder| {
        let record = folder.join("node.token.json");
        let (vault, found) = TokenVault::create(at("one"), pin()?, &record)?;
        assert_eq!((found, vault.sealing()), (KeyFound::Made, Sealing::Hardware));
        let sealed = vault.seal(&home("node")?, b"share")?;
        let large = vec![7; 105_000];
        let long = vault.seal(&home("node")?, &large)?;
        assert!(matches!(vault.open(&home("other")?, &sealed), Err(VaultError::Refused)));

        let token = vault.token().ok_or("it describes its token")?;
        assert!(token.manufacturer.as_str().contains("SoftHSM") && token.key_never_left, "{token:?}");
        assert!(!token.serial.as_str().is_empty() && token.pin == PinSource::Entered, "{token:?}");
        drop(vault);

        let again = TokenVault::open(at("one"), pin()?, &record)?;
        assert_eq!(again.open(&home("node")?, &sealed)?.as_slice(), b"share");
        assert_eq!(again.open(&home("node")?, &long)?.as_slice(), large);
        let bytes = sealed.as_bytes().to_vec();
        for at in 1..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let refused = again.open(&home("node")?, &Sealed::from_bytes(changed)?);
            assert!(matches!(refused, Err(VaultError::Refused)), "byte {at}");
        }
        assert!(Sealed::from_bytes(bytes[..88].to_vec()).is_err(), "cut short");

        // Another key of the same token opens nothing, and vaults of the other kind say so.
        let (other, _) = TokenVault::create(at("two"), pin()?, &folder.join("other.json"))?;
        assert!(matches!(other.open(&home("node")?, &sealed), Err(VaultError::Refused)));
        let software = SoftwareVault::key_file_create(&folder.join("node.key"))?;
        assert!(matches!(software.open(&home("node")?, &sealed), Err(VaultError::OtherVault { .. })));
        let soft = software.seal(&home("node")?, b"share")?;
        assert!(matches!(again.open(&home("node")?, &soft), Err(VaultError::OtherVault { .. })));
        Ok(())
    })
}

#[test]
fn the_key_cannot_be_read_out_of_the_token() -> Result {
    alone("the_key_cannot_be_read_out_of_the_token", |folder| {
        let (vault, _) = TokenVault::create(at("one"), pin()?, &folder.join("r.json"))?;
        let session = session()?;
        let keys = session
            .find_objects(&[Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Label(b"one".to_vec())])?;
        let [key] = keys[..] else { return Err("one key".into()) };
        // A sensitive value is left out without an error.
        assert_eq!(session.get_attributes(key, &[AttributeType::Value])?, []);
        assert!(session.update_attributes(key, &[Attribute::Sensitive(false)]).is_err());
        assert!(session.update_attributes(key, &[Attribute::Extractable(true)]).is_err());
        // Nor wrapped under a key of one's own.
        let wrapper = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen(32.into()),
            Attribute::Wrap(true),
            Attribute::Token(false),
        ];
        let wrapper = session.generate_key(&Mechanism::AesKeyGen, &wrapper)?;
        assert!(session.wrap_key(&Mechanism::AesKeyWrap, wrapper, key).is_err());
        drop(vault);
        Ok(())
    })
}

#[test]
fn a_key_that_could_leave_is_refused() -> Result {
    alone("a_key_that_could_leave_is_refused", |folder| {
        let session = session()?;
        let check = |label: &str, extra: Vec<Attribute>, says: &str| -> Result {
            let mut template = vec![
                Attribute::Class(ObjectClass::SECRET_KEY),
                Attribute::KeyType(KeyType::AES),
                Attribute::Label(label.into()),
                Attribute::Id(label.into()),
                Attribute::Token(true),
                Attribute::Encrypt(true),
                Attribute::Decrypt(true),
            ];
            template.extend(extra);
            if template.iter().any(|one| matches!(one, Attribute::Value(_))) {
                session.create_object(&template)?;
            } else {
                session.generate_key(&Mechanism::AesKeyGen, &template)?;
            }
            let refused = TokenVault::create(at(label), pin()?, &folder.join(label));
            let Err(TokenError::KeyUnfit { flaw, .. }) = refused else {
                return Err(format!("{label}: {refused:?}").into());
            };
            assert!(flaw.contains(says), "{label}: {flaw}");
            assert!(!folder.join(label).exists(), "nothing is recorded");
            Ok(())
        };
        let (sensitive, fixed) = (Attribute::Sensitive, Attribute::Extractable);
        let long = || Attribute::ValueLen(32.into());
        check("readable", vec![long(), sensitive(false), fixed(false)], "read out")?;
        check("extractable", vec![long(), sensitive(true), fixed(true)], "wrapped")?;
        check("short", vec![Attribute::ValueLen(16.into()), sensitive(true), fixed(false)], "256")?;
        check("brought", vec![Attribute::Value(vec![7; 32]), sensitive(true), fixed(false)], "once")?;
        Ok(())
    })
}

#[test]
fn a_key_that_is_gone_is_never_replaced() -> Result {
    alone("a_key_that_is_gone_is_never_replaced", |folder| {
        let record = folder.join("r.json");
        let (vault, _) = TokenVault::create(at("one"), pin()?, &record)?;
        let sealed = vault.seal(&home("node")?, b"share")?;
        drop(vault);
        assert!(
            matches!(TokenVault::create(at("one"), pin()?, &record), Err(TokenError::Record(_))),
            "it never overwrites"
        );
        // The same label and id, another key.
        let session = session()?;
        let key = session.find_objects(&[Attribute::Label(b"one".to_vec())])?[0];
        let id = session.get_attributes(key, &[AttributeType::Id])?;
        session.destroy_object(key)?;
        assert!(matches!(TokenVault::open(at("one"), pin()?, &record), Err(TokenError::KeyMissing { .. })));
        let mut template = vec![
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen(32.into()),
            Attribute::Label(b"one".to_vec()),
            Attribute::Token(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
        ];
        template.extend(id);
        session.generate_key(&Mechanism::AesKeyGen, &template)?;
        assert!(matches!(TokenVault::open(at("one"), pin()?, &record), Err(TokenError::KeyOther { .. })));
        drop(sealed);
        // A damaged record is named.
        fs::write(&record, "{}")?;
        assert!(matches!(
            TokenVault::open(at("one"), pin()?, &record),
            Err(TokenError::RecordContent { .. })
        ));
        Ok(())
    })
}

#[test]
fn what_is_not_there_is_named() -> Result {
    alone("what_is_not_there_is_named", |folder| {
        let record = folder.join("r.json");
        // Before the module begins: it sees no token that is made later.
        token_make(folder, "twin")?;
        token_make(folder, "twin")?;
        let tried = |place: TokenPlace, pin: &str| {
            TokenVault::create(place, TokenPin::new(pin.into(), PinSource::File)?, &record).map(|_| ())
        };
        let missing = TokenPlace { module: folder.join("none.so"), ..at("one") };
        assert!(matches!(tried(missing, PIN), Err(TokenError::Module { .. })));
        let text = TokenPlace { module: folder.join("softhsm2.conf"), ..at("one") };
        assert!(matches!(tried(text, PIN), Err(TokenError::Module { .. })));
        let other = TokenPlace { token: TokenName::Serial("0000".into()), ..at("one") };
        let Err(error @ TokenError::Missing { .. }) = tried(other, PIN) else {
            return Err("no such token".into());
        };
        assert!(error.to_string().contains(LABEL), "it lists what there is: {error}");
        let twins = TokenPlace { token: TokenName::Token("twin".into()), ..at("one") };
        assert!(matches!(tried(twins, PIN), Err(TokenError::Ambiguous { count: 2, .. })));
        let Err(TokenError::Pin(tries)) = tried(at("one"), "111111") else {
            return Err("a wrong PIN".into());
        };
        assert_eq!(tries, PinTries::Low, "SoftHSM2 tells that there was a wrong one");
        assert!(matches!(tried(at("one"), "\n"), Err(TokenError::PinText(_))));
        assert!(!record.exists());
        Ok(())
    })
}

#[test]
fn a_token_that_was_away_is_found_again() -> Result {
    alone("a_token_that_was_away_is_found_again", |folder| {
        let record = folder.join("r.json");
        let (vault, _) = TokenVault::create(at("one"), pin()?, &record)?;
        let sealed = vault.seal(&home("node")?, b"share")?;
        let (there, away) = (folder.join("tokens"), folder.join("away"));
        fs::rename(&there, &away)?;
        fs::create_dir(&there)?;
        for _ in 0..2 {
            let refused = vault.open(&home("node")?, &sealed);
            let Err(VaultError::Token(error)) = refused else { return Err(format!("{refused:?}").into()) };
            assert!(matches!(*error, TokenError::Away { .. }), "{error}");
            assert!(vault.seal(&home("node")?, b"share").is_err());
        }
        fs::remove_dir(&there)?;
        fs::rename(&away, &there)?;
        assert_eq!(vault.open(&home("node")?, &sealed)?.as_slice(), b"share");

        // Whoever logs out anywhere in the process drops every handle: it logs in again.
        let (other, _) = TokenVault::create(at("two"), pin()?, &folder.join("two.json"))?;
        session()?.logout()?;
        assert_eq!(vault.open(&home("node")?, &sealed)?.as_slice(), b"share");
        let sealed = other.seal(&home("node")?, b"other")?;
        assert_eq!(other.open(&home("node")?, &sealed)?.as_slice(), b"other");
        Ok(())
    })
}

/// Tokens lock: a PIN that was changed meanwhile is tried once.
#[test]
fn a_pin_that_was_refused_is_not_tried_again() -> Result {
    alone("a_pin_that_was_refused_is_not_tried_again", |folder| {
        let (vault, _) = TokenVault::create(at("one"), pin()?, &folder.join("r.json"))?;
        let sealed = vault.seal(&home("node")?, b"share")?;
        let own = session()?;
        own.set_pin(&AuthPin::from(PIN), &AuthPin::from("another-pin"))?;
        own.logout()?;
        let refusal = |refused: Result<_, VaultError>| match refused {
            Err(VaultError::Token(error)) => Ok(*error),
            other => Err(format!("{other:?}")),
        };
        assert!(matches!(refusal(vault.open(&home("node")?, &sealed))?, TokenError::Pin(PinTries::Low)));
        // Somebody logs in rightly: the token forgets the wrong one, and hears of no other.
        own.login(UserType::User, Some(&AuthPin::from("another-pin")))?;
        own.logout()?;
        for _ in 0..3 {
            let refused = refusal(vault.seal(&home("node")?, b"share").map(|_| Default::default()))?;
            assert!(matches!(refused, TokenError::PinBarred), "{refused}");
        }
        let look = cohold_vault::token::look(&at("one"))?;
        assert_eq!(look.tries, PinTries::Untold, "no wrong one since");
        Ok(())
    })
}
