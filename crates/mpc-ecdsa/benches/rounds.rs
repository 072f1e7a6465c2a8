//! Key generation and signing, 2-of-3: the raw engine beside ours (sessions, sealed envelopes, checks),
//! all parties on one core, in one run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hint::black_box;

use cohold_model::canonical::Digest;
use cohold_model::ids::{Epoch, PartyIndex, SessionId};
use cohold_mpc::channel::{Direction, Opener, Payload, Sealer};
use cohold_mpc::{Envelope, PartyKeys, Protocol, Session, SessionContext};
use cohold_mpc_ecdsa::{AuxiliarySetup, GeneratedKey, KeyGeneration, Share, Signing, SigningDigest};
use criterion::{Criterion, criterion_group, criterion_main};
use dkls23_secp256k1::protocols::signing::SignData;
use dkls23_secp256k1::protocols::{Parameters, PartyIndex as EngineIndex};
use dkls23_secp256k1::{DkgSession, Party, SignSession};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use k256::Secp256k1;

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

fn index(i: u8) -> PartyIndex {
    PartyIndex::try_from(i).unwrap()
}

fn keys(i: u8) -> PartyKeys {
    PartyKeys::from_seed(&[i; 32])
}

fn context(me: u8, parties: &[u8]) -> SessionContext {
    let others = parties.iter().filter(|i| **i != me);
    SessionContext {
        account: "acc_000102030405060708090a0b0c0d0e0f".parse().unwrap(),
        epoch: Epoch::FIRST,
        session: SessionId(Digest([7; 32])),
        me: index(me),
        peers: others.map(|&i| (index(i), keys(i).seal_key())).collect(),
    }
}

/// Runs to the end; returns outputs and the bytes of each envelope by round.
fn run<P: Protocol>(mut sessions: BTreeMap<PartyIndex, Session<P>>) -> (Vec<P::Output>, Vec<(u16, usize)>) {
    let mut queue = VecDeque::new();
    let mut sizes = Vec::new();
    for session in sessions.values_mut() {
        queue.extend(session.start(&mut rng()).unwrap());
    }
    while let Some(envelope) = queue.pop_front() {
        let bytes = envelope.encode().unwrap();
        sizes.push((envelope.round, bytes.len()));
        let envelope = Envelope::decode(&bytes).unwrap();
        if let Some(session) = sessions.get_mut(&envelope.to) {
            queue.extend(session.receive(&envelope, &mut rng()).unwrap());
        }
    }
    (sessions.into_values().map(|mut session| session.outcome().unwrap().output).collect(), sizes)
}

fn sessions<P: Protocol>(
    parties: &[u8],
    make: impl Fn(&SessionContext) -> P,
) -> BTreeMap<PartyIndex, Session<P>> {
    let session = |&me: &u8| {
        let context = context(me, parties);
        let protocol = make(&context);
        (index(me), Session::new(context, &keys(me).seal, protocol, &mut rng()).unwrap())
    };
    parties.iter().map(session).collect()
}

fn ours_keygen(t: u8, n: u8) -> (Vec<GeneratedKey>, Vec<(u16, usize)>) {
    let parties: Vec<u8> = (1..=n).collect();
    run(sessions(&parties, |context| KeyGeneration::new(context, t).unwrap()))
}

fn ours_sign(keys: &[GeneratedKey]) -> Vec<(u16, usize)> {
    let key = |context: &SessionContext| &keys[usize::from(context.me.get()) - 1];
    let make = |context: &SessionContext| {
        let (share, auxiliary) = (&key(context).share, &key(context).auxiliary);
        Signing::new(context, share, auxiliary, &BTreeSet::new(), SigningDigest([9; 32])).unwrap()
    };
    run(sessions(&[1, 2], make)).1
}

fn raw_keygen(t: u8, n: u8) -> Vec<Party> {
    let parameters = Parameters::new(t, n).unwrap();
    let at = |i: u8| EngineIndex::new(i).unwrap();
    let new = |i| DkgSession::<Secp256k1>::new(parameters.clone(), at(i), vec![7; 32]);
    let mut sessions: Vec<_> = (1..=n).map(new).collect();
    let rows: Vec<_> = sessions.iter().map(DkgSession::phase1).collect();
    let (mut proofs, mut zero2, mut bip2) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (i, session) in (1..).zip(&mut sessions) {
        let column: Vec<_> = rows.iter().map(|row| row[usize::from(i) - 1]).collect();
        let (proof, zero, bip) = session.phase2(&column).unwrap();
        proofs.push(proof);
        zero2.extend(zero);
        bip2.insert(at(i), bip);
    }
    let (mut zero3, mut mul3, mut bip3) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (i, session) in (1..).zip(&mut sessions) {
        let (zero, mul, bip) = session.phase3().unwrap();
        zero3.extend(zero);
        mul3.extend(mul);
        bip3.insert(at(i), bip);
    }
    let finish = |(i, session): (u8, DkgSession<Secp256k1>)| {
        let zero2: Vec<_> = zero2.iter().filter(|m| m.parties.receiver == at(i)).cloned().collect();
        let zero3: Vec<_> = zero3.iter().filter(|m| m.parties.receiver == at(i)).cloned().collect();
        let mul3: Vec<_> = mul3.iter().filter(|m| m.parties.receiver == at(i)).cloned().collect();
        session.phase4(&proofs, &zero2, &zero3, &mul3, &bip2, &bip3, |_| String::new()).unwrap().0
    };
    (1..).zip(sessions).map(finish).collect()
}

