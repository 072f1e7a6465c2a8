//! A key that was made elsewhere and comes into a new account: how it existed, who held it, and which
//! parties deal their shares of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::account::{Proposal, Terms};
use crate::canonical::{Digest, HexBytes, Signed};
use crate::ids::{PartyIndex, PartyName, SessionId};

/// How a key existed before its account did. It stays in every charter of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Whole, as the child of a mnemonic, which makes other keys too.
    Mnemonic,
    /// Whole.
    Raw,
    /// In shares, of which one may have leaked: GG18 and GG20 as released were attacked in several ways
    /// (CVE-2023-33241, CVE-2022-47930, CVE-2022-47931, TSSHOCK).
    TssLib,
}

impl Origin {
    /// What the user must be told, in one sentence.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Mnemonic => {
                "whoever ever saw the mnemonic has the key for ever, whatever is done with the shares: \
                 move the funds to an account whose key never existed whole"
            }
            Self::Raw => {
                "whoever ever saw the key has it for ever, whatever is done with the shares: move the \
                 funds to an account whose key never existed whole"
            }
            Self::TssLib => {
                "what leaked while the old software made this key or signed with it is not undone by new \
                 shares: a suspect key must be moved, not refreshed"
            }
        }
    }

    /// Whether the key existed whole, with one holder.
    #[must_use]
    pub fn was_whole(self) -> bool {
        match self {
            Self::Mnemonic | Self::Raw => true,
            Self::TssLib => false,
        }
    }
}

/// What all know of one holder of the key that comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// Its Shamir point, big-endian, 32 bytes.
    pub point: HexBytes,
    /// Its public share, compressed SEC 1, 33 bytes.
    pub public_share: HexBytes,
}

/// The part of a proposal that brings a key along. Whether the holders' public shares make the key is for
/// the engine to check; every party does before it takes part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// How the key existed.
    pub origin: Origin,
    /// The public key, compressed SEC 1, 33 bytes: the account's address is this key's.
    pub public_key: HexBytes,
    /// The BIP-32 chain code that the account gets.
    pub chain_code: Digest,
    /// All holders, in the order by which they are numbered from 1.
    pub holders: Vec<Holder>,
    /// Parties of the account that deal, with the number of the holder whose share each has.
    pub dealers: BTreeMap<PartyName, PartyIndex>,
}

/// Why an import was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Nobody, or more than can be numbered.
    #[error("the imported key has {0} holders: 1 to {max} can be named", max = PartyIndex::MAX)]
    Holders(usize),
    /// A key that existed whole has one holder.
    #[error("a key that existed whole is dealt by the one party that has it, not by {0}")]
    Whole(usize),
    /// Nobody deals.
    #[error("no party deals the imported key")]
    Nobody,
    /// A dealer that is no party of the account.
    #[error("`{0}` deals the imported key and is no party of the account")]
    Stranger(PartyName),
    /// A number that no holder has.
    #[error("`{party}` deals for holder {number} of {holders}")]
    Number {
        /// The dealer.
        party: PartyName,
        /// The number.
        number: PartyIndex,
        /// How many holders there are.
        holders: usize,
    },
    /// Two dealers for one holder.
    #[error("two parties deal for holder {0}: each deals for its own")]
    Twice(PartyIndex),
}

impl Import {
    /// Checks what any party can check without looking at the key.
    pub fn check(&self, terms: &Terms) -> Result<(), ImportError> {
        let holders = self.holders.len();
        if !(1..=usize::from(PartyIndex::MAX)).contains(&holders) {
            return Err(ImportError::Holders(holders));
        }
        if self.dealers.is_empty() {
            return Err(ImportError::Nobody);
        }
        if self.origin.was_whole() && (holders, self.dealers.len()) != (1, 1) {
            return Err(ImportError::Whole(self.dealers.len()));
        }
        let mut dealt = BTreeSet::new();
        for (party, number) in &self.dealers {
            if terms.party(party).is_none() {
                return Err(ImportError::Stranger(party.clone()));
            }
            if usize::from(number.get()) > holders {
                return Err(ImportError::Number { party: party.clone(), number: *number, holders });
            }
            if !dealt.insert(*number) {
                return Err(ImportError::Twice(*number));
            }
        }
        Ok(())
    }
}

/// The session in which the parties of an account that imports its key set their engine up. The key is
/// dealt in [`keygen_session`](crate::account::keygen_session).
#[must_use]
pub fn import_setup_session(proposal: &Signed<Proposal>) -> SessionId {
    SessionId(crate::canonical::digest("cohold/session/import-setup/v1", &proposal.document))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Card, PartyKind, Role, Template};
    use crate::identity::IdentitySecret;

    fn terms() -> Terms {
        let card = |name: &str, seed: u8| Card {
            party: name.parse().expect("a name"),
            entity: "acme".parse().expect("a name"),
            kind: PartyKind::Cosigner,
            identity: IdentitySecret::from_seed(&mut [seed; 32]).public(),
            seal: Digest([seed; 32]),
        };
        Terms {
            guardians: None,
            account: "acc_000102030405060708090a0b0c0d0e0f".parse().expect("an id"),
            template: Template::Free,
            entities: [("acme".parse().expect("a name"), Role::User)].into(),
            parties: vec![card("device", 1), card("cosigner", 2)],
            threshold: 2,
            approvers: ["device".parse().expect("a name")].into(),
        }
    }

    fn import(origin: Origin, holders: usize, dealers: &[(&str, u8)]) -> Import {
        let holder = Holder { point: HexBytes(vec![1; 32]), public_share: HexBytes(vec![2; 33]) };
        let dealer = |(name, number): &(&str, u8)| {
            (name.parse().expect("a name"), PartyIndex::try_from(*number).expect("a number"))
        };
        Import {
            origin,
            public_key: HexBytes(vec![2; 33]),
            chain_code: Digest([0; 32]),
            holders: vec![holder; holders],
            dealers: dealers.iter().map(dealer).collect(),
        }
    }

    #[test]
    fn an_import_names_its_dealers_once_and_by_holders_that_exist() {
        let check =
            |origin, holders, dealers: &[(&str, u8)]| import(origin, holders, dealers).check(&terms());
        assert_eq!(check(Origin::Raw, 1, &[("device", 1)]), Ok(()));
        assert_eq!(check(Origin::TssLib, 5, &[("device", 5), ("cosigner", 2)]), Ok(()));
        assert_eq!(check(Origin::TssLib, 0, &[("device", 1)]), Err(ImportError::Holders(0)));
        assert_eq!(check(Origin::TssLib, 19, &[("device", 1)]), Err(ImportError::Holders(19)));
        assert_eq!(check(Origin::TssLib, 5, &[]), Err(ImportError::Nobody));
        assert_eq!(check(Origin::Mnemonic, 2, &[("device", 1), ("cosigner", 2)]), Err(ImportError::Whole(2)));
        assert!(matches!(check(Origin::TssLib, 5, &[("guardian", 1)]), Err(ImportError::Stranger(_))));
        assert!(matches!(check(Origin::TssLib, 1, &[("device", 2)]), Err(ImportError::Number { .. })));
        let twice = check(Origin::TssLib, 5, &[("device", 2), ("cosigner", 2)]);
        assert_eq!(twice, Err(ImportError::Twice(PartyIndex::try_from(2).expect("a number"))));
    }
}
