//! A resharing: the parties of an account give new shares of the same key to the parties that come
//! after them. The public key and the address stay; the old shares are worth nothing to the new quorum.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::account::{Card, Terms, TermsError};
use crate::canonical::{Digest, Document, Signed, digest};
use crate::charter::Charter;
use crate::engine::Engine;
use crate::ids::{AccountId, Epoch, PartyIndex, PartyName, SessionId};

/// What is to come after a charter, signed by its proposer, who is an approver under that charter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resharing {
    /// Digest of the charter in force: a resharing fits one charter, once.
    pub charter: Digest,
    /// The account from then on.
    pub terms: Terms,
    /// Who gives sub-shares of what they hold: exactly as many as the charter's threshold, or nobody where
    /// the engine alone changes and every share stays as it is.
    pub dealers: BTreeSet<PartyName>,
    /// Who proposes it, by the name in the charter in force.
    pub proposer: PartyName,
    /// Seconds since 1970 when it was made.
    pub created_at: u64,
    /// By which protocol they sign from then on.
    #[serde(default, skip_serializing_if = "Engine::is_default")]
    pub engine: Engine,
}

impl Document for Resharing {
    const TAG: &'static str = "cohold/resharing/v1";
}

/// A party's word that it will never sign the charter of this resharing: since a charter needs all its
/// parties, it never comes into force, and another resharing may take its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abandonment {
    /// The account.
    pub account: AccountId,
    /// Digest of the resharing.
    pub resharing: Digest,
    /// Who will never sign: a party of its terms.
    pub party: PartyName,
    /// Seconds since 1970 when this was said.
    pub issued_at: u64,
}

impl Document for Abandonment {
    const TAG: &'static str = "cohold/abandonment/v1";
}

/// The word of a party of the user that it does not want what another one has asked for: nodes that still
/// wait join in no resharing of that party under this charter any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Veto {
    /// The account.
    pub account: AccountId,
    /// Digest of the charter in force.
    pub charter: Digest,
    /// Whose asking it objects to.
    pub asked_by: PartyName,
    /// Who objects.
    pub party: PartyName,
    /// Seconds since 1970 when this was said.
    pub issued_at: u64,
}

impl Document for Veto {
    const TAG: &'static str = "cohold/veto/v1";
}

/// Why a resharing does not fit the charter in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResharingError {
    /// Made for another charter.
    #[error(
        "the resharing is for another charter of this account than the one in force: look at the account again"
    )]
    Stale,
    /// The new terms contradict themselves.
    #[error("the terms are refused: {0}")]
    Terms(#[from] TermsError),
    /// Another account.
    #[error("the terms are those of account `{0}`: a resharing keeps the account")]
    Account(AccountId),
    /// Too few or too many dealers, or strangers.
    #[error("{found} parties of the charter deal: name exactly {threshold} of them")]
    Dealers {
        /// Dealers that are parties of the charter.
        found: usize,
        /// The charter's threshold.
        threshold: u8,
    },
    /// Not one who may.
    #[error("`{0}` is no approver of this account: only an approver proposes a resharing")]
    Proposer(PartyName),
    /// A party that stays, under another card.
    #[error("`{0}` stays with its key but under another name, entity or kind: leave its card as it is")]
    Relabelled(PartyName),
    /// An entity that stays, in another role.
    #[error("entity `{0}` has another role than before: a resharing keeps the roles")]
    Role(crate::ids::EntityName),
    /// Another engine, and something else.
    #[error(
        "the account signs by `{old}` and this would make it `{new}`: another engine is set alone, with the same terms and nobody dealing"
    )]
    Engine {
        /// The engine in force.
        old: Engine,
        /// The one that was asked for.
        new: Engine,
    },
    /// Too few that the engine can serve.
    #[error(
        "`{engine}` serves {found} of these parties, as recovery shares sleep in files, and {threshold} sign together: keep `dkls23`"
    )]
    Committee {
        /// The engine.
        engine: Engine,
        /// Parties that it serves.
        found: usize,
        /// How many sign.
        threshold: u8,
    },
    /// No number is left for the next epoch.
    #[error("the account has had too many epochs")]
    Epochs,
}

