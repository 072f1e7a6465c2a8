//! An approver's word for the very bytes of a plan, and who shall sign them.

use std::sync::Arc;

use cohold_api::{ApprovalCreate, RequestView};
use cohold_model::charter::Charter;
use cohold_model::intent::Approval;
use cohold_model::receipt::Status;
use cohold_model::{Document as _, Hashed, PartyIndex, RequestId, Signed};
use cohold_store::crash_point;
use cohold_store::server::{ApproveOutcome, RequestRow};

use crate::coordinator::Coordinator;
use crate::error::{ApprovalFault, Error};
use crate::signers::{Hindrances, choose, missing, named};
use crate::view::request_view;

impl Coordinator {
    /// Checks an approval, stores it with the signers, and has them sign.
    pub async fn approval_add(
        self: &Arc<Self>,
        request: RequestId,
        create: ApprovalCreate,
    ) -> Result<RequestView, Error> {
        let ApprovalCreate { approval, signers } = create;
        let row = self.looked(|store| store.request_show(request))?;
        let row = row.ok_or(Error::RequestUnknown(request))?;
        if row.approvals.contains(&approval) {
            return Ok(request_view(row));
        }
        if row.status != Status::Pending {
            return Err(Error::RequestNotPending { request, status: row.status });
        }
        let charter = self.charter(row.intent.account)?;
        check_approval(&approval, &row, &charter.document).map_err(Error::Approval)?;
        self.check_expiry("the approval", approval.document.expires_at)?;
        self.check_expiry("the intent", row.intent.expires_at)?;
        let signers = self.signers(&charter.document, &approval.document, signers.as_deref())?;
        let now = self.now();
        let outcome =
            self.stored(move |store| store.request_approve(request, &approval, &signers, now)).await?;
        crash_point!("server.approved");
        match outcome {
            ApproveOutcome::Approved(row) => {
                self.bells.ring(request);
                self.bells.ring(row.intent.account);
                self.sign_begin(request, Some(RequestRow::clone(&row)));
                Ok(request_view(*row))
            }
            ApproveOutcome::NonceTaken => {
                // Whoever asks again under another id must be sure that this one is never signed.
                let reason = "another request of the account took its nonce";
                self.request_end(request, Status::Expired, reason.into()).await?;
                Err(Error::PlanOutdated)
            }
            ApproveOutcome::Past => Err(Error::Approval(ApprovalFault::Charter)),
            ApproveOutcome::NotPending(status) => Err(Error::RequestNotPending { request, status }),
        }
    }

    /// Those who were named, or the approver and others who are there; all of them must be.
    fn signers(
        &self,
        charter: &Charter,
        approval: &Approval,
        wanted: Option<&[PartyIndex]>,
    ) -> Result<Vec<PartyIndex>, Error> {
        let terms = &charter.terms;
        let are_there = |index| self.is_there(terms, index);
        let offline = |missing| Error::SignersOffline { threshold: terms.threshold, missing };
        match wanted {
            Some(wanted) => {
                let signers = named(terms, wanted)?;
                let away = missing(terms, signers.iter().copied(), are_there);
                if away.is_empty() { Ok(signers) } else { Err(offline(away)) }
            }
            None => choose(terms, &approval.approver, &Hindrances::default(), are_there)
                .ok_or_else(|| offline(missing(terms, terms.indexed().map(|(index, _)| index), are_there))),
        }
    }
}

fn check_approval(
    approval: &Signed<Approval>,
    row: &RequestRow,
    charter: &Hashed<Charter>,
) -> Result<(), ApprovalFault> {
    let Approval { account, charter: under, plan, approver, expires_at: _ } = &approval.document;
    if *account != row.intent.account {
        return Err(ApprovalFault::Account);
    }
    if *under != charter.digest() {
        return Err(ApprovalFault::Charter);
    }
    if *plan != row.plan.digest() {
        return Err(ApprovalFault::Plan);
    }
    if !charter.terms.approvers.contains(approver) {
        return Err(ApprovalFault::Approver);
    }
    let by =
        charter.terms.party(approver).filter(|(_, card)| approval.is_signed_by(approver, &card.identity));
    if by.is_some() { Ok(()) } else { Err(ApprovalFault::Signature) }
}
