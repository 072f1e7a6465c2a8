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

/// A key of the raw engine, and how long it took to make.
pub(super) struct RawKey {
    pub(super) parties: Vec<Party>,
    /// Processor time of the party that took longest.
    pub(super) slowest: Duration,
    /// That of all parties.
    pub(super) cpu: Duration,
    /// From the start until the last party was done.
    pub(super) together: Duration,
}

/// Makes a key. Each party has a thread, as it has a process with Cohold, and goes on when all
/// messages of a phase are there.
pub(super) fn keygen(threshold: u8, parties: u8) -> anyhow::Result<RawKey> {
    let began = Instant::now();
    let parameters = Parameters::new(threshold, parties).map_err(engine)?;
    let indices = (1..=parties).map(PartyIndex::new).collect::<Result<Vec<_>, _>>().map_err(engine)?;
    let begin = |index| DkgSession::<Secp256k1>::new(parameters.clone(), index, vec![7; 32]);
    let mut spent = vec![Duration::ZERO; indices.len()];
    let starts = indices.iter().map(|index| begin(*index)).collect();
    let (mut sessions, mut rows) = (Vec::new(), Vec::new());
    for (session, row) in side_by_side(starts, &mut spent, |session| {
        let row = session.phase1();
        Ok((session, row))
    })? {
        sessions.push(session);
        rows.push(row);
    }
    let column = |i: usize| rows.iter().filter_map(|row| row.get(i).copied()).collect::<Vec<_>>();
    let seconds = sessions.into_iter().enumerate().map(|(i, session)| (session, column(i))).collect();
    let (mut sessions, mut proofs, mut seeds2, mut codes2) =
        (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
    let second = side_by_side(seconds, &mut spent, |(mut session, column)| {
        let (proof, seeds, code) = session.phase2(&column).map_err(engine)?;
        Ok((session, proof, seeds, code))
    })?;
    for (index, (session, proof, seeds, code)) in indices.iter().zip(second) {
        sessions.push(session);
        proofs.push(proof);
        seeds2.extend(seeds);
        codes2.insert(*index, code);
    }
    let (mut lasts, mut seeds3, mut transfers, mut codes3) =
        (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
    let third = side_by_side(sessions, &mut spent, |mut session| {
        let (seeds, transfer, code) = session.phase3().map_err(engine)?;
        Ok((session, seeds, transfer, code))
    })?;
    for (index, (session, seeds, transfer, code)) in indices.iter().zip(third) {
        lasts.push((*index, session));
        seeds3.extend(seeds);
        transfers.extend(transfer);
        codes3.insert(*index, code);
    }
    let parties = side_by_side(lasts, &mut spent, |(me, session)| {
        let seeds2: Vec<_> = seeds2.iter().filter(|m| m.parties.receiver == me).cloned().collect();
        let seeds3: Vec<_> = seeds3.iter().filter(|m| m.parties.receiver == me).cloned().collect();
        let transfers: Vec<_> = transfers.iter().filter(|m| m.parties.receiver == me).cloned().collect();
        let last = session.phase4(&proofs, &seeds2, &seeds3, &transfers, &codes2, &codes3, |_| String::new());
        Ok(last.map_err(engine)?.0)
    })?;
    let (slowest, cpu) = (spent.iter().max().copied().unwrap_or_default(), spent.iter().sum());
    Ok(RawKey { parties, slowest, cpu, together: began.elapsed() })
}

/// One phase of all parties, a thread each; adds to each one's processor time.
fn side_by_side<I: Send, T: Send>(
    inputs: Vec<I>,
    spent: &mut [Duration],
    work: impl Fn(I) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    let work = &work;
    std::thread::scope(|scope| {
        let start = |input| scope.spawn(move || timed(|| work(input)));
        let threads: Vec<_> = inputs.into_iter().map(start).collect();
        let mut outputs = Vec::new();
        for (thread, spent) in threads.into_iter().zip(spent) {
            let (output, took) = thread.join().map_err(|_| anyhow::anyhow!("the raw engine panicked"))??;
            *spent = spent.saturating_add(took);
            outputs.push(output?);
        }
        Ok(outputs)
    })
}

/// Processor time of one signature, all signers together, on this thread: the mean of `rounds`. The signers
/// are places in the list of parties.
pub(super) fn sign_cpu(key: &RawKey, signers: &[usize], rounds: u32) -> anyhow::Result<Duration> {
    let (signed, took) = timed(|| (0..rounds).try_for_each(|_| sign(key, signers)))?;
    signed?;
    Ok(took / rounds.max(1))
}

/// Signatures per second with a thread on every processor, each playing all signers.
pub(super) fn sign_throughput(
    key: &RawKey,
    signers: &[usize],
    threads: usize,
    time: Duration,
) -> anyhow::Result<f64> {
    let end = Instant::now() + time;
    let began = Instant::now();
    let counts = std::thread::scope(|scope| {
        let worker = || {
            let mut count = 0_u32;
            while Instant::now() < end {
                sign(key, signers)?;
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

fn sign(key: &RawKey, signers: &[usize]) -> anyhow::Result<()> {
    let signers: Vec<&Party> = signers.iter().filter_map(|place| key.parties.get(*place)).collect();
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
