//! A signature comes: it is checked, joined with the plan, stored, and only then handed to the chain.

use std::sync::Arc;

use cohold_chain_evm::assemble::RawSignature;
use cohold_chain_evm::{Signed as SignedTransaction, assemble, assemble::open};
use cohold_chain_io::{Broadcast, RejectionKind};
use cohold_model::receipt::Status;
use cohold_model::{HexBytes, RequestId};
use cohold_store::crash_point;
use cohold_store::server::RequestRow;

use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::request_sign::Word;

impl Coordinator {
    /// Takes a signature from whichever party sends it first: it is right or wrong by itself.
    pub(crate) async fn signature_take(
        self: &Arc<Self>,
        request: RequestId,
        signature: HexBytes,
    ) -> Result<(), Error> {
        // One after the other: the second signer's signature comes when the first one's is stored.
        let _turn = match self.sessions.turn(request) {
            Some(turn) => Some(turn.lock_owned().await),
            None => None,
        };
        let Some(row) = self.looked(|store| store.request_show(request))? else { return Ok(()) };
        if row.status != Status::Approved {
            if row.status == Status::Refused || row.status == Status::Expired {
                tracing::warn!(%request, status = %row.status, "a signature came after the end; it is not used");
            }
            return Ok(());
        }
        let charter = self.charter(row.intent.account)?;
        let key = charter.document.key.child(&row.intent.path).map_err(Error::Path)?;
        let signed = match raw(&signature)
            .ok_or_else(|| "it has not 65 bytes".to_owned())
            .and_then(|raw| assemble(&row.plan.payload.0, &raw, &key.0).map_err(|e| e.to_string()))
        {
            Ok(signed) => signed,
            Err(reason) => {
                // The session's other signers send theirs, or the session ends in time.
                tracing::warn!(%request, reason, "a party sent a wrong signature");
                return Ok(());
            }
        };
        let way = self.on_the_way(request);
        let (now, hash) = (self.now(), HexBytes(signed.hash.to_vec()));
        let raw = HexBytes(signed.raw.clone());
        let kept = self.stored(move |store| store.request_signed(request, &raw, &hash, now)).await?;
        crash_point!("server.signed");
        self.bells.ring(request);
        self.sessions.tell(request, Word::Signed);
        if kept {
            let this = Arc::clone(self);
            let row = RequestRow { status: Status::Signed, reason: None, ..row };
            self.spawn(async move {
                if let Err(error) = this.hand_over(&row, &signed).await {
                    let detail = error.internal();
                    tracing::warn!(%request, %error, detail, "not handed over yet; it will be tried again");
                }
                drop(way);
            });
        }
        Ok(())
    }

    /// Hands the stored bytes to the chain: the same bytes however often, never others.
    pub(crate) async fn request_broadcast(&self, row: &RequestRow) -> Result<(), Error> {
        let raw =
            row.transaction.as_ref().ok_or(Error::Corrupt("a signed request without its transaction"))?;
        let signed = open(&raw.0).map_err(|_| Error::Corrupt("a signed transaction that cannot be read"))?;
        self.hand_over(row, &signed).await
    }

    async fn hand_over(&self, row: &RequestRow, signed: &SignedTransaction) -> Result<(), Error> {
        let (request, chain_id) = (row.intent.request, row.intent.chain_id);
        let chain = &self.chain(chain_id)?.chain;
        let broadcast =
            chain.broadcast(signed).await.map_err(|error| Error::ChainUnreachable(chain_id, error))?;
        crash_point!("server.broadcast");
        let now = self.now();
        match broadcast {
            Broadcast::Accepted | Broadcast::AlreadyKnown => {
                let signers = self.signer_names(row)?;
                self.stored(move |store| store.request_submitted(request, &signers, now)).await?;
                self.bells.ring(request);
                crash_point!("server.submitted");
                self.follow_soon(chain_id);
                Ok(())
            }
            Broadcast::Rejected(rejection) => {
                tracing::warn!(%request, %rejection, "the chain does not take a transaction");
                let gone = rejection.kind == RejectionKind::NonceUsed;
                let reason = rejection.to_string();
                if row.reason.as_deref() != Some(&reason) {
                    self.stored(move |store| store.request_note(request, &reason, now)).await?;
                }
                if gone { self.request_gone(row, signed.from, signed.decoded.nonce).await } else { Ok(()) }
            }
        }
    }
}

/// r ‖ s ‖ recovery id.
fn raw(signature: &HexBytes) -> Option<RawSignature> {
    let (r, rest) = signature.0.split_first_chunk::<32>()?;
    let (s, rest) = rest.split_first_chunk::<32>()?;
    let [recovery_id] = rest else { return None };
    Some(RawSignature { r: *r, s: *s, recovery_id: *recovery_id })
}
