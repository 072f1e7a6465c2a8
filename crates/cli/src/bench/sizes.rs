//! Keys of other thresholds and numbers of parties: ours, with sessions, sealed envelopes, echoes and own
//! checks, beside the raw engine. Processor time of all who take part, together; no processes, no disk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use anyhow::Context as _;
use cohold_model::account::{Card, PartyKind};
use cohold_model::canonical::{Digest, digest_parts};
use cohold_model::ids::{Epoch, PartyIndex, SessionId};
use cohold_model::reshare::Seat;
use cohold_mpc::{PartyKeys, Protocol, Session, SessionContext};
use cohold_mpc_ecdsa::{
    AuxiliarySetup, DealtFrom, GeneratedKey, KeyGeneration, KeyResharing, Share, Signing, SigningDigest,
};

use super::machine::timed;
use super::table::{Figure, Target};
use super::{milliseconds, raw};

/// Threshold and parties.
const SIZES: [(u8, u8); 6] = [(2, 2), (2, 3), (3, 4), (3, 5), (4, 7), (5, 9)];
/// Signatures of which a mean is taken.
const SIGNATURES: u32 = 5;

/// Three rows for each size. The seed draws who signs and who deals.
pub(super) fn rows(seed: u64) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (threshold, parties) in SIZES {
        let (size, few) = (format!("{threshold}-of-{parties}"), drawn(seed, threshold, parties));
        let mut add = |name: String, ours: Duration, peer: &str, raw: Duration| {
            let peer = Some((peer.to_owned(), milliseconds(raw)));
            figures.push(Figure { name, unit: "ms", ours: milliseconds(ours), peer, target: Target::None });
        };
        let all: Vec<u8> = (1..=parties).collect();
        let seats = Seats::new(parties)?;
        let peer = raw::keygen(threshold, parties)?;
        let (keys, took) = seats.keygen(&all, threshold)?;
        add(format!("key generation {size}, CPU of all parties"), took, "raw engine", peer.cpu);
        let signers: Vec<usize> = few.iter().map(|index| usize::from(*index) - 1).collect();
        let signed = raw::sign_cpu(&peer, &signers, SIGNATURES)?;
        add(format!("signature {size}, CPU of all signers"), seats.sign(&keys, &few)?, "raw engine", signed);
        let took = seats.reshare(&keys, &all, &few, threshold)?;
        add(
            format!("resharing {size}, engine data included, CPU of all parties"),
            took,
            "key generation of the raw engine, which has no resharing",
            peer.cpu,
        );
    }
    Ok(figures)
}

/// So many of the parties.
fn drawn(seed: u64, count: u8, parties: u8) -> Vec<u8> {
    let lot = |index: &u8| {
        digest_parts("cohold/bench-draw/v1", &[&seed.to_be_bytes(), &[count], &[parties], &[*index]]).0
    };
    let mut all: Vec<u8> = (1..=parties).collect();
    all.sort_by_key(lot);
    all.truncate(count.into());
    all.sort_unstable();
    all
}

struct Seats(BTreeMap<u8, (PartyIndex, PartyKeys)>);

type Keys = BTreeMap<PartyIndex, GeneratedKey>;

impl Seats {
    fn new(parties: u8) -> anyhow::Result<Self> {
        let seat =
            |number| Ok((number, (PartyIndex::try_from(number)?, PartyKeys::from_seed(&[number; 32]))));
        (1..=parties).map(seat).collect::<anyhow::Result<_>>().map(Self)
    }

    fn keygen(&self, all: &[u8], threshold: u8) -> anyhow::Result<(Keys, Duration)> {
        self.run(all, 1, |context| Ok(KeyGeneration::new(context, threshold)?))
    }

    /// The mean of some signatures.
    fn sign(&self, keys: &Keys, signers: &[u8]) -> anyhow::Result<Duration> {
        let mut total = Duration::ZERO;
        for round in 0..SIGNATURES {
            let digest = SigningDigest(digest_parts("cohold/bench-message/v1", &[&round.to_be_bytes()]).0);
            let (_, took) = self.run(signers, 2, |context| {
                let key = keys.get(&context.me).context("there is such a key")?;
                Ok(Signing::new(context, &key.share, &key.auxiliary, &BTreeSet::new(), digest)?)
            })?;
            total += took;
        }
        Ok(total / SIGNATURES)
    }

