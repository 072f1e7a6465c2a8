//! No change passes without the user that crosses the red line, by brute force and in certificates' facts.

use std::collections::BTreeMap;

use cohold_custody::declared::Declared;
use cohold_custody::difference;
use cohold_custody::extract::{Own, extract};
use cohold_model::account::{PartyKind, Role, Terms};
use cohold_model::charter::Charter;
use cohold_model::statement::{Sealing, Statement};
use cohold_model::{Digest, Document as _, Lineage, Signed};
use cohold_party::charter_change::assess;

use crate::charters::{Party, charter, resharing, secret, terms};

/// Everybody who may be a party.
const POOL: [Party; 9] = [
    Party("device", PartyKind::Device, "ana", 1),
    Party("recovery", PartyKind::Recovery, "ana", 2),
    Party("cosigner", PartyKind::Cosigner, "acme", 3),
    Party("guardian", PartyKind::Guardian, "bo", 4),
    Party("second", PartyKind::Cosigner, "acme", 5),
    Party("laptop", PartyKind::Device, "ana", 6),
    Party("device", PartyKind::Device, "ana", 7),
    Party("cosigner", PartyKind::Cosigner, "beta", 8),
    Party("phone", PartyKind::Device, "mallory-user", 9),
];

/// Numbers from a seed (Steele, Lea, Flood: SplitMix64, 2014).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % end as u64) as usize
    }

    /// Two to four of the pool, no two of one name.
    fn parties(&mut self) -> Vec<Party> {
        let mut parties: Vec<Party> = Vec::new();
        while parties.len() < 2 || (parties.len() < 4 && self.below(2) == 0) {
            let party = POOL[self.below(POOL.len())];
            if parties.iter().all(|other| other.0 != party.0) {
                parties.push(party);
            }
        }
        parties
    }

    fn terms(&mut self, parties: &[Party]) -> Terms {
        terms(2 + self.below(parties.len() - 1) as u8, parties)
    }

    /// What may come after: often nearly the same.
    fn next(&mut self, old: &[Party]) -> Vec<Party> {
        let mut parties = old.to_vec();
        match self.below(5) {
            0 => {}
            1 if parties.len() > 2 => drop(parties.remove(self.below(parties.len()))),
            2 => {
                let party = POOL[self.below(POOL.len())];
                if parties.iter().all(|other| other.0 != party.0) {
                    parties.push(party);
                }
            }
            3 => {
                let party = POOL[self.below(POOL.len())];
                let place = self.below(parties.len());
                if parties.iter().enumerate().all(|(at, other)| at == place || other.0 != party.0) {
                    parties[place] = party;
                }
            }
            _ => return self.parties(),
        }
        parties
    }
}

/// The red line of the custody model over parties: who moves is whoever has enough shares.
fn crosses(old: &Terms, new: &Terms) -> bool {
    let cards: BTreeMap<[u8; 32], bool> = [old, new]
        .into_iter()
        .flat_map(|terms| terms.parties.iter().map(move |card| (terms, card)))
        .map(|(terms, card)| (card.identity.to_bytes(), terms.entities[&card.entity] == Role::User))
        .collect();
    let keys: Vec<_> = cards.keys().collect();
    let moves = |terms: &Terms, has: &dyn Fn(&[u8; 32]) -> bool| {
        let shares = terms.parties.iter().filter(|card| has(&card.identity.to_bytes())).count();
        shares >= usize::from(terms.threshold)
    };
    let gained = (0..1_usize << keys.len()).any(|set| {
        let has = |key: &[u8; 32]| {
            keys.iter().position(|known| *known == key).is_some_and(|bit| set >> bit & 1 == 1)
        };
        let without_user = keys.iter().all(|key| !has(key) || !cards[*key]);
        let frozen = |terms: &Terms| without_user && !moves(terms, &|key| !has(key));
        without_user && !moves(old, &has) && moves(new, &has) || frozen(new) && !frozen(old)
    });
    // Each user for itself: whoever is called a user anew makes up for nobody's loss.
    let users = old.entities.iter().filter(|(_, role)| **role == Role::User);
    let shrinks = users.clone().any(|(user, _)| {
        let own = |terms: &Terms| {
            let of = |key: &[u8; 32]| {
                terms.parties.iter().any(|card| card.identity.to_bytes() == *key && card.entity == *user)
            };
            moves(terms, &of)
        };
        own(old) && !own(new)
    });
    gained || shrinks
}

