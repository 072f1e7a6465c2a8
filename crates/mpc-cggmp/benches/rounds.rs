//! Setup and signing, 2-of-2: the raw engine beside ours (sessions, sealed envelopes, checks), all parties
//! one after the other, in one run. Setups are timed once each, as they take seconds; so are presignatures,
//! each of which signs once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hint::black_box;
use std::time::Instant;

use cggmp24::generic_ec::serde::CurveName;
use cggmp24::generic_ec::{NonZero, Point, Scalar, SecretScalar};
use cggmp24::key_refresh::msg::Msg as SetupMsg;
use cggmp24::key_share::{AuxInfo, DirtyIncompleteKeyShare, DirtyKeyInfo, Validate as _, VssSetup};
use cggmp24::round_based::state_machine::{ProceedResult, StateMachine};
use cggmp24::round_based::{Incoming, MessageDestination, MessageType};
use cggmp24::security_level::SecurityLevel128;
use cggmp24::signing::msg::Msg as SignMsg;
use cggmp24::supported_curves::Secp256k1;
use cggmp24::{
    ExecutionId, IncompleteKeyShare, KeyRefreshError, KeyShare, PregeneratedPrimes, PrehashedDataToSign,
    SigningError,
};
use cohold_model::canonical::Digest;
use cohold_model::ids::{Epoch, PartyIndex, PresignatureIndex, SessionId};
use cohold_mpc::{Envelope, PartyKeys, Protocol, Session, SessionContext};
use cohold_mpc_cggmp::{Auxiliary, AuxiliarySetup, OnlineSigning, Presigning, SafePrimes, Signing};
use cohold_mpc_ecdsa::{GeneratedKey, KeyGeneration, Share, SigningDigest};
use criterion::{Criterion, criterion_group, criterion_main};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use sha2_engine::Sha256;

type RawSetup<'a> = dyn StateMachine<Msg = SetupMsg<Sha256, SecurityLevel128>, Output = Result<AuxInfo, KeyRefreshError>>
    + 'a;
type RawSigning<'a> = dyn StateMachine<
        Msg = SignMsg<Secp256k1, Sha256>,
        Output = Result<cggmp24::Signature<Secp256k1>, SigningError>,
    > + 'a;

const PARTIES: [u8; 2] = [1, 2];
const PRESIGNATURES: usize = 10;

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

fn index(i: u8) -> PartyIndex {
    PartyIndex::try_from(i).unwrap()
}

fn context(me: u8) -> SessionContext {
    let keys = |i: u8| PartyKeys::from_seed(&[i; 32]);
    SessionContext {
        account: "acc_000102030405060708090a0b0c0d0e0f".parse().unwrap(),
        epoch: Epoch::FIRST,
        session: SessionId(Digest([7; 32])),
        me: index(me),
        peers: PARTIES.iter().filter(|i| **i != me).map(|&i| (index(i), keys(i).seal_key())).collect(),
    }
}

/// Ours: runs to the end; returns outputs by party and the bytes that were sent.
fn run<P: Protocol>(mut make: impl FnMut(u8, &SessionContext) -> P) -> (Vec<P::Output>, usize) {
    let session = |me| {
        let context = context(me);
        let protocol = make(me, &context);
        let keys = PartyKeys::from_seed(&[me; 32]);
        (index(me), Session::new(context, &keys.seal, protocol, &mut rng()).unwrap())
    };
    let mut sessions: BTreeMap<PartyIndex, Session<P>> = PARTIES.into_iter().map(session).collect();
    let (mut queue, mut bytes) = (VecDeque::new(), 0);
    for session in sessions.values_mut() {
        queue.extend(session.start(&mut rng()).unwrap());
    }
    while let Some(envelope) = queue.pop_front() {
        let encoded = envelope.encode().unwrap();
        bytes += encoded.len();
        let envelope = Envelope::decode(&encoded).unwrap();
        queue.extend(sessions.get_mut(&envelope.to).unwrap().receive(&envelope, &mut rng()).unwrap());
    }
    (sessions.into_values().map(|mut session| session.outcome().unwrap().output).collect(), bytes)
}