fn raw_sign(parties: &[Party]) {
    let data = |me: &Party| SignData {
        sign_id: vec![8; 32],
        counterparties: parties.iter().map(|p| p.party_index).filter(|i| *i != me.party_index).collect(),
        message_hash: [9; 32],
    };
    let (mut sessions, mut first): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
    for party in parties {
        let (session, sent) = SignSession::new(party, data(party)).unwrap();
        sessions.push((party.party_index, session));
        first.extend(sent);
    }
    let mut second = Vec::new();
    for (me, session) in &mut sessions {
        let received: Vec<_> = first.iter().filter(|m| m.parties.receiver == *me).cloned().collect();
        second.extend(session.phase2(&received).unwrap());
    }
    let mut third = Vec::new();
    for (me, session) in &mut sessions {
        let received: Vec<_> = second.iter().filter(|m| m.parties.receiver == *me).cloned().collect();
        third.push(session.phase3(&received).unwrap());
    }
    for (_, session) in sessions {
        black_box(session.phase4(&third, true).unwrap());
    }
}

/// Six messages as one signature sends them, both ends, nothing else.
fn seal_six() {
    let way = |from, to| {
        let base = context(1, &[1, 2]);
        let (account, epoch, session) = (base.account, base.epoch, base.session);
        Direction { account, epoch, session, from: index(from), to: index(to) }
    };
    let secrets = [keys(1), keys(2)];
    for (from, to) in [(1, 2), (2, 1)] {
        let (sender, receiver) = (&secrets[from - 1], &secrets[to - 1]);
        let direction = way(from as u8, to as u8);
        let mut sealer = Sealer::new(direction, &sender.seal, &receiver.seal_key(), &mut rng()).unwrap();
        let mut opener = Opener::new(direction, &receiver.seal, sender.seal_key());
        for (round, bytes) in [(1, 27_000), (2, 54_000), (3, 64)] {
            let body = vec![1; bytes];
            let echo = [0; 32];
            let payload =
                Payload { from: index(from as u8), echo: &echo, broadcast: None, direct: Some(&body) };
            let envelope = sealer.seal(round, &payload).unwrap().encode().unwrap();
            let plain = opener.open(&Envelope::decode(&envelope).unwrap()).unwrap();
            black_box(Payload::decode(&plain).unwrap().direct.map(<[u8]>::to_vec));
        }
    }
}

fn by_round(sizes: &[(u16, usize)]) -> BTreeMap<u16, usize> {
    sizes.iter().fold(BTreeMap::new(), |mut largest, &(round, bytes)| {
        let entry = largest.entry(round).or_default();
        *entry = bytes.max(*entry);
        largest
    })
}

fn benches(c: &mut Criterion) {
    let (keys, sizes) = ours_keygen(2, 3);
    let raw = raw_keygen(2, 3);
    println!("key generation 2-of-3: largest envelope by round {:?}", by_round(&sizes));
    println!("signing 2-of-3: largest envelope by round {:?}", by_round(&ours_sign(&keys)));
    let (share, auxiliary) = (keys[0].share.to_secret_bytes(), keys[0].auxiliary.to_secret_bytes());
    println!("stored 2-of-3: share {} bytes, auxiliary data {} bytes", share.len(), auxiliary.len());

    let mut group = c.benchmark_group("sign 2-of-3, both signers");
    group.bench_function("raw", |b| b.iter(|| raw_sign(&raw[..2])));
    group.bench_function("ours", |b| b.iter(|| ours_sign(&keys)));
    group.bench_function("six sealed messages alone", |b| b.iter(seal_six));
    group.bench_function("read a share", |b| b.iter(|| Share::from_secret_bytes(&share).unwrap()));
    group.finish();

    let mut group = c.benchmark_group("keygen 2-of-3, all parties");
    group.sample_size(10);
    group.bench_function("raw", |b| b.iter(|| raw_keygen(2, 3)));
    group.bench_function("ours", |b| b.iter(|| ours_keygen(2, 3)));
    let make = |context: &SessionContext| {
        AuxiliarySetup::new(context, &keys[usize::from(context.me.get()) - 1].share).unwrap()
    };
    group.bench_function("pair setup of two", |b| b.iter(|| run(sessions(&[1, 2], make))));
    group.finish();
}

criterion_group!(rounds, benches);
criterion_main!(rounds);
