//! What a resharing costs, all seats on one core, with sessions and sealed envelopes. Divide by the seats
//! for the cost per party.

use std::collections::{BTreeMap, VecDeque};

use cohold_model::canonical::Digest;
use cohold_model::ids::{Epoch, PartyIndex, SessionId};
use cohold_mpc::{PartyKeys, Session, SessionContext};
use cohold_mpc_share::{Ceremony, Curve, Dealer, Dealing, Ed25519, Reshared, Resharing, Secp256k1, Secret};
use criterion::{Criterion, criterion_group, criterion_main};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use k256::elliptic_curve::Field as _;

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

fn index(i: u8) -> PartyIndex {
    PartyIndex::try_from(i).unwrap()
}

struct World<G: Curve> {
    keys: BTreeMap<u8, PartyKeys>,
    shares: BTreeMap<u8, Secret<G>>,
    ceremony: Ceremony<G>,
}

impl<G: Curve> World<G> {
    /// `dealers` parties that leave give to `holders` new ones.
    fn new(dealers: u8, holders: u8, threshold: u8) -> Self {
        let coefficients: Vec<G::Scalar> = (0..dealers).map(|_| G::Scalar::random(&mut rng())).collect();
        let at = |x: G::Scalar| coefficients.iter().rev().fold(G::Scalar::ZERO, |sum, next| sum * x + next);
        let keys: BTreeMap<u8, PartyKeys> =
            (1..=holders + dealers).map(|i| (i, PartyKeys::from_seed(&[i; 32]))).collect();
        let (mut table, mut shares) = (BTreeMap::new(), BTreeMap::new());
        for i in 1..=dealers {
            let (seat, point) = (holders + i, G::Scalar::from(u64::from(i)));
            let share = Secret::<G>::take(&mut at(point));
            let identity = keys[&seat].identity();
            table.insert(index(seat), Dealer { point, public_share: share.public(), identity });
            shares.insert(seat, share);
        }
        let public = G::mul_by_generator(&coefficients[0]);
        let points = (1..=holders).map(|i| (index(i), index(i))).collect();
        let ceremony = Ceremony::new(public, &table, points, threshold).unwrap();
        Self { keys, shares, ceremony }
    }

    fn run(&self) -> Vec<Reshared<G>> {
        let session = |(me, keys): (&u8, &PartyKeys)| {
            let context = SessionContext {
                account: "acc_000102030405060708090a0b0c0d0e0f".parse().unwrap(),
                epoch: Epoch::FIRST,
                session: SessionId(Digest([7; 32])),
                me: index(*me),
                peers: self
                    .keys
                    .iter()
                    .filter(|(seat, _)| *seat != me)
                    .map(|(seat, keys)| (index(*seat), keys.seal_key()))
                    .collect(),
            };
            let share = self.shares.get(me);
            let dealing = share.map(|share| Dealing { share, identity: &keys.identity });
            let run = Resharing::new(&context, self.ceremony.clone(), dealing, &mut rng()).unwrap();
            (index(*me), Session::new(context, &keys.seal, run, &mut rng()).unwrap())
        };
        let mut sessions: BTreeMap<_, _> = self.keys.iter().map(session).collect();
        let mut queue = VecDeque::new();
        for session in sessions.values_mut() {
            queue.extend(session.start(&mut rng()).unwrap());
        }
        while let Some(envelope) = queue.pop_front() {
            let session = sessions.get_mut(&envelope.to).unwrap();
            queue.extend(session.receive(&envelope, &mut rng()).unwrap());
        }
        sessions.into_values().map(|mut session| session.outcome().unwrap().output).collect()
    }
}

fn bench<G: Curve>(c: &mut Criterion, from: &str, to: &str, shape: (u8, u8, u8)) {
    let (dealers, holders, threshold) = shape;
    let world = World::<G>::new(dealers, holders, threshold);
    let seats = dealers + holders;
    let name = format!("{}: {from} to {to}, other parties, all {seats} seats", G::NAME);
    c.bench_function(&name, |b| b.iter(|| world.run()));
}

fn benches(c: &mut Criterion) {
    bench::<Secp256k1>(c, "2-of-3", "2-of-3", (2, 3, 2));
    bench::<Secp256k1>(c, "2-of-3", "3-of-5", (2, 5, 3));
    bench::<Secp256k1>(c, "5-of-9", "5-of-9", (5, 9, 5));
    bench::<Ed25519>(c, "2-of-3", "3-of-5", (2, 5, 3));
    bench::<Ed25519>(c, "5-of-9", "5-of-9", (5, 9, 5));
}

criterion_group!(reshare, benches);
criterion_main!(reshare);
