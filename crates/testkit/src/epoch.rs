//! From one epoch to the next, as an honest coordinator would bring an account there; tests bend it.

use std::collections::{BTreeMap, BTreeSet};

use cohold_model::account::Terms;
use cohold_model::handover::{Dealt, Handover};
use cohold_model::reshare::Abandonment;
use cohold_model::{Charter, Document as _, PartyName, Resharing, Signature, Signed};
use cohold_party::charter_change::assess;
use cohold_party::wire::{FromParty, ReshareOrder, ToParty};

use crate::account::Account;
use crate::cluster::{Cluster, eventually};

impl Cluster {
    /// The first party's resharing of an account to these terms, dealt by parties at these points.
    #[must_use]
    pub fn resharing(&self, account: &Account, terms: Terms, dealers: &[u8]) -> Signed<Resharing> {
        let old = &account.charter.document;
        let proposer = self.party(1).spec.party.clone();
        let dealers: BTreeSet<PartyName> =
            dealers.iter().map(|i| self.party(*i).spec.party.clone()).collect();
        let resharing = Resharing {
            charter: old.digest(),
            terms,
            dealers,
            proposer: proposer.clone(),
            created_at: cohold_node::now(),
            engine: old.engine,
        };
        Signed::by(resharing, proposer, &self.party(1).keys.identity)
    }

    /// The order for a resharing, with the first party's consent where it takes one.
    #[must_use]
    pub fn reshare_order(&self, account: &Account, resharing: &Signed<Resharing>) -> ReshareOrder {
        let assessed = assess(&account.charter.document, &resharing.document).expect("it can be weighed");
        let me = self.party(1).spec.party.clone();
        let consent = assessed.needs_consent().then(|| {
            let consent = assessed.consent(me.clone(), cohold_node::now());
            Signed::by(consent, me, &self.party(1).keys.identity)
        });
        ReshareOrder {
            charter: account.charter.clone(),
            resharing: resharing.clone(),
            consent,
            abandoned: Vec::new(),
        }
    }

    /// What a party says of a resharing since `mark`: charter and signatures, or why not.
    pub fn reshared(
        &self,
        i: u8,
        mark: usize,
        resharing: &Signed<Resharing>,
    ) -> Result<(Charter, BTreeMap<PartyName, Signature>), String> {
        let digest = resharing.document.digest();
        let heard = self.hear(i, mark, |letter| match &letter.words {
            FromParty::ReshareSigned { charter, signatures }
                if charter.created_at == resharing.document.created_at
                    && charter.terms == resharing.document.terms =>
            {
                Some(Ok(((**charter).clone(), signatures.clone())))
            }
            FromParty::ReshareFailed { resharing, reason, .. } if *resharing == digest => {
                Some(Err(reason.clone()))
            }
            FromParty::ReshareAbandoned { abandonment, reason }
                if abandonment.document.resharing == digest =>
            {
                Some(Err(reason.clone()))
            }
            _ => None,
        });
        heard.unwrap_or_else(|| Err("no word in time".into()))
    }

    /// A party's word that it dealt, since `mark`.
    #[must_use]
    pub fn dealt(&self, i: u8, mark: usize) -> Signed<Dealt> {
        let word = |letter: &crate::mail::Letter| match &letter.words {
            FromParty::ReshareDealt(word) => Some(word.clone()),
            _ => None,
        };
        self.hear(i, mark, word).expect("a dealer says that it dealt")
    }

    /// A party's word that it never signs, since `mark`.
    #[must_use]
    pub fn abandonment(&self, i: u8, mark: usize) -> Signed<Abandonment> {
        let word = |letter: &crate::mail::Letter| match &letter.words {
            FromParty::ReshareAbandoned { abandonment, .. } => Some((**abandonment).clone()),
            _ => None,
        };
        self.hear(i, mark, word).expect("the party gives the resharing up")
    }

    /// Gives an order to the parties at these points, waits until those at `holders` have signed, and puts
    /// the handover together.
    #[must_use]
    pub fn reshare(&self, order: &ReshareOrder, takers: &[u8], holders: &[u8], dealers: &[u8]) -> Handover {
        let mark = self.relay.mail().mark();
        for i in takers {
            self.say(*i, &ToParty::Reshare(Box::new(order.clone())));
        }
        let mut together: Option<Signed<Charter>> = None;
        for i in holders {
            let (charter, signatures) = match self.reshared(*i, mark, &order.resharing) {
                Ok(signed) => signed,
                Err(reason) => panic!("party {i} has no new share: {reason}"),
            };
            let signed = together
                .get_or_insert_with(|| Signed { document: charter.clone(), signatures: BTreeMap::new() });
            assert_eq!(signed.document, charter, "all parties compute one charter");
            signed.signatures.extend(signatures);
        }
        let charter = together.expect("somebody holds a share");
        charter.check().expect("all signed");
        let dealt = dealers.iter().map(|i| self.dealt(*i, mark)).collect();
        Handover { resharing: order.resharing.clone(), charter, dealt }
    }

    /// Hands a new charter to the parties at these points, and waits until it is in force there.
    #[must_use]
    pub fn hand_over(&self, handover: &Handover, points: &[u8]) -> Account {
        for i in points {
            self.say(*i, &ToParty::Reshared(Box::new(handover.clone())));
        }
        let account = Account { charter: handover.charter.clone() };
        for i in points {
            let there = || self.epoch(*i, &account) == Some(handover.charter.document.epoch.0);
            assert!(eventually(there), "the next epoch comes into force at party {i}");
        }
        account
    }

    /// The epoch of an account at a party, by its database; none where it is in no such account.
    #[must_use]
    pub fn epoch(&self, i: u8, account: &Account) -> Option<u32> {
        let shown = self.party(i).keeper().store().account_show(account.id()).expect("the database is read");
        shown.map(|active| active.charter.document.epoch.0)
    }
}