/// A place in the run of a resharing, where old and new parties sit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Who sits here.
    pub card: Card,
    /// Its point in the charter in force, if it deals.
    pub deals: Option<PartyIndex>,
    /// Its point in the charter to come, if it holds a share then.
    pub holds: Option<PartyIndex>,
}

impl Resharing {
    /// Checks the resharing against the charter in force.
    pub fn check(&self, old: &Charter) -> Result<(), ResharingError> {
        if self.charter != old.digest() {
            return Err(ResharingError::Stale);
        }
        self.terms.check()?;
        if self.terms.account != old.terms.account {
            return Err(ResharingError::Account(self.terms.account));
        }
        let threshold = self.terms.threshold;
        let found = self.terms.parties.iter().filter(|card| self.engine.serves(card.kind)).count();
        if found < usize::from(threshold) {
            return Err(ResharingError::Committee { engine: self.engine, found, threshold });
        }
        if self.sets_engine(old) && (self.terms != old.terms || !self.dealers.is_empty()) {
            return Err(ResharingError::Engine { old: old.engine, new: self.engine });
        }
        let found = self.dealers.iter().filter(|name| old.terms.party(name).is_some()).count();
        let threshold = if self.sets_engine(old) { 0 } else { old.terms.threshold };
        if found != self.dealers.len() || found != usize::from(threshold) {
            return Err(ResharingError::Dealers { found, threshold });
        }
        let guarded = old.terms.guardians.as_ref().is_some_and(|it| it.party == self.proposer);
        if !guarded && !old.terms.approvers.contains(&self.proposer) {
            return Err(ResharingError::Proposer(self.proposer.clone()));
        }
        for card in &self.terms.parties {
            let same_key = |known: &&Card| known.identity == card.identity || known.seal == card.seal;
            if old.terms.parties.iter().find(same_key).is_some_and(|known| known != card) {
                return Err(ResharingError::Relabelled(card.party.clone()));
            }
        }
        let changed = |(name, role)| old.terms.entities.get(name).is_some_and(|before| before != role);
        if let Some((name, _)) = self.terms.entities.iter().find(|entity| changed(*entity)) {
            return Err(ResharingError::Role(name.clone()));
        }
        self.epoch(old).map(|_| ())
    }

    /// Whether the engine alone changes: no share moves, and the epoch stays.
    #[must_use]
    pub fn sets_engine(&self, old: &Charter) -> bool {
        self.engine != old.engine
    }

    /// The epoch that it makes.
    pub fn epoch(&self, old: &Charter) -> Result<Epoch, ResharingError> {
        if self.sets_engine(old) {
            return Ok(old.epoch);
        }
        old.epoch.0.checked_add(1).map(Epoch).ok_or(ResharingError::Epochs)
    }

    /// Who takes part, numbered: the parties to come at their points, then the dealers that leave.
    #[must_use]
    pub fn seats(&self, old: &Charter) -> BTreeMap<PartyIndex, Seat> {
        let dealer = |card: &Card| {
            let (index, known) = old.terms.party_by_identity(&card.identity)?;
            self.dealers.contains(&known.party).then_some(index)
        };
        let staying = self.terms.indexed().map(|(index, card)| Seat {
            card: card.clone(),
            deals: dealer(card),
            holds: Some(index),
        });
        let leaves = |card: &Card| self.terms.party_by_identity(&card.identity).is_none();
        let leaving = old.terms.indexed().filter(|(_, card)| leaves(card));
        let leaving = leaving
            .filter(|(_, card)| self.dealers.contains(&card.party))
            .map(|(index, card)| Seat { card: card.clone(), deals: Some(index), holds: None });
        let numbers = (1..=PartyIndex::MAX).filter_map(|number| PartyIndex::try_from(number).ok());
        numbers.zip(staying.chain(leaving)).collect()
    }
}

