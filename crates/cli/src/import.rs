//! `cohold account import`: a key that was made elsewhere becomes an account at the same address.

pub(crate) mod node;
mod shares;

use std::path::Path;

use cohold_chain_evm::Address;
use cohold_import::{WholeKey, phrase, raw};
use cohold_model::charter::Charter;
use cohold_model::{Origin, Signed};
use cohold_mpc_ecdsa::{ForeignKey, ForeignShare};
use serde_json::json;
use zeroize::Zeroizing;

use crate::account::{self, address};
use crate::args::{BringArgs, CreateArgs, ImportCommand, KeyArgs, MnemonicArgs};
use crate::home::{DEVICE, Home};
use crate::output::{Exit, Failure, Output, confirm, secret_from};

/// A key that this device brings along, and its share of it.
pub(crate) struct Brought {
    pub(crate) origin: Origin,
    pub(crate) key: ForeignKey,
    pub(crate) share: ForeignShare,
}

/// `cohold account import`.
pub(crate) async fn run(output: Output, home: &Home, command: &ImportCommand) -> anyhow::Result<()> {
    match command {
        ImportCommand::Mnemonic(args) => {
            let brought = brought(below(args)?)?;
            bring(output, home, brought, &args.bring, &args.create).await
        }
        ImportCommand::Key(args) => {
            let brought = brought(plain(args)?)?;
            bring(output, home, brought, &args.bring, &args.create).await
        }
        ImportCommand::Inspect(args) => shares::inspect(output, args),
        ImportCommand::Propose(args) => shares::propose(output, home, args).await,
        ImportCommand::Start(args) => shares::start(output, home, args).await,
    }
}

fn below(args: &MnemonicArgs) -> anyhow::Result<WholeKey> {
    let words = secret_from(args.mnemonic_file.as_deref(), "the words of the mnemonic", "--mnemonic-file")?;
    let passphrase = match (&args.mnemonic_passphrase_file, args.ask_passphrase) {
        (None, false) => Zeroizing::default(),
        (file, _) => secret_from(file.as_deref(), "its BIP-39 passphrase", "--mnemonic-passphrase-file")?,
    };
    phrase::key(&words, &passphrase, &args.path).map_err(|error| {
        let code = if error == phrase::PhraseError::Path { "path" } else { "mnemonic" };
        Failure::error(Exit::Usage, code, error.to_string())
    })
}

fn plain(args: &KeyArgs) -> anyhow::Result<WholeKey> {
    let text = secret_from(args.key_file.as_deref(), "the private key", "--key-file")?;
    raw::parse(&text).map_err(|error| Failure::error(Exit::Usage, "private-key", error.to_string()))
}

fn brought(key: WholeKey) -> anyhow::Result<Brought> {
    let origin = key.origin();
    let (key, share) = key.into_shared()?;
    Ok(Brought { origin, key, share })
}

/// A key that existed whole: this device deals it, to itself as well.
async fn bring(
    output: Output,
    home: &Home,
    brought: Brought,
    args: &BringArgs,
    create: &CreateArgs,
) -> anyhow::Result<()> {
    let found = Address::of_public_key(&brought.key.public_key())?;
    check_address(home, found, args.address.as_deref())?;
    let origin = brought.origin;
    output.progress(&format!("this key has the address {found}\n{}", origin.advice()));
    if !args.yes && !confirm(&format!("import the key of {found}, which goes on existing elsewhere?"))? {
        let message = "nothing was imported: confirm on a terminal, or give --yes";
        return Err(Failure::error(Exit::Failed, "not-confirmed", message));
    }
    let dealers = [(DEVICE.parse()?, brought.share.party())].into();
    let import = brought.key.import(origin, dealers);
    let charter = account::make_of(output, home, create, Some((import, brought.share))).await?;
    told(output, home, create.recovery_dir.as_deref(), &charter)
}

/// What a wrong path or passphrase gives is a key as well; and one key is one account here.
fn check_address(home: &Home, found: Address, wanted: Option<&str>) -> anyhow::Result<()> {
    if let Some(text) = wanted {
        let wanted: Address = text
            .parse()
            .map_err(|error| Failure::error(Exit::Usage, "bad-address", format!("`{text}`: {error}")))?;
        if wanted != found {
            let message = format!(
                "the key has the address {found}, not {wanted}: another path, passphrase or key was meant"
            );
            return Err(Failure::error(Exit::Failed, "address-mismatch", message));
        }
    }
    for charter in home.accounts()? {
        if address(&charter.document)? == found {
            let account = charter.document.terms.account;
            let message = format!(
                "`{account}` of this device has this key already: use it, or give it new shares by \
                 `cohold account reshare {account}`"
            );
            return Err(Failure::error(Exit::Failed, "address-known", message));
        }
    }
    Ok(())
}

fn told(
    output: Output,
    home: &Home,
    recovery_dir: Option<&Path>,
    charter: &Signed<Charter>,
) -> anyhow::Result<()> {
    let mut value = account::made(home, recovery_dir, &charter.document)?;
    let advice = charter.document.origin.map(Origin::advice).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("origin".into(), json!(charter.document.origin));
        fields.insert("advice".into(), json!(advice));
    }
    output.result(&value, || {
        account::made_words(charter, &value)
            + "\nwhat it was made of still exists where it came from, and in every copy: destroy it once the funds are moved"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(folder: &Path) -> anyhow::Result<Home> {
        use clap::Parser as _;
        let folder = folder.to_string_lossy();
        Home::locate(&crate::args::Cli::try_parse_from(["cohold", "--home", &folder, "doctor"])?.global)
    }

    #[test]
    fn another_address_than_expected_is_refused() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let home = home(folder.path())?;
        let key = raw::parse(&"11".repeat(32))?;
        let found = Address::of_public_key(&brought(key)?.key.public_key())?;
        let code = |wanted: Option<&str>| {
            let refused = check_address(&home, found, wanted).err();
            refused.and_then(|error| Some(error.downcast_ref::<Failure>()?.code.clone()))
        };
        assert_eq!(code(None), None);
        assert_eq!(code(Some(&found.to_string())), None);
        assert_eq!(
            code(Some("0x0000000000000000000000000000000000000001")).as_deref(),
            Some("address-mismatch")
        );
        assert_eq!(code(Some("0x12")).as_deref(), Some("bad-address"));
        Ok(())
    }
}
