//! The provider alone: its coordinator turned hostile, its co-signer's real process, its whole reach.
//! It tries to move the account's money without the user.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::WebSocketUpgrade;
use axum::routing::get;
use cohold_api::{RequestView, route};
use cohold_chain_io::Chain;
use cohold_model::canonical::Signed;
use cohold_model::charter::Charter;
use cohold_model::intent::{Action, Approval, Asset};
use cohold_model::{Amount, Document as _, IdentityKey, IdentitySecret, Intent, PartyName, Plan, RequestId};
use cohold_party::refusal::Code;
use cohold_party::wire::{FromParty, Message, SignOrder, ToParty};
use cohold_relay::{Address as Mail, Hub, Parcel, socket};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::dev::Dev;
use crate::home::{DEVICE, Home};
use crate::output::Output;

const PATIENCE: Duration = Duration::from_secs(20);

/// A coordinator that serves a thief.
struct Hostile {
    hub: Arc<Hub>,
    mail: mpsc::Receiver<Parcel>,
    cosigner: IdentityKey,
}

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
    let mut hostile = Hostile::listen(dev, charter).await?;
    dev.restart_node("cosigner").await?;
    hostile.wait_for_cosigner().await?;

    let theft = theft(charter, chain).await?;
    let mut refusals = Vec::new();
    for (words, order) in attempts(charter, &theft, &approved)? {
        let refusal =
            hostile.ask(order).await.with_context(|| format!("the attempt `{words}` got no answer"))?;
        output.progress(&format!("  {words}: {}", refusal.1));
        refusals.push(json!({"attempt": words, "code": refusal.0, "reason": refusal.1}));
    }
    let after = (chain.nonce_pending(account).await?, chain.balance(account).await?);
    anyhow::ensure!(before == after, "the provider moved the account's money");
    Ok(json!({"moved": false, "refusals": refusals}))
}

/// Everything the account has, to the provider's own address.
async fn theft(charter: &Charter, chain: &Chain) -> anyhow::Result<(Intent, Plan)> {
    let thief = crate::chain::treasurer(chain).await?;
    let intent = Intent {
        request: RequestId::random(&mut cohold_node::rng()),
        account: charter.terms.account,
        chain_id: crate::chain::LOCAL_CHAIN_ID,
        action: Action::Transfer {
            asset: Asset::Native,
            to: thief.to_string(),
            amount: Amount::parse("3", 18)?,
        },
        requester: DEVICE.parse()?,
        expires_at: cohold_node::now() + 600,
    };
    let from = cohold_chain_evm::Address::of_public_key(&charter.key.public_key.0)?;
    let facts = chain.gather_facts(from, &intent).await?;
    let plan = cohold_chain_evm::plan(&intent, &facts)?;
    Ok((intent, plan))
}

/// What a hostile provider can put together without the user's identity key.
fn attempts(
    charter: &Charter,
    theft: &(Intent, Plan),
    approved: &RequestView,
) -> anyhow::Result<Vec<(&'static str, SignOrder)>> {
    let device: PartyName = DEVICE.parse()?;
    let signers: BTreeSet<_> = [&device, &"cosigner".parse()?]
        .into_iter()
        .filter_map(|name| charter.terms.party(name))
        .map(|(i, _)| i)
        .collect();
    let order = |approvals: Vec<Signed<Approval>>| SignOrder {
        charter: charter.digest(),
        intent: theft.0.clone(),
        plan: theft.1.clone(),
        approvals,
        signers: signers.iter().copied().collect(),
        attempt: 1,
    };
    let approval = Approval {
        account: charter.terms.account,
        charter: charter.digest(),
        plan: theft.1.digest(),
        approver: device.clone(),
        expires_at: cohold_node::now() + 600,
    };
    let forger = IdentitySecret::random(&mut cohold_node::rng());
    let forged = Signed::by(approval, device.clone(), &forger);
    let mut smuggled = order(approved.approvals.clone());
    smuggled.intent = approved.intent.clone();
    smuggled.plan.intent = approved.intent.digest();
    Ok(vec![
        ("no approval at all", order(Vec::new())),
        ("an approval that the provider signed itself", order(vec![forged])),
        ("the user's approval of an earlier payment", order(approved.approvals.clone())),
        ("an earlier payment's papers around other bytes", smuggled),
    ])
}

impl Hostile {
    async fn listen(dev: &Dev, charter: &Charter) -> anyhow::Result<Self> {
        let (_, card) = charter.terms.party(&"cosigner".parse()?).context("the account has no co-signer")?;
        let (hub, mail) = Hub::new();
        let shared = Arc::clone(&hub);
        let upgrade = move |upgrade: WebSocketUpgrade| {
            let hub = Arc::clone(&shared);
            async move {
                upgrade
                    .max_message_size(socket::MESSAGE_BYTES_MAX)
                    .on_upgrade(move |stream| socket::serve(stream, hub))
            }
        };
        let address = dev.url.trim_start_matches("http://");
        let listener =
            tokio::net::TcpListener::bind(address).await.context("the server's port is not free yet")?;
        tokio::spawn(axum::serve(listener, Router::new().route(route::RELAY, get(upgrade))).into_future());
        Ok(Self { hub, mail, cosigner: card.identity })
    }

    async fn wait_for_cosigner(&mut self) -> anyhow::Result<()> {
        loop {
            if let FromParty::Hello { .. } = self.hear().await? {
                return Ok(());
            }
        }
    }

    /// Orders a signature and returns the refusal. A signature would be the end of the story.
    async fn ask(&mut self, order: SignOrder) -> anyhow::Result<(Code, String)> {
        let session = order.session();
        let body = Message::encode_plain(&ToParty::Sign(Box::new(order)))?;
        self.hub.post(Mail::Coordinator, Mail::Party(self.cosigner), body).await;
        loop {
            match self.hear().await? {
                FromParty::Refused { session: of, refusal, .. } if of == session => {
                    return Ok((refusal.code, refusal.message));
                }
                FromParty::Signature { .. } => anyhow::bail!("the provider got a signature"),
                _ => {}
            }
        }
    }

    async fn hear(&mut self) -> anyhow::Result<FromParty> {
        loop {
            let parcel = timeout(PATIENCE, self.mail.recv()).await.context("the co-signer is silent")?;
            let parcel = parcel.context("the hub is gone")?;
            if let Ok(Message::Plain(words)) = Message::<FromParty>::decode(&parcel.body) {
                return Ok(*words);
            }
        }
    }
}
