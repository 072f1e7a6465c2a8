//! Sessions of both engines on the network of all protocols. The safe primes are a fixed set, as making
//! them takes minutes; only this test program knows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use cohold_model::account::{Card, PartyKind};
use cohold_model::ids::PartyIndex;
use cohold_model::reshare::Seat;
use cohold_mpc::Session;
use cohold_mpc_cggmp::{Auxiliary, AuxiliarySetup, SafePrimes, Signing};
use cohold_mpc_ecdsa::{
    AuxiliarySetup as PairSetup, DealtFrom, KeyGeneration, KeyResharing, RecoverableSignature, Share,
    Signing as PairSigning, SigningDigest,
};
use k256::ecdsa::signature::hazmat::PrehashVerifier as _;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};

pub(crate) use crate::corrupt::{Corrupt, Inside};
pub(crate) use crate::support::{End, Ends, context, honest, index, keys, rng, run, session, session_id};

pub(crate) const DIGEST: SigningDigest = SigningDigest([0x5a; 32]);

pub(crate) type Shares = BTreeMap<u8, Share>;
pub(crate) type Data = BTreeMap<u8, Auxiliary>;

/// Primes of the fixed set, from 0 to 19.
pub(crate) fn prime(number: usize) -> Vec<u8> {
    let digits = include_str!("../primes.hex").lines().nth(number).unwrap();
    let byte = |pair: usize| u8::from_str_radix(&digits[2 * pair..2 * pair + 2], 16).unwrap();
    (0..digits.len() / 2).map(byte).collect()
}

/// Four of them for each party.
pub(crate) fn primes(party: u8) -> SafePrimes {
    let first = (usize::from(party) - 1) % 5 * 4;
    let four: Vec<Vec<u8>> = (first..first + 4).map(prime).collect();
    SafePrimes::from_secret_bytes([&four[0], &four[1], &four[2], &four[3]], &mut rng()).unwrap()
}

pub(crate) fn generate(t: u8, n: u8) -> Shares {
    let parties: Vec<u8> = (1..=n).collect();
    let make = |&me: &u8| {
        let context = context(me, &parties, 1);
        let protocol = KeyGeneration::new(&context, t).unwrap();
        session(context, protocol)
    };
    let ends = run(parties.iter().map(make).collect(), honest);
    ends.into_iter().map(|(i, end)| (i, end.done().output.share)).collect()
}

pub(crate) fn setup_sessions(shares: &Shares, committee: &[u8], id: u8) -> Vec<Session<AuxiliarySetup>> {
    let make = |&me: &u8| {
        let context = context(me, committee, id);
        let protocol = AuxiliarySetup::new(&context, &shares[&me], primes(me)).unwrap();
        session(context, protocol)
    };
    committee.iter().map(make).collect()
}

/// A key 2-of-3 and the data of parties 1 and 2, set up once for all tests that only use them.
pub(crate) fn two_of_three() -> &'static (Shares, Data) {
    static MADE: OnceLock<(Shares, Data)> = OnceLock::new();
    MADE.get_or_init(|| {
        let shares = generate(2, 3);
        let data = set_up(&shares, &[1, 2], 2);
        (shares, data)
    })
}

pub(crate) fn set_up(shares: &Shares, committee: &[u8], id: u8) -> Data {
    let ends = run(setup_sessions(shares, committee, id), honest);
    ends.into_iter().map(|(i, end)| (i, end.done().output)).collect()
}

pub(crate) fn sign_sessions(shares: &Shares, data: &Data, signers: &[u8], id: u8) -> Vec<Session<Signing>> {
    let make = |me: &u8| {
        let context = context(*me, signers, id);
        let protocol = Signing::new(&context, &shares[me], &data[me], &BTreeSet::new(), DIGEST).unwrap();
        session(context, protocol)
    };
    signers.iter().map(make).collect()
}

/// Signs honestly and checks the result.
pub(crate) fn check_signing(shares: &Shares, data: &Data, signers: &[u8], id: u8) {
    for (i, end) in run(sign_sessions(shares, data, signers, id), honest) {
        check_signature(&shares[&i], &end.done().output);
    }
}

/// The same by the other engine, which sets its pairs up first.
pub(crate) fn check_pair_signing(shares: &Shares, signers: &[u8], id: u8) {
    let set_up = |me: &u8| {
        let context = context(*me, signers, id);
        let protocol = PairSetup::new(&context, &shares[me]).unwrap();
        session(context, protocol)
    };
    let ends = run(signers.iter().map(set_up).collect(), honest);
    let data: BTreeMap<u8, _> = ends.into_iter().map(|(i, end)| (i, end.done().output)).collect();
    let sign = |me: &u8| {
        let context = context(*me, signers, id + 1);
        let protocol = PairSigning::new(&context, &shares[me], &data[me], &BTreeSet::new(), DIGEST).unwrap();
        session(context, protocol)
    };
    for (i, end) in run(signers.iter().map(sign).collect(), honest) {
        check_signature(&shares[&i], &end.done().output);
    }
}

/// New shares of the same key for the parties from 1 to `n` at threshold `t`, dealt by `dealers`.
pub(crate) fn reshare(shares: &Shares, dealers: &[u8], t: u8, n: u8, id: u8) -> Shares {
    let old = shares[&dealers[0]].key();
    let all: Vec<u8> = (1..=n.max(*dealers.iter().max().unwrap())).collect();
    let seat = |number: &u8| {
        let party = keys(index(*number));
        let card = Card {
            party: format!("party-{number}").parse().unwrap(),
            entity: "acme".parse().unwrap(),
            kind: PartyKind::Cosigner,
            identity: party.identity(),
            seal: party.seal_key(),
        };
        let deals = dealers.contains(number).then(|| index(*number));
        (index(*number), Seat { card, deals, holds: (*number <= n).then(|| index(*number)) })
    };
    let seats: BTreeMap<PartyIndex, Seat> = all.iter().map(seat).collect();
    let make = |me: &u8| {
        let context = context(*me, &all, id);
        let identity = keys(index(*me)).identity;
        let own = dealers.contains(me).then(|| DealtFrom { share: &shares[me], identity: &identity });
        let protocol = KeyResharing::new(&context, old, &seats, t, own, &mut rng()).unwrap();
        session(context, protocol)
    };
    let ends = run(all.iter().map(make).collect(), honest);
    ends.into_iter().filter_map(|(i, end)| Some((i, end.done().output.share?))).collect()
}

pub(crate) fn check_signature(share: &Share, signature: &RecoverableSignature) {
    let key = VerifyingKey::from_sec1_bytes(&share.key().public_key()).unwrap();
    let parsed = Signature::from_scalars(signature.r, signature.s).unwrap();
    key.verify_prehash(&DIGEST.0, &parsed).unwrap();
    assert_eq!(parsed.normalize_s(), parsed, "low s");
    let recovery_id = RecoveryId::from_byte(signature.recovery_id).unwrap();
    assert_eq!(VerifyingKey::recover_from_prehash(&DIGEST.0, &parsed, recovery_id).unwrap(), key);
}
