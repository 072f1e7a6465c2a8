//! The whole key, put together for another wallet. After that nobody can say where it is.

use cohold_mpc_ecdsa::{PrivateKey, Share, reconstruct};
use cohold_vault::file::private_create;
use serde_json::json;
use zeroize::Zeroizing;

use super::noted;
use super::shares::Quorum;
use crate::args::{ExportArgs, KeyFormat};
use crate::home::Home;
use crate::output::{Exit, Failure, Output, typed};

/// Base58Check version of private keys on Bitcoin's main network, and the suffix of those whose public
/// key is compressed (<https://en.bitcoin.it/wiki/Wallet_import_format>).
const WIF_VERSION: u8 = 0x80;
const WIF_COMPRESSED: u8 = 0x01;

pub(crate) fn run(output: Output, home: &Home, args: &ExportArgs) -> anyhow::Result<()> {
    if args.out.exists() {
        let message = format!("`{}` exists already: name a new file", args.out.display());
        return Err(Failure::error(Exit::Usage, "file-exists", message));
    }
    let quorum = Quorum::gather(output, home, &args.shares)?;
    let address = quorum.address.to_string();
    let said = match &args.confirm {
        Some(said) => said.clone(),
        None => typed(&format!(
            "This puts the private key of {address} together in one place. Whoever reads it there, now or\n\
             ever, can move everything, there and at every address below it (`cohold address --path`), and\n\
             no limit, co-signer or resharing stops them. To go on, type the\n\
             address: "
        ))?,
    };
    if said.trim() != address {
        let message = format!("not confirmed: that is not {address}; nothing was put together");
        return Err(Failure::error(Exit::Failed, "not-confirmed", message));
    }
    // Before the key exists: a crash must not hide that it did.
    let (now, known) = (cohold_node::now(), home.account(quorum.account).is_ok());
    if known {
        noted::exported(home, quorum.account, now)?;
    }
    let shares: Vec<&Share> = quorum.locals.iter().map(|local| local.share.as_ref()).collect();
    let key = reconstruct(&shares)?;
    private_create(&args.out, text(&key, args.format).as_bytes())?;
    let file = args.out.display().to_string();
    let value = json!({
        "ok": true,
        "account": quorum.account,
        "address": address,
        "file": file,
        "exported_at": now,
        "stated": known,
    });
    output.result(&value, || {
        let stated = if known {
            "From now on this device states that the key was exported, and every certificate says so."
        } else {
            "The account's device is not here: tell whoever relies on its certificates that the key was exported."
        };
        format!(
            "the private key of {address} is in `{file}`\n{stated}\nImport it, move everything to a new \
             account, and destroy the file."
        )
    })
}

fn text(key: &PrivateKey, format: KeyFormat) -> Zeroizing<String> {
    let secret = key.secret_bytes();
    let mut text = match format {
        KeyFormat::Hex => {
            let digits = Zeroizing::new(hex::encode(secret));
            let mut text = Zeroizing::new(String::with_capacity(67));
            text.push_str("0x");
            text.push_str(&digits);
            text
        }
        KeyFormat::Wif => {
            let mut bytes = Zeroizing::new(Vec::with_capacity(34));
            bytes.push(WIF_VERSION);
            bytes.extend_from_slice(secret);
            bytes.push(WIF_COMPRESSED);
            Zeroizing::new(bs58::encode(bytes.as_slice()).with_check().into_string())
        }
    };
    text.push('\n');
    text
}
