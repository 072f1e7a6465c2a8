//! What coordinator and parties say to each other over the relay. The coordinator's words are
//! claims: nothing here is trusted before [`crate::verify`], [`crate::create`] or [`crate::reshare`] has
//! checked it.

use std::collections::BTreeMap;

use cohold_model::account::{Card, Proposal};
use cohold_model::canonical::{Signed, digest};
use cohold_model::change::{Consent, RulesReport};
use cohold_model::charter::Charter;
use cohold_model::guardians::RecoveryAsk;
use cohold_model::handover::{Dealt, Handover};
use cohold_model::ids::PartyIndex;
use cohold_model::intent::{Approval, Intent, Plan};
use cohold_model::presignature::{presign_session, presigned_session};
use cohold_model::reshare::{Abandonment, Resharing, Veto};
use cohold_model::statement::Statement;
use cohold_model::{
    AccountId, ChangeId, Digest, HexBytes, PartyName, PresignatureIndex, RequestId, SessionId, Signature,
};
use cohold_mpc::Envelope;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// Everything a party needs to decide on one signature: documents, never a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignOrder {
    /// Digest of the charter under which the coordinator asks.
    pub charter: Digest,
    /// What somebody wants.
    pub intent: Intent,
    /// The bytes that would do it.
    pub plan: Plan,
    /// Who approved.
    pub approvals: Vec<Signed<Approval>>,
    /// Exactly threshold many parties, ascending.
    pub signers: Vec<PartyIndex>,
    /// Counts the sessions for this plan from 1.
    pub attempt: u32,
    /// The presignature to sign by, where the coordinator proposes one. A party that cannot says so, and
    /// signs without one in the next session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presignature: Option<PresignatureIndex>,
}

impl SignOrder {
    /// The session that these documents name; no other choice exists.
    #[must_use]
    pub fn session(&self) -> SessionId {
        use cohold_model::Document as _;
        self.session_of(&self.plan.digest())
    }

    /// The same, given the digest of its plan.
    pub(crate) fn session_of(&self, plan: &Digest) -> SessionId {
        let session = cohold_model::account::sign_session(&self.charter, plan, &self.signers, self.attempt);
        self.presignature.map_or(session, |index| presigned_session(session, index))
    }
}

/// Make a presignature with the other signers, for whatever they sign next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresignOrder {
    /// The account.
    pub account: AccountId,
    /// Digest of the charter under which the coordinator asks.
    pub charter: Digest,
    /// Exactly threshold many parties, ascending.
    pub signers: Vec<PartyIndex>,
    /// Tells runs apart; none happens twice.
    pub run: u64,
}

impl PresignOrder {
    /// The session that it names.
    #[must_use]
    pub fn session(&self) -> SessionId {
        presign_session(&self.charter, &self.signers, self.run)
    }
}

/// Everything a party needs to decide on a resharing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReshareOrder {
    /// The charter in force, for those who come in.
    pub charter: Signed<Charter>,
    /// What is to come, signed by its proposer.
    pub resharing: Signed<Resharing>,
    /// The user's consent, where it takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Signed<Consent>>,
    /// Words of parties that never sign the charters of earlier resharings of this charter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub abandoned: Vec<Signed<Abandonment>>,
}

/// The coordinator to a party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ToParty {
    /// Make a key with the parties of this proposal.
    Keygen {
        /// The proposal, signed by its proposer.
        proposal: Signed<Proposal>,
    },
    /// Every party signed this charter: take it into force.
    Charter {
        /// The charter.
        charter: Signed<Charter>,
    },
    /// The account will not come to be: drop what was kept for it.
    Abandon {
        /// The account.
        account: AccountId,
    },
    /// Sign this with the others.
    Sign(Box<SignOrder>),
    /// Presign with these, in the background.
    Presign(PresignOrder),
    /// Say what you hold.
    Statement {
        /// The account to speak of.
        account: AccountId,
    },
    /// Say under which rules the account is.
    Rules {
        /// The account to speak of.
        account: AccountId,
    },
    /// Run other rules for the account.
    RulesPropose {
        /// The account.
        account: AccountId,
        /// The rules, as text.
        rules: String,
    },
    /// The user consents to the change that waits.
    RulesConsent {
        /// The consent.
        consent: Box<Signed<Consent>>,
    },
    /// Forget the change that waits.
    RulesReject {
        /// The account.
        account: AccountId,
        /// The change.
        change: ChangeId,
    },
    /// A party of the user's objects to what another one asked this one to join in.
    Veto {
        /// The objection.
        veto: Box<Signed<Veto>>,
    },
    /// Guardians know who asks for the account on a new device: begin to wait.
    Recovery {
        /// The request, with their confirmations.
        ask: Box<RecoveryAsk>,
    },
    /// Give other shares of the key to the parties that come after, with the others.
    Reshare(Box<ReshareOrder>),
    /// Take no part in this resharing any more, if that is still possible.
    ReshareCancel(Box<ReshareOrder>),
    /// A party of this resharing never signs its charter: drop what was prepared.
    ReshareAbandon {
        /// That party's word.
        abandonment: Box<Signed<Abandonment>>,
    },
    /// Another charter has taken the place of the one in force.
    Reshared(Box<Handover>),
}

impl ToParty {
    /// What an answer names, so that whoever asked knows it from others.
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest("cohold/words/v1", self)
    }
}

