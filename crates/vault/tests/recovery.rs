//! The recovery file as a whole: written, mistyped, forged, opened.

use cohold_model::{Digest, Epoch};
use cohold_vault::recovery::lines::LineError;
use cohold_vault::recovery::{RecoveryOpenError, RecoveryParseError};
use cohold_vault::{Passphrase, RecoveryFile, RecoveryPublic, StretchCost};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn public() -> Result<RecoveryPublic> {
    Ok(RecoveryPublic {
        account: "acc_000102030405060708090a0b0c0d0e0f".parse()?,
        address: Some("0x52908400098527886E0F7030069857D2E4169EE7".into()),
        epoch: Epoch::FIRST,
        party: "recovery".parse()?,
        charter: Digest([5; 32]),
        created_at: 1_793_714_709,
    })
}

fn passphrase(text: &str) -> Result<Passphrase> {
    Ok(Passphrase::chosen(text.into())?)
}

#[test]
fn a_file_is_read_back_and_opens_with_its_passphrase_only() -> Result {
    for secret in [vec![], vec![7; 32], (0..100_000u32).map(|i| i.to_le_bytes()[0]).collect()] {
        let file = RecoveryFile::seal(public()?, &secret, &passphrase("correct horse")?, StretchCost::FLOOR)?;
        let read = RecoveryFile::parse(&file.write())?;
        assert_eq!(read, file);
        assert_eq!(*read.public(), public()?);
        assert_eq!(*read.open(&passphrase("correct horse")?)?, secret);
        let refused = read.open(&passphrase("correct horsf")?);
        assert!(matches!(refused, Err(RecoveryOpenError::Refused)));
    }
    Ok(())
}

#[test]
fn people_see_what_it_is_and_never_what_is_in_it() -> Result {
    let secret = b"a very recognisable secret";
    let file = RecoveryFile::seal(public()?, secret, &passphrase("correct horse")?, StretchCost::FLOOR)?;
    let text = file.write();
    for shown in [
        "account:  acc_000102030405060708090a0b0c0d0e0f",
        "address:  0x52908400098527886E0F7030069857D2E4169EE7",
        "party:    recovery",
        "created:  2026-11-03 14:05:09 UTC",
        "cohold recovery check FILE",
    ] {
        assert!(text.contains(shown), "{shown}\n{text}");
    }
    assert!(text.lines().all(|line| line.len() <= 100));
    assert!(!text.contains("recognisable") && !format!("{file:?}").contains("recognisable"));
    Ok(())
}

#[test]
fn every_changed_line_is_named() -> Result {
    let file = RecoveryFile::seal(public()?, &[7; 32], &passphrase("correct horse")?, StretchCost::FLOOR)?;
    let text = file.write();
    let named = |from: &str, to: &str| {
        let expected = text.lines().position(|line| line.contains(from)).map(|row| row + 1);
        match RecoveryFile::parse(&text.replacen(from, to, 1)) {
            Err(RecoveryParseError::People { line, .. })
            | Err(RecoveryParseError::Line(LineError::Typo { line, .. })) => expected == Some(line),
            _ => false,
        }
    };
    assert!(named("0e0f", "0e0e"));
    assert!(named("0x5290", "0x5291"));
    assert!(named("recovery\nepoch", "device\nepoch") || named("party:    recovery", "party:    device"));
    assert!(named("cohold1qqqs", "cohold1qqqq"));
    Ok(())
}

#[test]
fn lines_of_two_files_do_not_mix() -> Result {
    let make = |secret: &[u8]| -> Result<String> {
        let phrase = passphrase("correct horse")?;
        Ok(RecoveryFile::seal(public()?, secret, &phrase, StretchCost::FLOOR)?.write())
    };
    let (a, b) = (make(&[1; 32])?, make(&[2; 32])?);
    let last = |text: &str| text.lines().rev().nth(1).unwrap_or_default().to_owned();
    let mixed = a.replace(&last(&a), &last(&b));
    assert!(matches!(RecoveryFile::parse(&mixed), Err(RecoveryParseError::Payload(_))));
    Ok(())
}

#[test]
fn files_of_version_1_stay_readable() -> Result {
    let file = RecoveryFile::parse(include_str!("recovery_v1.txt"))?;
    assert_eq!(*file.public(), public()?);
    assert_eq!(file.open(&passphrase("correct horse")?)?.as_slice(), b"the share of version 1");
    Ok(())
}

#[test]
fn the_file_is_private_and_not_overwritten() -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("recovery.txt");
    let file = RecoveryFile::seal(public()?, &[7; 32], &passphrase("correct horse")?, StretchCost::FLOOR)?;
    file.save(&path)?;
    assert!(file.save(&path).is_err());
    assert_eq!(RecoveryFile::parse(&std::fs::read_to_string(&path)?)?, file);
    Ok(())
}
