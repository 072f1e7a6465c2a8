//! A payment signed with no network: every number of it is given, and any node of the chain takes it.

use cohold_chain_evm::assemble::RawSignature;
use cohold_chain_evm::{
    Address, Decoded, Effect, GAS_TRANSFER, Token, TokenBook, assemble, decode, describe, signing_digest,
};
use cohold_model::{Amount, HexBytes};
use cohold_mpc_ecdsa::{RecoverableSignature, SigningDigest};
use cohold_party::rules::COIN_DECIMALS;
use serde_json::json;

use super::shares::Quorum;
use crate::args::ExitSignArgs;
use crate::home::Home;
use crate::output::{Exit, Failure, Output, confirm};

/// Decimals of a gwei.
const GWEI_DECIMALS: u8 = 9;
/// Room enough for an ERC-20 transfer.
const GAS_TOKEN: u64 = 100_000;

pub(crate) async fn run(output: Output, home: &Home, args: &ExitSignArgs) -> anyhow::Result<()> {
    let (decoded, book) = wanted(args)?;
    let payload = decoded.payload();
    // The same strict reading as by any party.
    let decoded = decode(&payload).map_err(|error| usage("bad-payment", error.to_string()))?;
    let effects = describe(&decoded, &book).to_string();
    let quorum = Quorum::gather(output, home, &args.shares)?;
    let (account, path, signers) = (quorum.account, args.path, quorum.indices());
    let key = quorum.key.child(&path).map_err(|error| usage("bad-path", error.to_string()))?;
    let address = Address::of_public_key(&key)?;
    let at = if path.is_root() { String::new() } else { format!(" ({path})") };
    let question = format!("{effects}, from {address}{at}, as its transaction number {}?", decoded.nonce);
    if !args.yes && !confirm(&question)? {
        return Err(Failure::error(Exit::Failed, "not-confirmed", "not confirmed; nothing was signed"));
    }
    output.progress("signing …");
    let digest = SigningDigest(signing_digest(&payload));
    let RecoverableSignature { r, s, recovery_id } = quorum.sign(digest, path).await?;
    let signed = assemble(&payload, &RawSignature { r, s, recovery_id }, &key)?;
    let (raw, hash) = (HexBytes(signed.raw), HexBytes(signed.hash.to_vec()));
    let value = json!({
        "account": account,
        "address": address.to_string(),
        "path": path,
        "chain_id": decoded.chain_id,
        "nonce": decoded.nonce,
        "effects": effects,
        "signers": signers,
        "transaction": raw,
        "transaction_hash": hash,
    });
    output.result(&value, || {
        format!(
            "{effects}\n\nHand these bytes to any node of chain {} (`eth_sendRawTransaction`, or a block \
             explorer's\n\"broadcast\" page). Its hash will be {hash}.\n\n{raw}",
            decoded.chain_id
        )
    })
}

fn wanted(args: &ExitSignArgs) -> anyhow::Result<(Decoded, TokenBook)> {
    let to = Address::parse_receiver(&args.to).map_err(|e| usage("bad-address", e.to_string()))?;
    let mut book = TokenBook::default();
    let token = args.token.as_deref().map(|text| {
        text.parse::<Address>().map_err(|e| usage("bad-address", format!("the token is refused: {e}")))
    });
    let token = token.transpose()?;
    let decimals = args.decimals.unwrap_or(COIN_DECIMALS);
    let amount = parse(&args.amount, decimals, "bad-amount")?;
    if amount.is_zero() {
        return Err(usage("zero-amount", cohold_model::amount::AmountError::Zero.to_string()));
    }
    let effect = match token {
        None => Effect::NativeTransfer { to, amount },
        Some(token) if token == to => {
            return Err(usage(
                "bad-address",
                "the receiver is the token's own contract: it would be lost".into(),
            ));
        }
        Some(token) => {
            // Its own name cannot be asked for here; the contract's address stands in the sentence.
            let symbol = "TOKEN".parse()?;
            book.insert(args.chain, token, Token { symbol, decimals });
            Effect::TokenTransfer { token, to, amount }
        }
    };
    let gas_limit = args.gas_limit.unwrap_or(if token.is_some() { GAS_TOKEN } else { GAS_TRANSFER });
    let decoded = Decoded {
        chain_id: args.chain,
        nonce: args.nonce,
        gas_limit,
        max_fee_per_gas: gwei(&args.max_fee)?,
        max_priority_fee_per_gas: gwei(&args.tip)?,
        effect,
    };
    Ok((decoded, book))
}

fn gwei(text: &str) -> anyhow::Result<u128> {
    let wei = parse(text, GWEI_DECIMALS, "bad-fee")?;
    u128::try_from(wei.0).map_err(|_| usage("bad-fee", format!("`{text}` gwei is more than any fee")))
}

fn parse(text: &str, decimals: u8, code: &str) -> anyhow::Result<Amount> {
    Amount::parse(text, decimals).map_err(|error| usage(code, error.to_string()))
}

fn usage(code: &str, message: String) -> anyhow::Error {
    Failure::error(Exit::Usage, code, message)
}