/// A party to the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FromParty {
    /// Here I am, ready to be part of accounts.
    Hello {
        /// The party's card, signed by itself.
        card: Signed<Card>,
    },
    /// I hold my share of this charter's key, durably, and sign the charter.
    CharterSigned {
        /// The charter as this party computed it.
        charter: Charter,
        /// Over the charter's digest.
        signature: Signature,
    },
    /// The key generation ended without a key.
    KeygenFailed {
        /// The account.
        account: AccountId,
        /// Why.
        reason: String,
    },
    /// The signature of a session.
    Signature {
        /// The session.
        session: SessionId,
        /// The request that it was for.
        request: RequestId,
        /// r, s and the recovery id, 65 bytes.
        signature: HexBytes,
    },
    /// I do not sign this, and why.
    Refused {
        /// The session.
        session: SessionId,
        /// The request.
        request: RequestId,
        /// Why.
        refusal: Refusal,
    },
    /// The session broke off; a new attempt may succeed unless `banned`.
    Broken {
        /// The session.
        session: SessionId,
        /// The request.
        request: RequestId,
        /// Why.
        reason: String,
        /// Parties that this party will never sign with again.
        banned: Vec<PartyIndex>,
    },
    /// I hold a presignature.
    Presigned {
        /// The account.
        account: AccountId,
        /// Digest of the charter that it serves under.
        charter: Digest,
        /// Whose it is.
        signers: Vec<PartyIndex>,
        /// Its number.
        index: PresignatureIndex,
        /// How many I keep of these signers; the oldest go where there are more.
        room: u8,
    },
    /// I made no presignature.
    PresignFailed {
        /// The session.
        session: SessionId,
        /// The account.
        account: AccountId,
        /// Why.
        reason: String,
    },
    /// What I hold.
    Statement(Signed<Statement>),
    /// The rules of an account, or why I did not do what was asked about them.
    Rules(Box<RulesAnswer>),
    /// I keep my new share durably, and sign the charter to come.
    ReshareSigned {
        /// The charter as this party computed it.
        charter: Box<Charter>,
        /// Its own signature, and those of parties that sleep in files by now.
        signatures: BTreeMap<PartyName, Signature>,
    },
    /// I gave sub-shares for a charter.
    ReshareDealt(Signed<Dealt>),
    /// I take no part in a resharing, or my run of it broke off.
    ReshareFailed {
        /// The account.
        account: AccountId,
        /// Digest of the resharing.
        resharing: Digest,
        /// Why.
        reason: String,
    },
    /// I never sign the charter of a resharing.
    ReshareAbandoned {
        /// My word for it.
        abandonment: Box<Signed<Abandonment>>,
        /// Why.
        reason: String,
    },
    /// How many of the primes there are that a party makes before the engine's data can be made.
    ResharePrimes {
        /// The account.
        account: AccountId,
        /// Digest of the resharing.
        resharing: Digest,
        /// So many, of four.
        made: u8,
    },
    /// I am under this charter now, or out of the account by it.
    ReshareTaken {
        /// The account.
        account: AccountId,
        /// Digest of the charter.
        charter: Digest,
    },
}

/// What a party answers when it is asked about the rules of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesAnswer {
    /// Digest of the words that it answers.
    pub to: Digest,
    /// How the account stands after them; none where this party has no such account.
    pub report: Option<Signed<RulesReport>>,
    /// Why they were not followed.
    pub refusal: Option<Refusal>,
}

/// One message on the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<T> {
    /// Plain words between coordinator and party.
    Plain(Box<T>),
    /// A sealed envelope between parties.
    Sealed(Box<Envelope>),
    /// A sealed word between parties outside of every run ([`crate::peer`]).
    Peer(Box<Envelope>),
}

/// Why bytes from the relay are not a message.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// No bytes or an unknown first byte.
    #[error("the message is of no known kind")]
    Kind,
    /// More bytes than any message has.
    #[error("the message has {0} bytes, more than {max}", max = PLAIN_BYTES_MAX)]
    Size(usize),
    /// Not the JSON that was expected.
    #[error("the message is not understood: {0}")]
    Json(#[from] serde_json::Error),
    /// Not an envelope.
    #[error("the envelope is not understood: {0}")]
    Envelope(#[from] cohold_mpc::envelope::EnvelopeError),
}

/// The longest plain message.
pub const PLAIN_BYTES_MAX: usize = 256 * 1024;
pub(crate) const PLAIN: u8 = 0;
const SEALED: u8 = 1;
const PEER: u8 = 2;

impl<T: Serialize + serde::de::DeserializeOwned> Message<T> {
    /// Plain words as bytes.
    pub fn encode_plain(words: &T) -> Result<Vec<u8>, WireError> {
        let mut bytes = vec![PLAIN];
        serde_json::to_writer(&mut bytes, words)?;
        Ok(bytes)
    }

    /// A sealed envelope as bytes.
    pub fn encode_sealed(envelope: &Envelope) -> Result<Vec<u8>, WireError> {
        Ok(envelope.encode_after(&[SEALED])?)
    }

    /// A sealed word between parties as bytes.
    pub fn encode_peer(envelope: &Envelope) -> Result<Vec<u8>, WireError> {
        Ok(envelope.encode_after(&[PEER])?)
    }

    /// Reads a message.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        match bytes.split_first() {
            Some((&PLAIN, json)) if json.len() <= PLAIN_BYTES_MAX => {
                Ok(Self::Plain(Box::new(serde_json::from_slice(json)?)))
            }
            Some((&PLAIN, json)) => Err(WireError::Size(json.len())),
            Some((&SEALED, envelope)) => Ok(Self::Sealed(Box::new(Envelope::decode(envelope)?))),
            Some((&PEER, envelope)) => Ok(Self::Peer(Box::new(Envelope::decode(envelope)?))),
            _ => Err(WireError::Kind),
        }
    }
}
