//! The parties' mail: each message goes to the step that it belongs to.

use std::sync::Arc;

use cohold_model::account::Card;
use cohold_model::{IdentityKey, Signed};
use cohold_party::wire::FromParty;
use cohold_relay::{Address, Parcel};
use tokio::sync::{Semaphore, mpsc};

use crate::coordinator::{Coordinator, words_of};
use crate::error::Error;
use crate::request_sign::Word;

/// The most messages that are worked on at a time.
const WORKING_MAX: usize = 64;
/// The most parties that the coordinator remembers; those away longest are forgotten first.
const PARTIES_MAX: u32 = 100_000;

impl Coordinator {
    /// Reads the mail until the hub closes.
    pub(crate) async fn mail_read(self: Arc<Self>, mut mail: mpsc::Receiver<Parcel>) {
        let permits = Arc::new(Semaphore::new(WORKING_MAX));
        while let Some(parcel) = mail.recv().await {
            let Address::Party(sender) = parcel.address else { continue };
            let Some(words) = words_of(&parcel.body) else { continue };
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let this = Arc::clone(&self);
            self.spawn(async move {
                if let Err(error) = this.mail_take(sender, words).await {
                    let (code, detail) = (error.code(), error.internal());
                    tracing::warn!(%error, code, detail, party = sender.fingerprint(), "a party's message failed");
                }
                drop(permit);
            });
        }
    }

    async fn mail_take(self: &Arc<Self>, sender: IdentityKey, words: FromParty) -> Result<(), Error> {
        match words {
            FromParty::Hello { card } => self.hello(sender, card).await,
            FromParty::CharterSigned { charter, signature } => {
                self.charter_signed(sender, charter, signature).await
            }
            FromParty::KeygenFailed { account, reason } => self.keygen_failed(sender, account, reason).await,
            FromParty::Signature { session: _, request, signature } => {
                self.signature_take(request, signature).await
            }
            FromParty::Refused { session, request, refusal } => {
                self.sessions.tell(request, Word::Refused { by: sender, session, refusal });
                Ok(())
            }
            FromParty::Broken { session, request, reason, banned } => {
                self.sessions.tell(request, Word::Broken { by: sender, session, reason, banned });
                Ok(())
            }
            FromParty::Presigned { account, charter, signers, index, room } => {
                self.presigned_take(sender, (account, charter), signers, (index, room)).await
            }
            FromParty::PresignFailed { session, account, reason } => {
                self.presign_failed(account, session, &reason);
                Ok(())
            }
            FromParty::Statement(statement) => {
                self.statements.take(sender, statement);
                Ok(())
            }
            FromParty::Rules(answer) => {
                self.rules.take(sender, *answer);
                Ok(())
            }
            FromParty::ReshareSigned { charter, signatures } => {
                self.reshare_signed(sender, *charter, signatures).await
            }
            FromParty::ReshareDealt(word) => self.reshare_dealt(word).await,
            FromParty::ReshareFailed { account: _, resharing, reason } => {
                self.reshare_failed(sender, resharing, reason).await
            }
            FromParty::ReshareAbandoned { abandonment, reason } => {
                self.reshare_abandoned(*abandonment, reason).await
            }
            FromParty::ResharePrimes { account: _, resharing, made } => {
                self.reshare_primes(sender, resharing, made).await
            }
            FromParty::ReshareTaken { account, charter } => {
                self.reshare_taken(sender, account, charter).await
            }
        }
    }

    /// Remembers a party's card, if it is its own.
    async fn hello(self: &Arc<Self>, sender: IdentityKey, card: Signed<Card>) -> Result<(), Error> {
        let own = card.document.identity == sender && card.is_signed_by(&card.document.party, &sender);
        if !own {
            tracing::info!(party = sender.fingerprint(), "a hello with somebody else's card was ignored");
            return Ok(());
        }
        let now = self.now();
        self.stored(move |store| store.party_put(&card, PARTIES_MAX, now)).await?;
        self.hello_heard(sender);
        self.reshare_greet(sender).await
    }
}
