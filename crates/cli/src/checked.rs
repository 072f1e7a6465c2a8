//! The server's answer to a wish, checked before this device approves anything: it must be the very
//! wish, under the very id, and its bytes must do that and nothing else.

use cohold_api::RequestView;
use cohold_chain_evm::assemble::open;
use cohold_chain_evm::{TokenBook, decode, describe, matches};
use cohold_model::account::PartyKind;
use cohold_model::charter::Charter;
use cohold_model::receipt::Status;
use cohold_model::{Digest, Document as _, Intent, PartyName, Plan};
use cohold_party::Rules;

use crate::address::address_at;
use crate::output::{Exit, Failure};

/// The server's view of a request, if it is of what this device wants. Only the time until which an
/// earlier request holds may be another.
pub(crate) fn own(view: RequestView, wanted: &Intent) -> anyhow::Result<RequestView> {
    let Intent { request, account, chain_id, action, requester, path, expires_at: _ } = &view.intent;
    if *request != wanted.request || view.request != wanted.request {
        let other = format!("the server answers with request `{request}`, this is `{}`", wanted.request);
        return Err(Failure::error(Exit::Failed, "plan-refused", other));
    }
    let same = (account, chain_id, action, requester, path)
        == (&wanted.account, &wanted.chain_id, &wanted.action, &wanted.requester, &wanted.path);
    if same && view.account == wanted.account {
        return Ok(view);
    }
    Err(Failure::error(
        Exit::Failed,
        "idempotency-mismatch",
        format!(
            "request `{request}` is for something else at the server: leave --request out to make a new one"
        ),
    ))
}

/// A request whose course this device follows. Each answer must be of the same wish and the same bytes,
/// and claim nothing that cannot be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Followed<'a> {
    /// What this device wants.
    pub(crate) wanted: &'a Intent,
    /// The plan that it was shown.
    pub(crate) plan: Digest,
    /// The account's charter.
    pub(crate) charter: &'a Charter,
    /// Whether it ever approved a plan of this request.
    pub(crate) approved: bool,
}

impl Followed<'_> {
    /// The answer, if it can be true. That something was signed must be shown by the signature itself,
    /// under the account's key; that it was mined is the server's word.
    pub(crate) fn check(&self, view: RequestView) -> anyhow::Result<RequestView> {
        let view = own(view, self.wanted)?;
        let (request, status) = (view.request, view.status);
        if view.plan.digest() != self.plan {
            return Err(self.refuse(format!("it shows another plan of request `{request}` than before")));
        }
        let begun = !matches!(status, Status::Pending | Status::Refused | Status::Expired);
        if begun && !self.approved {
            return Err(self.refuse(format!(
                "it says that request `{request}` is {status}, which this device never approved"
            )));
        }
        if begun && status != Status::Approved {
            self.check_transaction(&view).map_err(|why| {
                self.refuse(format!("it says that request `{request}` is {status}, but {why}"))
            })?;
        }
        Ok(view)
    }

    fn check_transaction(&self, view: &RequestView) -> Result<(), String> {
        let raw = view.transaction.as_ref().ok_or("shows no signed transaction")?;
        let signed = open(&raw.0).map_err(|error| format!("its transaction is none: {error}"))?;
        let payer = address_at(self.charter, &self.wanted.path).map_err(|error| error.to_string())?;
        let planned = decode(&view.plan.payload.0).map_err(|error| error.to_string())?;
        if signed.from != payer || signed.decoded != planned {
            return Err("its transaction is not this account's signature of this plan".into());
        }
        if view.transaction_hash.as_ref().is_none_or(|hash| hash.0 != signed.hash) {
            return Err("the hash is not the transaction's".into());
        }
        Ok(())
    }

    fn refuse(&self, what: String) -> anyhow::Error {
        let help = if self.approved {
            "what you approved may still be paid, once: look at the account elsewhere before you pay again"
        } else {
            "nothing was approved: ask whoever runs the server"
        };
        Failure::error(
            Exit::Failed,
            "bad-answer",
            format!("the server's answer is not believed: {what}; {help}"),
        )
    }
}

