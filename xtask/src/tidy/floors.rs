//! Edges between crates point strictly down, and what must be pure depends on nothing that does IO.

use crate::metadata::{Edge, Member};

/// Floor by floor, from the ground: `ARCHITECTURE.md`. A new crate takes its place here first.
const FLOORS: [&[&str]; 9] = [
    &["cohold-model"],
    &["cohold-custody", "cohold-policy", "cohold-api"],
    &["cohold-mpc", "cohold-mpc-share", "cohold-mpc-ecdsa", "cohold-mpc-cggmp", "cohold-mpc-schnorr"],
    &["cohold-chain-evm", "cohold-chain-bitcoin", "cohold-chain-solana", "cohold-import"],
    &["cohold-store", "cohold-vault", "cohold-relay", "cohold-chain-io"],
    &["cohold-party"],
    &["cohold-app"],
    &["cohold-server", "cohold-node", "cohold-sdk-wasm"],
    &["cohold"],
];
const PURE_FLOORS: usize = 4;
/// What all engines share on their own floor: resharing.
const SHARE: &str = "cohold-mpc-share";
/// The second engine signs with the first one's share.
const SECOND_ENGINE: [&str; 2] = ["cohold-mpc-cggmp", "cohold-mpc-ecdsa"];
const PARTY: &str = "cohold-party";
const TESTKIT: &str = "cohold-testkit";
const FUZZ: &str = "cohold-fuzz";
const XTASK: &str = "xtask";
/// `anyhow` is for binaries.
const BINARIES: [&str; 2] = ["cohold", XTASK];

/// Crates that read clocks, files, sockets or ambient randomness, or bring a runtime that does.
const IMPURE: [&str; 16] = [
    "async-nats",
    "axum",
    "getrandom",
    "hyper",
    "mio",
    "rand",
    "reqwest",
    "rpassword",
    "rusqlite",
    "rustls",
    "sea-orm",
    "sqlx",
    "tempfile",
    "tokio",
    "tokio-tungstenite",
    "ureq",
];

/// Whether a crate is of those that nodes and browsers share: floors 0 to 3, and `party`.
pub(crate) fn is_pure(name: &str) -> bool {
    name == PARTY || floor(name).is_some_and(|floor| floor < PURE_FLOORS)
}

/// Every edge that the floors forbid, in a sentence.
pub(crate) fn breaches(members: &[Member]) -> Vec<String> {
    members
        .iter()
        .flat_map(|member| member.edges.iter().filter_map(|edge| breach(members, member, edge)))
        .collect()
}

fn breach(members: &[Member], member: &Member, edge: &Edge) -> Option<String> {
    let from = member.name.as_str();
    let to = edge.to.as_str();
    let law = if members.iter().any(|member| member.name == to) {
        if edge.is_dev && to == TESTKIT { None } else { broken_stair(from, to) }
    } else if edge.is_dev {
        None
    } else if is_pure(from) && IMPURE.contains(&to) {
        Some("floors 0 to 3 and `party` do no IO".to_owned())
    } else if to == "anyhow" && !BINARIES.contains(&from) {
        Some("libraries have one error enum per operation".to_owned())
    } else {
        None
    };
    law.map(|law| format!("`{from}` may not depend on `{to}`: {law}"))
}

/// Why an edge between two crates of the workspace is none that leads down.
fn broken_stair(from: &str, to: &str) -> Option<String> {
    if from == XTASK || to == XTASK {
        return Some("`xtask` stands outside of the house".to_owned());
    }
    if to == TESTKIT {
        return Some("`testkit` is a dependency of tests only".to_owned());
    }
    if to == FUZZ {
        return Some("nothing needs the fuzzer".to_owned());
    }
    if from == TESTKIT || from == FUZZ {
        return None;
    }
    let (Some(from_floor), Some(to_floor)) = (floor(from), floor(to)) else {
        return Some("give both a floor in xtask/src/tidy/floors.rs".to_owned());
    };
    if from == PARTY && to_floor >= PURE_FLOORS {
        return Some("`party` stands on floors 0 to 3 only".to_owned());
    }
    let is_engine = from.starts_with("cohold-mpc-") && to == "cohold-mpc";
    let shares = from.starts_with("cohold-mpc-") && from != SHARE && to == SHARE;
    if to_floor < from_floor || is_engine || shares || [from, to] == SECOND_ENGINE {
        return None;
    }
    Some(format!("edges point strictly down, and this leads from floor {from_floor} to floor {to_floor}"))
}

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&name))
}

/// Whether the crate has a place in the house, or stands beside it.
pub(super) fn has_place(name: &str) -> bool {
    floor(name).is_some() || [TESTKIT, FUZZ, XTASK].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::breaches;
    use crate::metadata::{Edge, Member};

    fn check(from: &str, to: &str, is_dev: bool, expected: Option<&str>) {
        let member = |name: &str, edges| Member { name: name.to_owned(), folder: "/".into(), edges };
        let edge = Edge { to: to.to_owned(), is_dev };
        let mut members = vec![member(from, vec![edge])];
        if to.starts_with("cohold") || to == "xtask" {
            members.push(member(to, Vec::new()));
        }
        let found = breaches(&members);
        match expected {
            None => assert!(found.is_empty(), "{from} → {to}: {found:?}"),
            Some(words) => assert!(found.len() == 1 && found[0].contains(words), "{from} → {to}: {found:?}"),
        }
    }

    #[test]
    fn edges_lead_down() {
        check("cohold-custody", "cohold-model", false, None);
        check("cohold", "cohold-server", false, None);
        check("cohold-mpc-ecdsa", "cohold-mpc", false, None);
        check("cohold-mpc-ecdsa", "cohold-mpc-share", false, None);
        check("cohold-mpc-share", "cohold-mpc-ecdsa", false, Some("from floor 2 to floor 2"));
        check("cohold-model", "cohold-custody", false, Some("from floor 0 to floor 1"));
        check("cohold-mpc", "cohold-mpc-ecdsa", false, Some("from floor 2 to floor 2"));
        check("cohold-chain-evm", "cohold-chain-bitcoin", false, Some("from floor 3 to floor 3"));
        check("cohold-server", "cohold-node", true, Some("from floor 7 to floor 7"));
    }

    #[test]
    fn a_party_stands_on_pure_floors() {
        check("cohold-party", "cohold-chain-evm", false, None);
        check("cohold-party", "cohold-store", false, Some("floors 0 to 3 only"));
        check("cohold-app", "cohold-store", false, None);
        check("cohold-app", "cohold-party", false, None);
        check("cohold-party", "cohold-app", false, Some("floors 0 to 3 only"));
    }

    #[test]
    fn pure_crates_do_no_io() {
        check("cohold-mpc", "tokio", false, Some("do no IO"));
        check("cohold-party", "getrandom", false, Some("do no IO"));
        check("cohold-party", "getrandom", true, None);
        check("cohold-relay", "tokio", false, None);
    }

    #[test]
    fn tools_stand_beside_the_house() {
        check("cohold-server", "cohold-testkit", true, None);
        check("cohold-server", "cohold-testkit", false, Some("of tests only"));
        check("cohold-testkit", "cohold-server", false, None);
        check("xtask", "cohold-model", false, Some("outside"));
        check("cohold-nowhere", "cohold-model", false, Some("give both a floor"));
        check("cohold-server", "anyhow", false, Some("one error enum"));
        check("cohold", "anyhow", false, None);
    }
}
