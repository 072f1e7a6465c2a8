//! The device's word for a plan: noted before it is given, and taken back only where that can be sure.

use anyhow::Context as _;
use cohold_chain_evm::decode;
use cohold_model::account::Card;
use cohold_model::charter::Charter;
use cohold_model::intent::Approval;
use cohold_model::{Document as _, Hashed, Intent, PartyName, Plan, RequestId, Signed};
use cohold_store::party::{ApproveError, Approving};

use crate::checked::is_needed;
use crate::home::{DEVICE, Device};
use crate::output::{Exit, Failure};
use crate::wish::VALID_SECONDS;

/// The device's card as the account has it.
pub(crate) fn own_card(device: &Device, charter: &Charter) -> anyhow::Result<Card> {
    let (_, card) = charter.terms.party(&DEVICE.parse()?).context("this device is not in the account")?;
    anyhow::ensure!(card.identity == device.card.identity, "the account knows another device by this name");
    Ok(card.clone())
}

/// The device's approval of exactly these bytes. It is noted first, durably: a request gets one nonce
/// and one wish from this device, whatever a server asks for later.
pub(crate) fn approve(
    device: &Device,
    charter: &Hashed<Charter>,
    intent: &Intent,
    plan: &Plan,
) -> anyhow::Result<Signed<Approval>> {
    let decoded = decode(&plan.payload.0)?;
    let (account, digest, now) = (charter.terms.account, plan.digest(), cohold_node::now());
    let approving = Approving {
        account,
        request: intent.request,
        action: &intent.action,
        plan: digest,
        chain_id: decoded.chain_id,
        path: intent.path,
        nonce: decoded.nonce,
    };
    device.keeper.store().approval_note(&approving, now).map_err(refused)?;
    let me: PartyName = DEVICE.parse()?;
    let approval = Approval {
        account,
        charter: charter.digest(),
        plan: digest,
        approver: me.clone(),
        expires_at: now + VALID_SECONDS,
    };
    Ok(Signed::by(approval, me, &device.keys.identity))
}

fn refused(error: ApproveError) -> anyhow::Error {
    let code = match error {
        ApproveError::Store(error) => return error.into(),
        ApproveError::Nonce { .. } => "second-nonce",
        ApproveError::Wish(_) => "idempotency-mismatch",
        ApproveError::Void(_) => "given-up",
    };
    Failure::error(Exit::Failed, code, error.to_string())
}

/// Makes sure that a request whose approval has left this device is never signed, if that can be made
/// sure: no quorum of parties that are awake does without this device, and it has not signed.
pub(crate) fn let_go(device: &Device, charter: &Charter, request: RequestId) -> anyhow::Result<bool> {
    let store = device.keeper.store();
    Ok(is_needed(charter, &device.card.party)
        && store.request_void(charter.terms.account, request, cohold_node::now())?)
}
