//! Terms and charters in the making.

use cohold_model::account::{Card, PartyKind, Role, Template, Terms};
use cohold_model::charter::{Charter, KeyBinding};
use cohold_model::{Digest, Document as _, HexBytes, IdentityKey, IdentitySecret, PartyName, Resharing};

const CREATED_AT: u64 = 1_799_999_000;

/// Name, kind, entity, and the seed of its identity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party(
    pub(crate) &'static str,
    pub(crate) PartyKind,
    pub(crate) &'static str,
    pub(crate) u8,
);

impl Party {
    pub(crate) fn identity(self) -> IdentityKey {
        secret(self.3).public()
    }

    pub(crate) fn role(self) -> Role {
        match self.2 {
            "acme" | "beta" => Role::Provider,
            "ana" | "mallory-user" => Role::User,
            _ => Role::Guardian,
        }
    }
}

pub(crate) fn secret(seed: u8) -> IdentitySecret {
    IdentitySecret::from_seed(&mut [seed; 32])
}

pub(crate) fn name(party: &str) -> PartyName {
    party.parse().unwrap()
}

/// The user's parties approve; where there is none, the first party does.
pub(crate) fn terms(threshold: u8, parties: &[Party]) -> Terms {
    let card = |party: &Party| Card {
        party: name(party.0),
        entity: party.2.parse().unwrap(),
        kind: party.1,
        identity: party.identity(),
        seal: Digest([party.3; 32]),
    };
    let of_user = parties.iter().filter(|party| party.role() == Role::User);
    let mut approvers: std::collections::BTreeSet<_> = of_user.map(|party| name(party.0)).collect();
    if approvers.is_empty() {
        approvers.insert(name(parties[0].0));
    }
    Terms {
        guardians: None,
        account: "acc_00000000000000000000000000000001".parse().unwrap(),
        template: Template::Free,
        entities: parties.iter().map(|party| (party.2.parse().unwrap(), party.role())).collect(),
        parties: parties.iter().map(card).collect(),
        threshold,
        approvers,
    }
}

/// Their first charter. Its key is not looked at.
pub(crate) fn charter(terms: Terms) -> Charter {
    terms.check().unwrap();
    let key = KeyBinding {
        public_key: HexBytes(vec![2; 33]),
        public_shares: vec![HexBytes(vec![2; 33]); terms.parties.len()],
        chain_code: Digest([3; 32]),
        transcript: Digest([4; 32]),
    };
    Charter::first(terms, key, CREATED_AT)
}

/// Proposed by the first approver, dealt by the first parties.
pub(crate) fn resharing(old: &Charter, terms: Terms) -> Resharing {
    let parties = old.terms.parties.iter().map(|card| card.party.clone());
    Resharing {
        charter: old.digest(),
        terms,
        dealers: parties.take(usize::from(old.terms.threshold)).collect(),
        proposer: old.terms.approvers.iter().next().cloned().unwrap(),
        created_at: 1_800_000_000,
        engine: old.engine,
    }
}