/// The session in which the sub-shares of a resharing are dealt.
#[must_use]
pub fn reshare_session(resharing: &Signed<Resharing>) -> SessionId {
    SessionId(digest("cohold/session/reshare/v1", &resharing.document))
}

/// The session in which the parties to come set their engine up over the new shares.
#[must_use]
pub fn reshare_setup_session(resharing: &Signed<Resharing>) -> SessionId {
    SessionId(digest("cohold/session/reshare-setup/v1", &resharing.document))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{PartyKind, Role, Template};
    use crate::canonical::HexBytes;
    use crate::charter::{CharterError, KeyBinding};
    use crate::identity::IdentitySecret;

    fn card(name: &str, kind: PartyKind, entity: &str, seed: u8) -> Card {
        Card {
            party: name.parse().expect("a name"),
            entity: entity.parse().expect("a name"),
            kind,
            identity: IdentitySecret::from_seed(&mut [seed; 32]).public(),
            seal: Digest([seed; 32]),
        }
    }

    fn terms(parties: Vec<Card>) -> Terms {
        let role = |card: &Card| if card.kind == PartyKind::Cosigner { Role::Provider } else { Role::User };
        Terms {
            guardians: None,
            account: "acc_000102030405060708090a0b0c0d0e0f".parse().expect("an id"),
            template: Template::Personal,
            entities: parties.iter().map(|card| (card.entity.clone(), role(card))).collect(),
            approvers: parties.iter().filter(|c| role(c) == Role::User).map(|c| c.party.clone()).collect(),
            parties,
            threshold: 2,
        }
    }

    fn old() -> Charter {
        let parties = vec![
            card("device", PartyKind::Device, "ana", 1),
            card("recovery", PartyKind::Recovery, "ana", 2),
            card("cosigner", PartyKind::Cosigner, "acme", 3),
        ];
        let key = KeyBinding {
            public_key: HexBytes(vec![2; 33]),
            public_shares: vec![HexBytes(vec![2; 33]); 3],
            chain_code: Digest([0; 32]),
            transcript: Digest([0; 32]),
        };
        Charter::first(terms(parties), key, 1)
    }

    /// The phone is lost: recovery share and co-signer deal to another device and another recovery share.
    fn recovery() -> Resharing {
        let [_, _, cosigner] = <[Card; 3]>::try_from(old().terms.parties).expect("three");
        let device = card("device", PartyKind::Device, "ana", 4);
        let file = card("recovery", PartyKind::Recovery, "ana", 5);
        let names = ["recovery", "cosigner"].map(|name| name.parse().expect("a name"));
        Resharing {
            charter: old().digest(),
            terms: terms(vec![device, file, cosigner]),
            dealers: names.clone().into(),
            proposer: names[0].clone(),
            created_at: 2,
            engine: Engine::Dkls23,
        }
    }

    #[test]
    fn old_and_new_parties_have_seats_of_their_own() {
        let resharing = recovery();
        assert_eq!(resharing.check(&old()), Ok(()));
        let index = |i| PartyIndex::try_from(i).expect("an index");
        let seats: Vec<_> = resharing
            .seats(&old())
            .into_iter()
            .map(|(number, seat)| (number.get(), seat.deals, seat.holds))
            .collect();
        let expected = vec![
            (1, None, Some(index(1))),
            (2, None, Some(index(2))),
            (3, Some(index(3)), Some(index(3))),
            (4, Some(index(2)), None),
        ];
        assert_eq!(seats, expected);
    }

    #[test]
    fn what_does_not_fit_the_charter_is_refused() {
        type Bend = fn(&mut Resharing);
        let cases: [(Bend, &str); 10] = [
            (|it| it.charter = Digest([9; 32]), "another charter"),
            (|it| it.terms.threshold = 4, "threshold 4 of 3"),
            (
                |it| it.terms.account = "acc_ff0102030405060708090a0b0c0d0e0f".parse().expect("an id"),
                "account",
            ),
            (|it| it.dealers.retain(|name| name.to_string() != "recovery"), "1 parties"),
            (|it| it.dealers.extend(["device".parse::<PartyName>().expect("a name")]), "3 parties"),
            (|it| it.proposer = "cosigner".parse().expect("a name"), "no approver"),
            (|it| it.terms.parties[2].entity = "ana".parse().expect("a name"), "entity `acme`"),
            (|it| it.terms.parties[2].kind = PartyKind::Guardian, "under another name"),
            (|it| it.engine = Engine::Cggmp24, "is set alone"),
            (|it| it.dealers.clear(), "0 parties"),
        ];
        for (bend, expected) in cases {
            let mut resharing = recovery();
            bend(&mut resharing);
            let error = resharing.check(&old()).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        }
        let mut resharing = recovery();
        resharing.terms.entities.insert("acme".parse().expect("a name"), Role::User);
        assert!(matches!(resharing.check(&old()), Err(ResharingError::Role(_))));
    }

    /// The same parties and shares under another engine, if it can serve a quorum of them.
    #[test]
    fn an_engine_is_set_alone() {
        let old = old();
        let set = Resharing { terms: old.terms.clone(), dealers: BTreeSet::new(), ..recovery() };
        let set = Resharing { proposer: "device".parse().expect("a name"), engine: Engine::Cggmp24, ..set };
        assert_eq!((set.check(&old), set.epoch(&old)), (Ok(()), Ok(old.epoch)));
        assert!(set.seats(&old).values().all(|seat| seat.deals.is_none() && seat.holds.is_some()));
        // Old documents keep their bytes.
        let text = |engine| serde_json::to_string(&Resharing { engine, ..set.clone() }).expect("a document");
        assert!(text(Engine::Cggmp24).contains("cggmp24") && !text(Engine::Dkls23).contains("engine"));
        let again = Charter { engine: Engine::Cggmp24, ..old.clone() };
        let stale = Resharing { charter: again.digest(), ..set.clone() };
        assert!(matches!(stale.check(&again), Err(ResharingError::Dealers { found: 0, threshold: 2 })));
        let mut few = old.clone();
        few.terms.parties.truncate(2);
        few.terms.entities.retain(|entity, _| entity.as_str() == "ana");
        let alone = Resharing { charter: few.digest(), terms: few.terms.clone(), ..set };
        assert!(matches!(alone.check(&few), Err(ResharingError::Committee { found: 1, threshold: 2, .. })));
    }

    #[test]
    fn only_the_very_next_charter_follows() {
        let (old, resharing) = (old(), recovery());
        let next = Charter {
            version: 2,
            terms: resharing.terms.clone(),
            epoch: Epoch(2),
            previous: Some(old.digest()),
            created_at: 2,
            ..old.clone()
        };
        assert_eq!(next.follows(&old), Ok(()));
        let set = Charter { engine: Engine::Cggmp24, ..next.clone() };
        let set = Charter { terms: old.terms.clone(), epoch: old.epoch, ..set };
        assert_eq!(set.follows(&old), Ok(()));
        let other_key = KeyBinding { public_key: HexBytes(vec![3; 33]), ..next.key.clone() };
        let bent = [
            ("version", Charter { version: 3, ..next.clone() }),
            ("epoch", Charter { epoch: Epoch(1), ..next.clone() }),
            ("predecessor", Charter { previous: None, ..next.clone() }),
            ("public key", Charter { key: other_key, ..next.clone() }),
            ("origin", Charter { origin: Some(crate::import::Origin::Raw), ..next.clone() }),
            ("epoch", Charter { epoch: Epoch(2), ..set.clone() }),
            ("terms", Charter { terms: next.terms.clone(), ..set.clone() }),
            ("shares", Charter { key: KeyBinding { transcript: Digest([1; 32]), ..set.key.clone() }, ..set }),
        ];
        for (what, charter) in bent {
            assert_eq!(charter.follows(&old), Err(CharterError::Successor(what)));
        }
    }
}