/// Checks, from the bytes, that a plan does what was asked for, within this device's rules.
pub(crate) fn check_plan(intent: &Intent, plan: &Plan, rules: &Rules) -> anyhow::Result<()> {
    let refuse = |message: String| {
        Failure::error(Exit::Failed, "plan-refused", format!("the server's plan is refused: {message}"))
    };
    if plan.intent != intent.digest() {
        return Err(refuse("it is for another request".into()));
    }
    let decoded = decode(&plan.payload.0).map_err(|e| refuse(e.to_string()))?;
    matches(&decoded, intent).map_err(|e| refuse(e.to_string()))?;
    rules
        .check(&decoded)
        .map_err(|e| Failure::error(Exit::Failed, "rules", format!("this device refuses: {e}")))?;
    Ok(())
}

/// What a plan's bytes do, in words, and from which address where that is not the account's own: with the
/// address itself where the charter is at hand.
pub(crate) fn shown(
    intent: &Intent,
    plan: &Plan,
    book: &TokenBook,
    charter: Option<&Charter>,
) -> anyhow::Result<String> {
    anyhow::ensure!(plan.intent == intent.digest(), "the plan is for another request");
    let (path, effects) = (&intent.path, describe(&decode(&plan.payload.0)?, book));
    Ok(match charter {
        _ if path.is_root() => effects.to_string(),
        Some(charter) => format!("{effects}, from {} ({path})", address_at(charter, path)?),
        None => format!("{effects}, from {path}"),
    })
}

/// Whether no quorum of parties that are awake can sign without `me`. What sleeps in a file signs with
/// nobody's server.
pub(crate) fn is_needed(charter: &Charter, me: &PartyName) -> bool {
    let awake = |kind| matches!(kind, PartyKind::Device | PartyKind::Cosigner | PartyKind::Guardian);
    let others = charter.terms.parties.iter().filter(|card| card.party != *me && awake(card.kind)).count();
    others < usize::from(charter.terms.threshold)
}

#[cfg(test)]
mod tests {
    use cohold_chain_evm::plan;
    use cohold_chain_evm::plan::{Facts, Funds};
    use cohold_model::intent::{Action, Asset};
    use cohold_model::{Amount, KeyPath, RequestId};

    use super::*;

    const USER: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
    const THIEF: &str = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";

    fn wish(request: u8, to: &str, amount: u128) -> anyhow::Result<Intent> {
        Ok(Intent {
            request: format!("req_{request:032x}").parse::<RequestId>()?,
            account: format!("acc_{:032x}", 1).parse()?,
            chain_id: 31_337,
            action: Action::Transfer { asset: Asset::Native, to: to.into(), amount: Amount::from(amount) },
            requester: "device".parse()?,
            expires_at: 1_000,
            path: KeyPath::ROOT,
        })
    }

    /// A server's answer that is consistent in itself.
    fn answer(intent: Intent) -> anyhow::Result<RequestView> {
        let facts = Facts {
            chain_id: 31_337,
            nonce: 0,
            base_fee_per_gas: 1,
            max_priority_fee_per_gas: 1,
            gas_estimate: 21_000,
            funds: Funds { native: Amount::from(u128::MAX), token: Amount::ZERO },
        };
        Ok(RequestView {
            request: intent.request,
            account: intent.account,
            plan: plan(&intent, &facts)?,
            intent,
            approvals: Vec::new(),
            status: Status::Pending,
            attempt: 0,
            signers: Vec::new(),
            reason: None,
            transaction: None,
            transaction_hash: None,
            block: None,
            created_at: 0,
            updated_at: 0,
        })
    }

    #[test]
    fn a_server_cannot_put_another_wish_in_place_of_ours() -> anyhow::Result<()> {
        let wanted = wish(1, USER, 5)?;
        assert!(own(answer(wanted.clone())?, &wanted).is_ok());
        // Each answer is whole: its plan does what its own intent says.
        let below = Intent { path: "m/0".parse()?, ..wanted.clone() };
        for other in [wish(1, THIEF, 5)?, wish(1, USER, 6)?, wish(2, USER, 5)?, below] {
            assert!(own(answer(other.clone())?, &wanted).is_err(), "{other:?}");
        }
        // The id of ours around another request, which would be paid a second time.
        let mut second = answer(wish(2, USER, 5)?)?;
        second.request = wanted.request;
        assert!(own(second, &wanted).is_err());
        Ok(())
    }
}
