//! How an account comes by a key that was made elsewhere: its holders deal their shares to the parties of
//! the new account, each from its own machine, and every party computes and signs the charter, which says
//! for ever how the key came.
//!
//! It is the making of an account ([`crate::create`]) with a resharing in the place of the key generation:
//! the same proposal, the same order of what is durable when. A holder deals for the one proposal that it
//! was given its share for.

use cohold_model::charter::Charter;
use cohold_model::ids::{Epoch, PartyIndex};
use cohold_model::import::{Import, import_setup_session};
use cohold_model::reshare::Seat;
use cohold_mpc::{Envelope, Fault, Outcome, PartyKeys, Session, SessionContext};
use cohold_mpc_ecdsa::{ForeignKey, ForeignShare, ImportedFrom, KeyResharing, ReshareOutcome, Share};
use rand_core::CryptoRng;

use crate::create::Accepted;
use crate::engine::{Ready, SettingUp};
use crate::refusal::{Code, Refusal};

/// A key on its way from its holders to the parties of the account.
pub struct Importing {
    accepted: Accepted,
    run: Session<KeyResharing>,
}

/// What the holders' sub-shares made.
pub struct Imported {
    /// The charter as this party computed it.
    pub charter: Charter,
    /// This party's share.
    pub share: Share,
}

impl Accepted {
    /// The key that the account gets, where it was made elsewhere.
    #[must_use]
    pub fn import(&self) -> Option<&Import> {
        self.proposal().document.import.as_ref()
    }

    /// The number of the holder whose share this party deals, if it deals.
    #[must_use]
    pub fn deals(&self) -> Option<PartyIndex> {
        let card = self.proposal().document.terms.party_at(self.me())?;
        self.import()?.dealers.get(&card.party).copied()
    }

    /// Starts the run in which the key is dealt; who deals brings its share.
    pub fn begin_import(
        self,
        share: Option<&ForeignShare>,
        keys: &PartyKeys,
        rng: &mut impl CryptoRng,
    ) -> Result<(Importing, Vec<Envelope>), Refusal> {
        let refuse = |e: &dyn std::fmt::Display| Refusal::new(Code::Order, e.to_string());
        let Some(import) = self.import() else { return Err(refuse(&"the proposal brings no key along")) };
        let terms = &self.proposal().document.terms;
        let foreign = ForeignKey::of_import(import).map_err(|e| refuse(&e))?;
        let seats = terms.indexed().map(|(index, card)| {
            let deals = import.dealers.get(&card.party).copied();
            (index, Seat { card: card.clone(), deals, holds: Some(index) })
        });
        let seats = seats.collect();
        let own = match (self.deals(), share) {
            (Some(_), Some(share)) => Some(ImportedFrom { share, identity: &keys.identity }),
            (Some(number), None) => {
                let message = format!(
                    "this party shall deal holder {number}'s share of the key and has none for this proposal: \
                     give it the share first"
                );
                return Err(refuse(&message));
            }
            (None, _) => None,
        };
        let context = self.context(self.session());
        let protocol = KeyResharing::import(&context, &foreign, &seats, terms.threshold, own, rng)
            .map_err(|e| refuse(&e))?;
        let mut run = Session::new(context, &keys.seal, protocol, rng).map_err(|e| refuse(&e))?;
        let envelopes = run.start(rng).map_err(|e| refuse(&e))?;
        Ok((Importing { accepted: self, run }, envelopes))
    }

    pub(crate) fn context(&self, session: cohold_model::SessionId) -> SessionContext {
        let terms = &self.proposal().document.terms;
        let me = self.me();
        let peers = terms.indexed().filter(|(i, _)| *i != me).map(|(i, card)| (i, card.seal)).collect();
        SessionContext { account: terms.account, epoch: Epoch::FIRST, session, me, peers }
    }
}

impl Importing {
    /// Takes in one envelope and returns what to send.
    pub fn receive(&mut self, envelope: &Envelope, rng: &mut impl CryptoRng) -> Result<Vec<Envelope>, Fault> {
        self.run.receive(envelope, rng)
    }

    /// What to send again when nothing comes.
    #[must_use]
    pub fn resend(&self) -> Vec<Envelope> {
        self.run.resend()
    }

    /// The result, once.
    pub fn imported(&mut self) -> Option<Imported> {
        let Outcome { output: ReshareOutcome { key, share }, transcript } = self.run.outcome()?;
        let charter = self.accepted.charter(key.binding(transcript));
        Some(Imported { charter, share: share? })
    }

    /// The session of [`Importing::set_up`].
    #[must_use]
    pub fn setup_session(&self) -> cohold_model::SessionId {
        import_setup_session(self.accepted.proposal())
    }

    /// Starts the run of the engine data.
    pub fn set_up(
        &self,
        share: &Share,
        keys: &PartyKeys,
        rng: &mut impl CryptoRng,
    ) -> Result<(SettingUp, Vec<Envelope>), Refusal> {
        SettingUp::begin(self.accepted.context(self.setup_session()), share, Ready::Dkls23, keys, rng)
    }
}
