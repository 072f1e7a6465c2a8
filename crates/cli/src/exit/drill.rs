//! A rehearsal: the shares sign a message that says so, which anyone can check against the address.

use std::time::Instant;

use cohold_chain_evm::assemble::RawSignature;
use cohold_chain_evm::{message_digest, message_signature, message_signer};
use cohold_model::{HexBytes, KeyPath};
use cohold_mpc_ecdsa::{RecoverableSignature, SigningDigest};
use serde_json::json;

use super::noted;
use super::shares::Quorum;
use crate::args::SharesArgs;
use crate::home::Home;
use crate::output::Output;

pub(crate) async fn run(output: Output, home: &Home, args: &SharesArgs) -> anyhow::Result<()> {
    let (began, now) = (Instant::now(), cohold_node::now());
    let quorum = Quorum::gather(output, home, args)?;
    let opened = began.elapsed();
    let (account, address, signers) = (quorum.account, quorum.address, quorum.indices());
    output.progress("signing with them …");
    let message = format!("Cohold exit drill of account {account} at {now} seconds since 1970");
    let RecoverableSignature { r, s, recovery_id } =
        quorum.sign(SigningDigest(message_digest(&message)), KeyPath::ROOT).await?;
    let signature = RawSignature { r, s, recovery_id };
    let found = message_signer(&message, &signature)?;
    anyhow::ensure!(found == address, "the shares sign for {found}, not for {address}");
    let all = began.elapsed();
    // Of accounts of other devices nothing is kept: there is nobody to state it.
    if home.account(account).is_ok() {
        noted::drilled(home, account, now)?;
    }
    let seconds = |time: std::time::Duration| (time.as_secs_f64() * 100.0).round() / 100.0;
    let value = json!({
        "ok": true,
        "account": account,
        "address": address.to_string(),
        "signers": signers,
        "seconds": seconds(all),
        "seconds_opening": seconds(opened),
        "drilled_at": now,
        "message": message,
        "signature": HexBytes(message_signature(&signature).to_vec()),
    });
    output.result(&value, || {
        format!(
            "your shares sign for {address} without server and provider; it took {:.1} seconds\n  \
             message   {message}\n  signature {}\n  (any wallet that verifies messages, EIP-191, can check it)",
            all.as_secs_f64(),
            HexBytes(message_signature(&signature).to_vec()),
        )
    })
}
