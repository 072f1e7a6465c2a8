//! What a thief orders: its own transfer, with whatever papers it can put together.

use cohold_api::RequestView;
use cohold_chain_evm::{Address, Facts, plan};
use cohold_chain_io::Chain;
use cohold_model::charter::Charter;
use cohold_model::ids::PartyIndex;
use cohold_model::intent::{Action, Approval, Asset};
use cohold_model::{
    Amount, Document as _, IdentitySecret, Intent, KeyPath, PartyName, Plan, RequestId, Signed,
};
use cohold_party::wire::SignOrder;
use cohold_store::server::RequestRow;

use super::strategy::Strategy;

/// How long what a thief writes is good for, in seconds.
pub(crate) const VALID_SECONDS: u64 = 600;

/// What a thief wants to move, and where to.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) asset: Asset,
    pub(crate) to: Address,
    pub(crate) amount: Amount,
}

/// An intent of the thief's, and the bytes that would do it.
#[derive(Debug, Clone)]
pub(crate) struct Theft {
    pub(crate) intent: Intent,
    pub(crate) plan: Plan,
}

/// A request that the user really approved once.
#[derive(Debug, Clone)]
pub(crate) struct Approved {
    pub(crate) intent: Intent,
    pub(crate) plan: Plan,
    pub(crate) approvals: Vec<Signed<Approval>>,
    pub(crate) signers: Vec<PartyIndex>,
    pub(crate) attempt: u32,
}

impl From<RequestView> for Approved {
    fn from(view: RequestView) -> Self {
        let RequestView { intent, plan, approvals, signers, attempt, .. } = view;
        Self { intent, plan, approvals, signers, attempt }
    }
}

impl From<RequestRow> for Approved {
    fn from(row: RequestRow) -> Self {
        let RequestRow { intent, plan, approvals, signers, attempt, .. } = row;
        Self { intent, plan, approvals, signers, attempt }
    }
}

impl Theft {
    /// Plans a transfer by the chain's own facts.
    pub(crate) async fn plan(
        charter: &Charter,
        chain: &Chain,
        requester: &PartyName,
        wish: &Wish,
    ) -> anyhow::Result<Self> {
        Self::plan_with(charter, chain, requester, wish, |_| {}).await
    }

    /// Plans a transfer by facts that the thief has had its way with.
    pub(crate) async fn plan_with(
        charter: &Charter,
        chain: &Chain,
        requester: &PartyName,
        wish: &Wish,
        change: impl FnOnce(&mut Facts),
    ) -> anyhow::Result<Self> {
        let intent = intent(charter, chain.chain_id().await?, requester, wish);
        let from = Address::of_public_key(&charter.key.public_key.0)?;
        let mut facts = chain.gather_facts(from, &intent).await?;
        change(&mut facts);
        let plan = plan(&intent, &facts)?;
        Ok(Self { intent, plan })
    }

    /// The order to sign this.
    pub(crate) fn order(
        &self,
        charter: &Charter,
        approvals: Vec<Signed<Approval>>,
        signers: &[PartyIndex],
    ) -> SignOrder {
        SignOrder {
            charter: charter.digest(),
            intent: self.intent.clone(),
            plan: self.plan.clone(),
            approvals,
            signers: signers.to_vec(),
            attempt: 1,
            presignature: None,
        }
    }
}

/// An intent of this moment.
pub(crate) fn intent(charter: &Charter, chain_id: u64, requester: &PartyName, wish: &Wish) -> Intent {
    let Wish { asset, to, amount } = wish.clone();
    Intent {
        request: RequestId::random(&mut cohold_node::rng()),
        account: charter.terms.account,
        chain_id,
        action: Action::Transfer { asset, to: to.to_string(), amount },
        requester: requester.clone(),
        expires_at: cohold_node::now() + VALID_SECONDS,
        path: KeyPath::ROOT,
    }
}

/// An approval in a party's name, by whichever key.
pub(crate) fn approval(
    charter: &Charter,
    plan: &Plan,
    approver: &PartyName,
    key: &IdentitySecret,
    expires_at: u64,
) -> Signed<Approval> {
    let approval = Approval {
        account: charter.terms.account,
        charter: charter.digest(),
        plan: plan.digest(),
        approver: approver.clone(),
        expires_at,
    };
    Signed::by(approval, approver.clone(), key)
}

/// What can be put together without any approver's key.
pub(crate) fn forged(
    charter: &Charter,
    theft: &Theft,
    approved: Option<&Approved>,
    signers: &[PartyIndex],
) -> anyhow::Result<Vec<(Strategy, SignOrder)>> {
    let forger = IdentitySecret::random(&mut cohold_node::rng());
    let until = cohold_node::now() + VALID_SECONDS;
    let in_their_names = charter.terms.approvers.iter();
    let in_their_names = in_their_names.map(|name| approval(charter, &theft.plan, name, &forger, until));
    let mut orders = vec![
        (Strategy::NoApproval, theft.order(charter, Vec::new(), signers)),
        (Strategy::ForgedApproval, theft.order(charter, in_their_names.collect(), signers)),
    ];
    if let Some(approved) = approved {
        let with_theirs = theft.order(charter, approved.approvals.clone(), signers);
        let mut smuggled = with_theirs.clone();
        smuggled.intent = approved.intent.clone();
        smuggled.plan.intent = approved.intent.digest();
        let replay = SignOrder {
            charter: charter.digest(),
            intent: approved.intent.clone(),
            plan: approved.plan.clone(),
            approvals: approved.approvals.clone(),
            signers: approved.signers.clone(),
            attempt: approved.attempt.max(1),
            presignature: None,
        };
        orders.push((Strategy::OldApproval, with_theirs));
        orders.push((Strategy::OldPapers, smuggled));
        orders.push((Strategy::Replay, replay));
    }
    Ok(orders)
}
