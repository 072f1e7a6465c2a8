//! Before a party signs: charter, approvals, the bytes decoded again, its own rules, its own count.
//! Each step consumes the one before, so none can be left out.

use std::collections::BTreeSet;

use cohold_chain_evm::{Decoded, decode, matches, signing_digest};
use cohold_model::account::{PARTIES_MAX, PartyKind};
use cohold_model::canonical::Document as _;
use cohold_model::charter::Charter;
use cohold_model::ids::PartyIndex;
use cohold_model::intent::{Approval, Asset, Intent};
use cohold_model::statement::Allowance;
use cohold_model::{
    AccountId, Amount, Digest, Engine, Hashed, KeyPath, PartyName, PresignatureUse, RequestId, SessionId,
    SigningSet,
};

use crate::refusal::{Code, Refusal};
use crate::rules::{Rules, moved};
use crate::wire::SignOrder;

/// The furthest that intents and approvals may reach into the future, in seconds: 25 hours, so that
/// a clock that is off by an hour still finds a day's approval plausible.
pub const HORIZON_SECONDS_MAX: u64 = 25 * 3600;
/// The most sessions for one plan.
pub const ATTEMPTS_MAX: u32 = 1000;

/// Where a party stands in an account: its own copy of the charter and its own memory of faults.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The charter in force, checked when it was accepted.
    pub charter: &'a Hashed<Charter>,
    /// Who this party is.
    pub me: &'a PartyName,
    /// Parties that this party will never sign with again for this key.
    pub banned: &'a BTreeSet<PartyIndex>,
}

/// An order whose every word this party checked for itself.
#[derive(Debug)]
pub struct Reviewed {
    order: SignOrder,
    plan: Digest,
    session: SessionId,
    me: PartyIndex,
    decoded: Decoded,
    allowance: Allowance,
    fees_per_day: Option<Amount>,
    presignature: Option<PresignatureUse>,
}

/// What a party counts before it signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The account.
    pub account: AccountId,
    /// The request: counted once, whatever happens to its sessions.
    pub request: RequestId,
    /// The plan.
    pub plan: Digest,
    /// The session, used once for ever.
    pub session: SessionId,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// From which address of the account. Limits know of none: they count all of them together.
    pub path: KeyPath,
    /// The transaction's nonce at that address: one request never gets two.
    pub nonce: u64,
    /// What moves.
    pub asset: Asset,
    /// How much, in base units.
    pub amount: Amount,
    /// The most in 24 hours, by this party's rules.
    pub per_day: Option<Amount>,
    /// The most that its fee may come to, in wei.
    pub fee: Amount,
    /// The most that fees on this chain may come to in 24 hours, by this party's rules.
    pub fees_per_day: Option<Amount>,
    /// The presignature that the session uses up, where it uses one.
    pub presignature: Option<PresignatureUse>,
}

/// An order that is reviewed and whose reservation is durable: ready to sign. Only
/// [`Reviewed::authorize`] makes one.
#[derive(Debug)]
#[non_exhaustive]
pub struct Authorized {
    /// The order.
    pub order: SignOrder,
    /// The session that it names.
    pub session: SessionId,
    /// This party's point.
    pub me: PartyIndex,
    /// What the bytes do.
    pub decoded: Decoded,
    /// Keccak-256 of the bytes, computed here.
    pub signing_digest: [u8; 32],
}

/// Checks an order, in this order: charter, signers, time, approvals, bytes, rules.
pub fn review(
    order: SignOrder,
    standing: Standing<'_>,
    rules: &Rules,
    now: u64,
) -> Result<Reviewed, Refusal> {
    let charter = standing.charter;
    let charter_digest = charter.digest();
    if order.intent.account != charter.terms.account || order.charter != charter_digest {
        return Err(Refusal::new(Code::Charter, "the order is not under the charter that this party keeps"));
    }
    let me = check_signers(&order.signers, standing)?;
    if !(1..=ATTEMPTS_MAX).contains(&order.attempt) {
        return Err(Refusal::new(Code::Order, format!("attempt {} is out of range", order.attempt)));
    }
    let presignature = presignature(&order, charter)?;
    check_time("the intent", order.intent.expires_at, now)?;
    if charter.terms.party(&order.intent.requester).is_none() {
        return Err(Refusal::new(
            Code::Charter,
            format!("requester `{}` is no party of this account", order.intent.requester),
        ));
    }
    if order.plan.intent != order.intent.digest() {
        return Err(Refusal::new(Code::Mismatch, "the plan is for another intent"));
    }
    let plan = order.plan.digest();
    check_approvals(&order, standing, (&charter_digest, &plan), now)?;
    let decoded = decode(&order.plan.payload.0).map_err(|e| Refusal::new(Code::Payload, e.to_string()))?;
    matches(&decoded, &order.intent).map_err(|e| Refusal::new(Code::Mismatch, e.to_string()))?;
    let allowance = rules.check(&decoded)?.clone();
    let fees_per_day = rules.fees_per_day(decoded.chain_id);
    let session = order.session_of(&plan);
    Ok(Reviewed { order, plan, session, me, decoded, allowance, fees_per_day, presignature })
}

impl Reviewed {
    /// What the bytes do.
    #[must_use]
    pub fn decoded(&self) -> &Decoded {
        &self.decoded
    }

    /// The presignature that it is to be signed by, where it names one.
    #[must_use]
    pub fn presignature(&self) -> Option<&PresignatureUse> {
        self.presignature.as_ref()
    }

