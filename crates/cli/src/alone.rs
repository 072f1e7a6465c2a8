//! The provider alone: its coordinator turned hostile, its co-signer's real process, its whole reach.
//! It tries to move the account's money without the user.

use anyhow::Context as _;
use cohold_api::RequestView;
use cohold_chain_io::Chain;
use cohold_model::charter::Charter;
use cohold_model::intent::Asset;
use cohold_model::{Amount, PartyName, RequestId};
use serde_json::{Value, json};

use crate::attack::orders::{Approved, Theft, Wish, forged};
use crate::dev::Dev;
use crate::home::{DEVICE, Home};
use crate::hostile::{Answer, Hostile};
use crate::output::Output;

/// What the provider has seen: a request that the user really approved.
pub(crate) async fn last_approved(home: &Home, request: Option<&Value>) -> anyhow::Result<RequestView> {
    let request: RequestId = serde_json::from_value(request.cloned().context("no request was made")?)?;
    home.client()?.request(request).await
}

/// Takes over the coordinator's address, starts the co-signer again, and tries.
pub(crate) async fn provider_tries(
    output: Output,
    dev: &mut Dev,
    charter: &Charter,
    approved: RequestView,
    chain: &Chain,
) -> anyhow::Result<Value> {
    let account = cohold_chain_evm::Address::of_public_key(&charter.key.public_key.0)?;
    let before = (chain.nonce_pending(account).await?, chain.balance(account).await?);
    let mut hostile = Hostile::listen(dev.url.trim_start_matches("http://")).await?;
    let (_, card) = charter.terms.party(&"cosigner".parse()?).context("the account has no co-signer")?;
    dev.restart_node("cosigner").await?;
    hostile.wait_for(card.identity).await?;

    let device: PartyName = DEVICE.parse()?;
    let to = crate::chain::treasurer(chain).await?;
    let wish = Wish { asset: Asset::Native, to, amount: Amount::parse("3", 18)? };
    let theft = Theft::plan(charter, chain, &device, &wish).await?;
    let signers = charter.terms.indexed().filter(|(_, c)| [&device, &card.party].contains(&&c.party));
    let signers: Vec<_> = signers.map(|(index, _)| index).collect();
    let mut refusals = Vec::new();
    for (strategy, order) in forged(charter, &theft, Some(&Approved::from(approved)), &signers)? {
        let words = strategy.words();
        let answer = hostile.ask(card.identity, order).await;
        match answer.with_context(|| format!("the attempt `{words}` got no answer"))? {
            Answer::Refused(refusal) => {
                output.progress(&format!("  {words}: {refusal}"));
                refusals.push(json!({"attempt": words, "code": refusal.code, "reason": refusal.message}));
            }
            Answer::Signed(_) => anyhow::bail!("the provider got a signature"),
            Answer::Broken(why) => anyhow::bail!("the co-signer took part in `{words}`: {why}"),
        }
    }
    let after = (chain.nonce_pending(account).await?, chain.balance(account).await?);
    anyhow::ensure!(before == after, "the provider moved the account's money");
    Ok(json!({"moved": false, "refusals": refusals}))
}
