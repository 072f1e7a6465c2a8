//! Who signs: threshold many parties of the account that are there and that sign with each other.

use std::collections::BTreeSet;

use cohold_model::account::{PartyKind, Terms};
use cohold_model::{PartyIndex, PartyName};

use crate::error::Error;

/// What stands in the way of some quorums of an account. Parties' claims, kept for one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hindrances {
    /// (who says so, whom it will never sign with again).
    bans: BTreeSet<(PartyIndex, PartyIndex)>,
    /// Sets that cannot sign together, for a reason that was not told apart.
    dead: BTreeSet<Vec<PartyIndex>>,
}

impl Hindrances {
    /// Notes that `by` will never sign with `banned` again.
    pub fn ban(&mut self, by: PartyIndex, banned: impl IntoIterator<Item = PartyIndex>) {
        self.bans.extend(banned.into_iter().map(|party| (by, party)));
    }

    /// Notes that these parties do not sign together.
    pub fn rule_out(&mut self, signers: &[PartyIndex]) {
        self.dead.insert(signers.to_vec());
    }

    /// Whether nothing hinders these from signing together.
    #[must_use]
    pub fn allow(&self, signers: &[PartyIndex]) -> bool {
        !self.dead.contains(signers)
            && !self.bans.iter().any(|(by, party)| signers.contains(by) && signers.contains(party))
    }
}

/// Signers that somebody named: exactly threshold many, each a party of the account, ascending.
pub fn named(terms: &Terms, signers: &[PartyIndex]) -> Result<Vec<PartyIndex>, Error> {
    let set: BTreeSet<PartyIndex> = signers.iter().copied().collect();
    let fits = set.len() == signers.len()
        && set.len() == usize::from(terms.threshold)
        && set.iter().all(|index| terms.party_at(*index).is_some());
    if fits { Ok(set.into_iter().collect()) } else { Err(Error::Signers { threshold: terms.threshold }) }
}

/// The first quorum, by preference, of parties that `are_there` and that nothing hinders: the `first`
/// party, then the others in their order, those that sleep in a file last. Ascending.
#[must_use]
pub fn choose(
    terms: &Terms,
    first: &PartyName,
    hindrances: &Hindrances,
    are_there: impl Fn(PartyIndex) -> bool,
) -> Option<Vec<PartyIndex>> {
    let mut there: Vec<(u8, PartyIndex)> = terms
        .indexed()
        .filter(|(index, _)| are_there(*index))
        .map(|(index, card)| match card.kind {
            _ if card.party == *first => (0, index),
            PartyKind::Device | PartyKind::Cosigner | PartyKind::Guardian => (1, index),
            PartyKind::Recovery => (2, index),
        })
        .collect();
    there.sort_unstable();
    let there: Vec<PartyIndex> = there.into_iter().map(|(_, index)| index).collect();
    subsets(&there, usize::from(terms.threshold)).into_iter().find(|set| hindrances.allow(set))
}

/// Whether any quorum is left, wherever its parties are now.
#[must_use]
pub fn possible(terms: &Terms, first: &PartyName, hindrances: &Hindrances) -> bool {
    choose(terms, first, hindrances, |_| true).is_some()
}

/// All subsets of `size` members, each ascending, the earliest members first. At most 126 of 9.
fn subsets(members: &[PartyIndex], size: usize) -> Vec<Vec<PartyIndex>> {
    let Some((head, tail)) = members.split_first() else {
        return if size == 0 { vec![Vec::new()] } else { Vec::new() };
    };
    if size == 0 {
        return vec![Vec::new()];
    }
    let with_head = subsets(tail, size.saturating_sub(1)).into_iter().map(|mut set| {
        set.push(*head);
        set.sort_unstable();
        set
    });
    with_head.chain(subsets(tail, size)).collect()
}

/// The parties of `signers` that are away.
#[must_use]
pub fn missing(
    terms: &Terms,
    signers: impl IntoIterator<Item = PartyIndex>,
    are_there: impl Fn(PartyIndex) -> bool,
) -> Vec<PartyName> {
    let away = signers.into_iter().filter(|index| !are_there(*index));
    away.filter_map(|index| terms.party_at(index)).map(|card| card.party.clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cohold_model::account::{Card, Role, Template};
    use cohold_model::{AccountId, Digest, IdentitySecret};

    use super::*;

    fn index(i: u8) -> PartyIndex {
        PartyIndex::try_from(i).unwrap()
    }

    fn set(members: &[u8]) -> Vec<PartyIndex> {
        members.iter().map(|i| index(*i)).collect()
    }

    fn terms(kinds: &[PartyKind], threshold: u8) -> Terms {
        let account: AccountId = "acc_000102030405060708090a0b0c0d0e0f".parse().unwrap();
        let card = |(i, kind): (usize, &PartyKind)| Card {
            party: format!("p{i}").parse().unwrap(),
            entity: "ana".parse().unwrap(),
            kind: *kind,
            identity: IdentitySecret::from_seed(&mut [i as u8 + 1; 32]).public(),
            seal: Digest([i as u8; 32]),
        };
        Terms {
            guardians: None,
            account,
            template: Template::Free,
            entities: BTreeMap::from([("ana".parse().unwrap(), Role::User)]),
            parties: kinds.iter().enumerate().map(card).collect(),
            threshold,
            approvers: BTreeSet::from(["p0".parse().unwrap()]),
        }
    }

    const PERSONAL: [PartyKind; 3] = [PartyKind::Device, PartyKind::Recovery, PartyKind::Cosigner];

    #[test]
    fn the_approver_comes_first_and_recovery_last() {
        let (terms, none) = (terms(&PERSONAL, 2), Hindrances::default());
        let device = "p0".parse().unwrap();
        assert_eq!(choose(&terms, &device, &none, |_| true), Some(set(&[1, 3])));
        assert_eq!(choose(&terms, &device, &none, |i| i != index(3)), Some(set(&[1, 2])));
        assert_eq!(choose(&terms, &device, &none, |i| i == index(1)), None);
    }

    #[test]
    fn bans_and_dead_sets_lead_to_other_quorums() {
        let terms = terms(&PERSONAL, 2);
        let device = "p0".parse().unwrap();
        let mut hindrances = Hindrances::default();
        hindrances.ban(index(3), [index(1)]);
        assert_eq!(choose(&terms, &device, &hindrances, |_| true), Some(set(&[1, 2])));
        hindrances.rule_out(&set(&[1, 2]));
        assert_eq!(choose(&terms, &device, &hindrances, |_| true), Some(set(&[2, 3])));
        hindrances.ban(index(2), [index(3)]);
        assert!(!possible(&terms, &device, &hindrances));
    }

    #[test]
    fn named_signers_are_different_parties_of_the_account() {
        let terms = terms(&PERSONAL, 2);
        assert_eq!(named(&terms, &set(&[3, 1])).ok(), Some(set(&[1, 3])));
        for bad in [&[1][..], &[1, 1], &[1, 4], &[1, 2, 3], &[]] {
            assert!(named(&terms, &set(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nine_parties_have_126_quorums_of_four() {
        let all: Vec<PartyIndex> = (1..=9).map(index).collect();
        let found: BTreeSet<_> = subsets(&all, 4).into_iter().collect();
        assert_eq!(found.len(), 126);
        assert!(found.iter().all(|set| set.is_sorted()));
    }
}