    /// What must be counted, durably, before this is signed.
    #[must_use]
    pub fn reservation(&self) -> Reservation {
        Reservation {
            account: self.order.intent.account,
            request: self.order.intent.request,
            plan: self.plan,
            session: self.session,
            chain_id: self.decoded.chain_id,
            path: self.order.intent.path,
            nonce: self.decoded.nonce,
            asset: moved(&self.decoded),
            amount: self.decoded.effect.amount(),
            per_day: self.allowance.per_day,
            fee: self.decoded.max_fee_total(),
            fees_per_day: self.fees_per_day,
            presignature: self.presignature.clone(),
        }
    }

    /// Counts the reservation through the shell's store; only what was counted can be signed.
    pub fn authorize<E>(self, reserve: impl FnOnce(&Reservation) -> Result<(), E>) -> Result<Authorized, E> {
        reserve(&self.reservation())?;
        let signing_digest = signing_digest(&self.order.plan.payload.0);
        let Self { order, session, me, decoded, .. } = self;
        Ok(Authorized { order, session, me, decoded, signing_digest })
    }
}

/// The presignature that an order names: only the second engine has any.
fn presignature(order: &SignOrder, charter: &Charter) -> Result<Option<PresignatureUse>, Refusal> {
    let Some(index) = order.presignature else { return Ok(None) };
    if charter.engine != Engine::Cggmp24 {
        let message = format!("the account signs by `{}`, which has no presignatures", charter.engine);
        return Err(Refusal::new(Code::Presignature, message));
    }
    // Written out, so that whoever gives an intent another key meets this line. A derived key never signs by a
    // presignature (ePrint 2021/1330, CVE-2025-66017).
    let Intent { request: _, account: _, chain_id: _, action: _, requester: _, expires_at: _, path } =
        &order.intent;
    if !path.is_root() {
        let message = format!("the key at `{path}` signs by no presignature: order it without one");
        return Err(Refusal::new(Code::Presignature, message));
    }
    let (account, epoch, signers) = (charter.terms.account, charter.epoch, order.signers.clone());
    Ok(Some(PresignatureUse { set: SigningSet { account, epoch, signers }, index }))
}

/// Whether these can sign together, this party among them; its point.
pub(crate) fn check_signers(signers: &[PartyIndex], standing: Standing<'_>) -> Result<PartyIndex, Refusal> {
    let refuse = |message: String| Err(Refusal::new(Code::Order, message));
    let terms = &standing.charter.terms;
    let Some((me, _)) = terms.party(standing.me) else {
        return Err(Refusal::new(Code::Charter, "this party is not in the charter"));
    };
    if signers.len() != usize::from(terms.threshold) {
        return refuse(format!(
            "{} signers were named, the charter wants {}",
            signers.len(),
            terms.threshold
        ));
    }
    if !signers.is_sorted_by(|a, b| a < b) || signers.iter().any(|i| terms.party_at(*i).is_none()) {
        return refuse("signers must be parties of the account, ascending, each once".into());
    }
    if !signers.contains(&me) {
        return refuse("this party is not among the signers".into());
    }
    if standing.banned.contains(&me) {
        return Err(Refusal::new(
            Code::Banned,
            "this party froze the key after a fault that it could not explain: its operator must look, see its log",
        ));
    }
    match signers.iter().find(|signer| standing.banned.contains(signer)) {
        Some(signer) => Err(Refusal::new(
            Code::Banned,
            format!("party {signer} is banned for this key: sign with the others and reshare it out"),
        )),
        None => Ok(me),
    }
}

fn check_time(what: &str, expires_at: u64, now: u64) -> Result<(), Refusal> {
    if expires_at <= now {
        let late = now.saturating_sub(expires_at);
        return Err(Refusal::new(
            Code::Expired,
            format!("{what} expired {late} s ago by this party's clock ({now}): ask again, or set the clock"),
        ));
    }
    if expires_at.saturating_sub(now) > HORIZON_SECONDS_MAX {
        return Err(Refusal::new(
            Code::Expired,
            format!(
                "{what} is valid for more than 25 hours by this party's clock ({now}): set the clock, or ask for less"
            ),
        ));
    }
    Ok(())
}

/// An approver's word for these very bytes. A party that its user approves on signs only what was
/// approved there: another approver's word moves the nodes, never somebody else's device.
fn check_approvals(
    order: &SignOrder,
    standing: Standing<'_>,
    (charter, plan): (&Digest, &Digest),
    now: u64,
) -> Result<(), Refusal> {
    let terms = &standing.charter.terms;
    let approvers = approvers_heeded(standing);
    let mut expired = None;
    for signed in order.approvals.iter().take(usize::from(PARTIES_MAX)) {
        let Approval { account, charter: under, plan: approved, approver, expires_at } = &signed.document;
        let fits = *account == terms.account && under == charter && approved == plan;
        let by_approver = approvers.contains(&approver)
            && terms.party(approver).is_some_and(|(_, card)| signed.is_signed_by(approver, &card.identity));
        if fits && by_approver {
            match check_time("the approval", *expires_at, now) {
                Ok(()) => return Ok(()),
                Err(refusal) => expired = Some(refusal),
            }
        }
    }
    Err(expired.unwrap_or_else(|| {
        let names: Vec<&str> = approvers.into_iter().map(PartyName::as_str).collect();
        Refusal::new(Code::Approval, format!("no approval of these very bytes by `{}`", names.join("`, `")))
    }))
}

/// Whose approvals count for a party: its own, where its user approves on it; else every approver's.
fn approvers_heeded(standing: Standing<'_>) -> Vec<&PartyName> {
    let terms = &standing.charter.terms;
    let kind = terms.party(standing.me).map(|(_, card)| card.kind);
    let attended = matches!(kind, Some(PartyKind::Device | PartyKind::Recovery));
    let own = terms.approvers.get(standing.me).filter(|_| attended);
    own.map_or_else(|| terms.approvers.iter().collect(), |own| vec![own])
}