#[test]
fn nothing_that_crosses_the_red_line_passes_without_the_user() {
    let mut numbers = Numbers(1);
    let (mut free, mut asked) = (0, 0);
    for _ in 0..4_000 {
        let parties = numbers.parties();
        let old = charter(numbers.terms(&parties));
        let next = numbers.next(&parties);
        let new = numbers.terms(&next);
        let assessed = assess(&old, &resharing(&old, new.clone())).expect("it can be weighed");
        let comes = new.parties.iter().any(|card| old.terms.party_by_identity(&card.identity).is_none());
        if assessed.needs_consent() {
            asked += 1;
        } else {
            free += 1;
            let told = |terms: &Terms| {
                let parties: Vec<_> =
                    terms.parties.iter().map(|card| format!("{}@{}", card.party, card.entity)).collect();
                format!("{} of {parties:?}", terms.threshold)
            };
            let change = format!("{} -> {}", told(&old.terms), told(&new));
            assert!(!comes, "somebody comes: {change}");
            assert!(!crosses(&old.terms, &new), "{change}");
        }
    }
    assert!(free > 200 && asked > 1_000, "{free} of {asked} is no test");
}

fn statements(charter: &Charter, numbers: &mut Numbers) -> Vec<Signed<Statement>> {
    let mut said = Vec::new();
    for card in &charter.terms.parties {
        let party = POOL.iter().find(|party| party.identity() == card.identity).expect("of the pool");
        let sealing = match (card.kind, numbers.below(3)) {
            (_, 0) => continue,
            (PartyKind::Device, _) => Sealing::DeviceAndPin,
            (PartyKind::Recovery, _) => Sealing::SealedFile,
            (_, 1) => Sealing::KeyFile,
            _ => Sealing::Passphrase,
        };
        let statement = Statement {
            account: charter.terms.account,
            party: card.party.clone(),
            charter: charter.digest(),
            epoch: charter.epoch,
            sealing,
            token: None,
            held_since: charter.created_at,
            requires_approval: true,
            allowances: Vec::new(),
            fees: Vec::new(),
            vouches: Vec::new(),
            receipts: Vec::new(),
            deleted: Vec::new(),
            exported_at: None,
            imported: false,
            drilled_at: None,
            resharing_delay: None,
            rules: Digest([0; 32]),
            issued_at: charter.created_at + 10,
            expires_at: charter.created_at + 3600,
        };
        said.push(Signed::by(statement, card.party.clone(), &secret(party.3)));
    }
    said
}

fn signed(charter: &Charter) -> Signed<Charter> {
    let digest = charter.digest();
    let seed = |key| POOL.iter().find(|party| party.identity() == key).expect("of the pool").3;
    let parties = charter.terms.parties.iter();
    let signatures =
        parties.map(|card| (card.party.clone(), secret(seed(card.identity)).sign(&digest))).collect();
    Signed { document: charter.clone(), signatures }
}

/// What is weighed party by party holds for the models of certificates, however each party says that its
/// share is sealed (the same before and after), and with the doubts of the past that come with it.
#[test]
fn what_passes_without_the_user_keeps_to_the_red_line_in_certificates() {
    let mut numbers = Numbers(2);
    let mut free = 0;
    while free < 60 {
        let parties = numbers.parties();
        let old = charter(numbers.terms(&parties));
        let next = numbers.next(&parties);
        let new = numbers.terms(&next);
        let assessed = assess(&old, &resharing(&old, new.clone())).expect("it can be weighed");
        if assessed.needs_consent() {
            continue;
        }
        free += 1;
        let next = Charter {
            version: 2,
            epoch: cohold_model::Epoch(2),
            previous: Some(old.digest()),
            ..charter(new)
        };
        let seed = numbers.0;
        let model = |charters: Vec<&Charter>| {
            let own = Own { declared: Declared::own_alone(&old.terms), ..Own::default() };
            let mut numbers = Numbers(seed);
            // Those who stay say the same of themselves in both.
            let said = statements(&old, &mut numbers);
            let last = *charters.last().expect("one");
            let said = said.into_iter().map(|said| {
                let statement = Statement { charter: last.digest(), epoch: last.epoch, ..said.document };
                let party = old.terms.party(&statement.party).expect("a party").1.identity;
                let seed = POOL.iter().find(|known| known.identity() == party).expect("of the pool").3;
                let by = statement.party.clone();
                Signed::by(statement, by, &secret(seed))
            });
            let said: Vec<_> = said.collect();
            let lineage = Lineage::new(charters.into_iter().map(signed).collect()).expect("a line");
            extract(&lineage, &said, &own, old.created_at + 20).expect("a model")
        };
        let difference = difference(&model(vec![&old]), &model(vec![&old, &next])).expect("a difference");
        assert!(difference.keeps_to_the_red_line(), "{:?}\n{:?}", difference.crossings(), next.terms);
        assert!(difference.verdict.needs_no_signature(), "{:?}", difference.gained);
    }
}
