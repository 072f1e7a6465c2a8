//! The peers: the raw engine without sessions, sealing, policy or ledger, and plain signatures by one
//! holder of a whole key.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hint::black_box;
use std::time::{Duration, Instant};

use dkls23_secp256k1::protocols::signing::SignData;
use dkls23_secp256k1::protocols::{Parameters, PartyIndex};
use dkls23_secp256k1::{DkgSession, Party, SignSession};
use k256::Secp256k1;
use k256::ecdsa::signature::hazmat::PrehashSigner as _;

use super::machine::timed;

/// Signatures of which a mean is taken.
const PLAIN_ROUNDS: u32 = 2_000;

/// A key of the raw engine, and the processor time of the party that took longest to make it.
pub(super) struct RawKey {
    pub(super) parties: Vec<Party>,
    pub(super) slowest: Duration,
}

/// Makes a key, 2-of-3, one party after the other on this thread.
pub(super) fn keygen() -> anyhow::Result<RawKey> {
    let parameters = Parameters::new(2, 3).map_err(engine)?;
    let indices = (1..=3).map(PartyIndex::new).collect::<Result<Vec<_>, _>>().map_err(engine)?;
    let mut sessions: Vec<DkgSession<Secp256k1>> =
        indices.iter().map(|index| DkgSession::new(parameters.clone(), *index, vec![7; 32])).collect();
    let mut spent = vec![Duration::ZERO; sessions.len()];
    let mut rows = Vec::new();
    for (session, spent) in sessions.iter().zip(&mut spent) {
        rows.push(clocked(spent, || session.phase1())?);
    }
    let (mut proofs, mut seeds2, mut codes2) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (position, ((index, session), spent)) in indices.iter().zip(&mut sessions).zip(&mut spent).enumerate()
    {
        let column: Vec<_> = rows.iter().filter_map(|row| row.get(position).copied()).collect();
        let (proof, seeds, code) = clocked(spent, || session.phase2(&column))?.map_err(engine)?;
        proofs.push(proof);
        seeds2.extend(seeds);
        codes2.insert(*index, code);
    }
    let (mut seeds3, mut transfers, mut codes3) = (Vec::new(), Vec::new(), BTreeMap::new());
    for ((index, session), spent) in indices.iter().zip(&mut sessions).zip(&mut spent) {
        let (seeds, transfer, code) = clocked(spent, || session.phase3())?.map_err(engine)?;
        seeds3.extend(seeds);
        transfers.extend(transfer);
        codes3.insert(*index, code);
    }
    let mut parties = Vec::new();
    for ((index, session), spent) in indices.iter().zip(sessions).zip(&mut spent) {
        let seeds2: Vec<_> = seeds2.iter().filter(|m| m.parties.receiver == *index).cloned().collect();
        let seeds3: Vec<_> = seeds3.iter().filter(|m| m.parties.receiver == *index).cloned().collect();
        let transfers: Vec<_> = transfers.iter().filter(|m| m.parties.receiver == *index).cloned().collect();
        let finish =
            || session.phase4(&proofs, &seeds2, &seeds3, &transfers, &codes2, &codes3, |_| String::new());
        parties.push(clocked(spent, finish)?.map_err(engine)?.0);
    }
    Ok(RawKey { parties, slowest: spent.into_iter().max().unwrap_or_default() })
}

fn clocked<T>(spent: &mut Duration, work: impl FnOnce() -> T) -> anyhow::Result<T> {
    let (value, took) = timed(work)?;
    *spent = spent.saturating_add(took);
    Ok(value)
}

/// Processor time of one signature, both signers together, on this thread: the mean of `rounds`.
pub(super) fn sign_cpu(key: &RawKey, rounds: u32) -> anyhow::Result<Duration> {
    let (signed, took) = timed(|| (0..rounds).try_for_each(|_| sign(key)))?;
    signed?;
    Ok(took / rounds.max(1))
}

/// Signatures per second with a thread on every processor, each playing both signers.
pub(super) fn sign_throughput(key: &RawKey, threads: usize, time: Duration) -> anyhow::Result<f64> {
    let end = Instant::now() + time;
    let began = Instant::now();
    let counts = std::thread::scope(|scope| {
        let worker = || {
            let mut count = 0_u32;
            while Instant::now() < end {
                sign(key)?;
                count += 1;
            }
            anyhow::Ok(count)
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join()).collect::<Vec<_>>()
    });
    let mut total = 0.0;
    for count in counts {
        total += f64::from(count.map_err(|_| anyhow::anyhow!("the raw engine panicked"))??);
    }
    Ok(total / began.elapsed().as_secs_f64())
}

/// One signature by the first two parties.
fn sign(key: &RawKey) -> anyhow::Result<()> {
    let signers: Vec<&Party> = key.parties.iter().take(2).collect();
    let data = |me: &Party| SignData {
        sign_id: vec![8; 32],
        counterparties: signers.iter().map(|p| p.party_index).filter(|i| *i != me.party_index).collect(),
        message_hash: [9; 32],
    };
    let (mut sessions, mut first) = (Vec::new(), Vec::new());
    for party in &signers {
        let (session, sent) = SignSession::new(party, data(party)).map_err(engine)?;
        sessions.push((party.party_index, session));
        first.extend(sent);
    }
    let mut second = Vec::new();
    for (me, session) in &mut sessions {
        let received: Vec<_> = first.iter().filter(|m| m.parties.receiver == *me).cloned().collect();
        second.extend(session.phase2(&received).map_err(engine)?);
    }
    let mut third = Vec::new();
    for (me, session) in &mut sessions {
        let received: Vec<_> = second.iter().filter(|m| m.parties.receiver == *me).cloned().collect();
        third.push(session.phase3(&received).map_err(engine)?);
    }
    for (_, session) in sessions {
        black_box(session.phase4(&third, true).map_err(engine)?);
    }
    Ok(())
}

fn engine(error: impl Debug) -> anyhow::Error {
    anyhow::anyhow!("the raw engine failed: {error:?}")
}

/// Processor time of one plain signature with libsecp256k1, which is C.
pub(super) fn libsecp256k1() -> anyhow::Result<Duration> {
    let key = secp256k1::SecretKey::from_secret_bytes([7; 32])?;
    mean(|digest| {
        black_box(key.sign_ecdsa(secp256k1::Message::from_digest(digest)));
    })
}

/// Processor time of one plain signature with k256, on which the engine stands.
pub(super) fn k256() -> anyhow::Result<Duration> {
    let key = k256::ecdsa::SigningKey::from_slice(&[7; 32])?;
    let mut signed = Ok(());
    let took = mean(|digest| {
        let signature: Result<k256::ecdsa::Signature, _> = key.sign_prehash(&digest);
        if let Err(error) = black_box(signature) {
            signed = Err(error);
        }
    })?;
    signed?;
    Ok(took)
}

fn mean(mut sign: impl FnMut([u8; 32])) -> anyhow::Result<Duration> {
    let digests = (0..PLAIN_ROUNDS).map(|round| {
        let mut digest = [1; 32];
        digest.first_chunk_mut::<4>().into_iter().for_each(|start| *start = round.to_be_bytes());
        digest
    });
    let ((), took) = timed(|| digests.for_each(&mut sign))?;
    Ok(took / PLAIN_ROUNDS)
}