/// The raw engine's machines, message by message.
fn run_raw<M: Clone, O>(mut machines: Vec<Box<impl StateMachine<Msg = M, Output = O> + ?Sized>>) -> Vec<O> {
    let parties = machines.len();
    let mut inboxes: Vec<VecDeque<Incoming<M>>> = vec![VecDeque::new(); parties];
    let mut outputs: Vec<Option<O>> = (0..parties).map(|_| None).collect();
    let mut id = 0;
    while outputs.iter().any(Option::is_none) {
        for me in 0..parties {
            while outputs[me].is_none() {
                match machines[me].proceed() {
                    ProceedResult::SendMsg(message) => {
                        id += 1;
                        let (to, msg_type) = match message.recipient {
                            MessageDestination::AllParties => (None, MessageType::Broadcast),
                            MessageDestination::OneParty(to) => (Some(usize::from(to)), MessageType::P2P),
                        };
                        for (other, inbox) in inboxes.iter_mut().enumerate() {
                            if other != me && to.is_none_or(|to| to == other) {
                                let (sender, msg) = (u16::try_from(me).unwrap(), message.msg.clone());
                                inbox.push_back(Incoming { id, sender, msg_type, msg });
                            }
                        }
                    }
                    ProceedResult::NeedsOneMoreMessage => match inboxes[me].pop_front() {
                        Some(message) => drop(machines[me].received_msg(message)),
                        None => break,
                    },
                    ProceedResult::Yielded => {}
                    ProceedResult::Output(output) => outputs[me] = Some(output),
                    ProceedResult::Error(error) => panic!("{error}"),
                }
            }
        }
    }
    outputs.into_iter().map(Option::unwrap).collect()
}

fn primes(party: u8) -> [Vec<u8>; 4] {
    let digits = |number: usize| include_str!("../tests/primes.hex").lines().nth(number).unwrap();
    let byte = |digits: &str, at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap();
    let first = usize::from(party - 1) * 4;
    [0, 1, 2, 3].map(|i| (0..192).map(|at| byte(digits(first + i), at)).collect())
}

fn core(share: &Share) -> IncompleteKeyShare<Secp256k1> {
    let key = share.key();
    let point = |bytes: [u8; 33]| NonZero::from_point(Point::from_bytes(bytes).unwrap()).unwrap();
    let at = |i: u8| NonZero::from_scalar(Scalar::from(u64::from(i))).unwrap();
    let secret = SecretScalar::from_be_bytes(share.danger_secret_bytes().as_slice()).unwrap();
    let core = DirtyIncompleteKeyShare {
        i: u16::from(share.index().get()) - 1,
        key_info: DirtyKeyInfo {
            curve: CurveName::new(),
            shared_public_key: point(key.public_key()),
            public_shares: PARTIES.iter().map(|&i| point(key.public_share(index(i)).unwrap())).collect(),
            chain_code: None,
            vss_setup: Some(VssSetup { min_signers: 2, I: PARTIES.iter().map(|&i| at(i)).collect() }),
        },
        x: NonZero::from_secret_scalar(secret).unwrap(),
    };
    core.validate().unwrap()
}

fn set_up_raw() -> Vec<AuxInfo> {
    let primes = PARTIES.map(|i| {
        let four = primes(i).map(|bytes| cggmp24::backend::Integer::from_bytes_msf(&bytes));
        PregeneratedPrimes::<SecurityLevel128>::try_from(four).unwrap()
    });
    let mut rngs = PARTIES.map(|i| ChaCha20Rng::from_seed([i; 32]));
    let machines = rngs.iter_mut().zip(primes).zip(0..).map(|((rng, primes), i)| {
        let run = cggmp24::aux_info_gen(ExecutionId::new(b"bench"), i, 2, primes);
        Box::new(run.into_state_machine(rng)) as Box<RawSetup<'_>>
    });
    run_raw(machines.collect()).into_iter().map(|made| made.unwrap()).collect()
}