    /// New shares for the same parties, dealt by a quorum, and then the engine's data.
    fn reshare(&self, keys: &Keys, all: &[u8], dealers: &[u8], threshold: u8) -> anyhow::Result<Duration> {
        let old = keys.values().next().context("there is a key")?.share.key();
        let seat = |(number, (index, keys)): (&u8, &(PartyIndex, PartyKeys))| {
            let card = Card {
                party: format!("party-{number}").parse()?,
                entity: "bench".parse()?,
                kind: PartyKind::Cosigner,
                identity: keys.identity(),
                seal: keys.seal_key(),
            };
            Ok((
                *index,
                Seat { card, deals: dealers.contains(number).then_some(*index), holds: Some(*index) },
            ))
        };
        let seats: BTreeMap<PartyIndex, Seat> = self.0.iter().map(seat).collect::<anyhow::Result<_>>()?;
        let (outcomes, dealt) = self.run(all, 3, |context| {
            let me = context.me;
            let own = match seats.get(&me).and_then(|seat| seat.deals) {
                Some(_) => {
                    let share = &keys.get(&me).context("there is such a key")?.share;
                    let (_, keys) = self.0.get(&me.get()).context("there is such a seat")?;
                    Some(DealtFrom { share, identity: &keys.identity })
                }
                None => None,
            };
            Ok(KeyResharing::new(context, old, &seats, threshold, own, &mut cohold_node::rng())?)
        })?;
        let shares: BTreeMap<PartyIndex, Share> =
            outcomes.into_iter().filter_map(|(index, outcome)| Some((index, outcome.share?))).collect();
        let (_, set_up) = self.run(all, 4, |context| {
            Ok(AuxiliarySetup::new(context, shares.get(&context.me).context("all hold a share")?)?)
        })?;
        Ok(dealt + set_up)
    }

    /// Runs a session of these parties to its end, on this thread.
    fn run<P: Protocol>(
        &self,
        parties: &[u8],
        session: u8,
        make: impl Fn(&SessionContext) -> anyhow::Result<P>,
    ) -> anyhow::Result<(BTreeMap<PartyIndex, P::Output>, Duration)> {
        let (outputs, took) = timed(|| {
            let (mut sessions, mut queue) = (BTreeMap::new(), VecDeque::new());
            for number in parties {
                let (me, keys) = self.0.get(number).context("there is such a seat")?;
                let peers = parties.iter().filter(|other| *other != number);
                let context = SessionContext {
                    account: "acc_00000000000000000000000000000001".parse()?,
                    epoch: Epoch::FIRST,
                    session: SessionId(Digest([session; 32])),
                    me: *me,
                    peers: peers
                        .filter_map(|other| self.0.get(other))
                        .map(|(index, keys)| (*index, keys.seal_key()))
                        .collect(),
                };
                let protocol = make(&context)?;
                let mut run = Session::new(context, &keys.seal, protocol, &mut cohold_node::rng())?;
                queue.extend(run.start(&mut cohold_node::rng())?);
                sessions.insert(*me, run);
            }
            while let Some(envelope) = queue.pop_front() {
                if let Some(run) = sessions.get_mut(&envelope.to) {
                    queue.extend(run.receive(&envelope, &mut cohold_node::rng())?);
                }
            }
            let ends = sessions
                .into_iter()
                .map(|(index, mut run)| Ok((index, run.outcome().context("a session did not end")?.output)));
            ends.collect::<anyhow::Result<_>>()
        })?;
        Ok((outputs?, took))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_quorum_again_and_another_seed_another() {
        assert_eq!(drawn(1, 5, 9), drawn(1, 5, 9));
        assert!((0..100).any(|seed| drawn(seed, 5, 9) != drawn(1, 5, 9)));
        assert_eq!(drawn(7, 2, 2), [1, 2]);
    }
}