fn sign_raw(keys: &[KeyShare<Secp256k1>]) {
    let data = PrehashedDataToSign::from_scalar(Scalar::from_be_bytes_mod_order([0x5a; 32]));
    let mut rngs = PARTIES.map(|i| ChaCha20Rng::from_seed([i; 32]));
    let machines = rngs.iter_mut().zip(keys).zip(0..).map(|((rng, key), i)| {
        let run = cggmp24::signing(ExecutionId::new(b"bench"), i, &[0, 1], key);
        Box::new(run.sign_sync(rng, &data)) as Box<RawSigning<'_>>
    });
    let signatures: Vec<_> = run_raw(machines.collect()).into_iter().map(|made| made.unwrap()).collect();
    black_box(signatures);
}

fn sign(shares: &[Share], data: &[Auxiliary]) -> usize {
    let (signatures, bytes) = run(|me, context| {
        let own = usize::from(me - 1);
        let digest = SigningDigest([0x5a; 32]);
        Signing::new(context, &shares[own], &data[own], &BTreeSet::new(), digest).unwrap()
    });
    black_box(signatures);
    bytes
}

/// Presignatures, and the last step by each of them.
fn presigned(shares: &[Share], data: &[Auxiliary]) {
    let (nobody, mut ahead, mut online) = (BTreeSet::new(), Vec::new(), Vec::new());
    for _ in 0..PRESIGNATURES {
        let start = Instant::now();
        let (made, _) = run(|me, context| {
            let own = usize::from(me - 1);
            Presigning::new(context, &shares[own], &data[own], &nobody, PresignatureIndex::FIRST).unwrap()
        });
        ahead.push(start.elapsed());
        let (start, mut made) = (Instant::now(), made.into_iter());
        black_box(run(|_, context| {
            OnlineSigning::new(context, made.next().unwrap(), &nobody, b"the bytes of a plan").unwrap()
        }));
        online.push(start.elapsed());
    }
    for (what, mut times) in [("presign", ahead), ("sign by a presignature", online)] {
        times.sort_unstable();
        println!("{what}, ours: {:.3} ms, both parties, p50", times[PRESIGNATURES / 2].as_secs_f64() * 1e3);
    }
}

fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let output = run();
    println!("{what}: {:.2} s, both parties", start.elapsed().as_secs_f64());
    output
}

fn rounds(criterion: &mut Criterion) {
    let (keys, _) = run(|_, context| KeyGeneration::new(context, 2).unwrap());
    let shares: Vec<Share> = keys.into_iter().map(|GeneratedKey { share, .. }| share).collect();
    let raw = timed("setup, raw", set_up_raw);
    let (data, bytes) = timed("setup, ours", || {
        run(|me, context| {
            let four = primes(me);
            let four = [&four[0][..], &four[1], &four[2], &four[3]];
            let primes = SafePrimes::from_secret_bytes(four, &mut rng()).unwrap();
            AuxiliarySetup::new(context, &shares[usize::from(me - 1)], primes).unwrap()
        })
    });
    println!("setup, ours: {} kB sent per party, {} B kept", bytes / 2000, data[0].to_secret_bytes().len());
    println!("sign, ours: {} kB sent per party", sign(&shares, &data) / 2000);
    presigned(&shares, &data);
    timed("one safe prime set", || SafePrimes::generate(&mut rng(), |_| true));
    let whole: Vec<KeyShare<Secp256k1>> = shares
        .iter()
        .zip(raw)
        .map(|(share, aux)| KeyShare::from_parts((core(share), aux)).unwrap())
        .collect();
    let mut group = criterion.benchmark_group("cggmp24 2-of-2");
    group.sample_size(10);
    group.bench_function("sign, raw", |b| b.iter(|| sign_raw(&whole)));
    group.bench_function("sign, ours", |b| b.iter(|| sign(&shares, &data)));
    group.finish();
}

criterion_group!(benches, rounds);
criterion_main!(benches);
