//! Share sets that tss-lib really made, each holder with its own file: reshared, and the engine signs
//! under the same public key. Row 27.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cohold_import::tss::SaveData;
use cohold_model::account::{Card, PartyKind};
use cohold_model::canonical::Digest;
use cohold_model::ids::PartyIndex;
use cohold_model::reshare::Seat;
use cohold_mpc::{Fault, Reason};
use cohold_mpc_ecdsa::{
    Auxiliary, AuxiliarySetup, ForeignKey, ForeignShare, ImportedFrom, KeyResharing, KeyResharingError,
    Share, Signing, SigningDigest,
};
use k256::ecdsa::signature::hazmat::PrehashVerifier as _;
use k256::ecdsa::{Signature, VerifyingKey};

use crate::saved::Written;
use crate::support::{Ends, context, honest, index, keys, rng, run, session};

/// The folder of public vectors, or nothing: the test then says so and is no test.
fn vectors() -> Option<PathBuf> {
    let named = std::env::var_os("COHOLD_VECTORS").map(PathBuf::from);
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors"));
    let folder = named.unwrap_or_else(beside).join("tss-lib");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED: no vectors in `{}`: set COHOLD_VECTORS", folder.display());
    None
}

/// Holders of the new account at seats 1 to `holders`; the dealers, by seat, are the old holders.
fn seats(dealers: &BTreeMap<u8, ForeignShare>, holders: u8) -> BTreeMap<PartyIndex, Seat> {
    let last = dealers.keys().copied().max().unwrap_or(0).max(holders);
    let seat = |number: u8| {
        let party = keys(index(number));
        let card = Card {
            party: format!("party-{number}").parse().unwrap(),
            entity: "acme".parse().unwrap(),
            kind: PartyKind::Cosigner,
            identity: party.identity(),
            seal: party.seal_key(),
        };
        let deals = dealers.get(&number).map(ForeignShare::party);
        (index(number), Seat { card, deals, holds: (number <= holders).then(|| index(number)) })
    };
    (1..=last).map(seat).collect()
}

fn share_out(key: &ForeignKey, dealers: &BTreeMap<u8, ForeignShare>, holders: u8) -> BTreeMap<u8, Share> {
    let seats = seats(dealers, holders);
    let all: Vec<u8> = seats.keys().map(|seat| seat.get()).collect();
    let make = |number: &PartyIndex| {
        let context = context(number.get(), &all, 1);
        let identity = keys(*number).identity;
        let own = dealers.get(&number.get()).map(|share| ImportedFrom { share, identity: &identity });
        let run = KeyResharing::import(&context, key, &seats, 2, own, &mut rng()).unwrap();
        session(context, run)
    };
    let ends: Ends<_> = run(seats.keys().map(make).collect(), honest);
    let outcomes = ends.into_iter().map(|(seat, end)| (seat, end.done().output));
    outcomes
        .filter_map(|(seat, outcome)| {
            assert_eq!(outcome.key.public_key(), key.public_key());
            assert_eq!(outcome.key.chain_code(), key.chain_code());
            Some((seat, outcome.share?))
        })
        .collect()
}

/// Imports to a 2-of-`holders` account, whose first and last party sign.
pub(crate) fn import(key: &ForeignKey, dealers: &BTreeMap<u8, ForeignShare>, holders: u8) {
    let shares = share_out(key, dealers, holders);
    assert_eq!(shares.len(), usize::from(holders));
    let pair = [1, holders];
    let setup = |me: &u8| {
        let context = context(*me, &pair, 2);
        let setup = AuxiliarySetup::new(&context, &shares[me]).unwrap();
        session(context, setup)
    };
    let auxiliary: BTreeMap<u8, Auxiliary> = run(pair.iter().map(setup).collect(), honest)
        .into_iter()
        .map(|(me, end)| (me, end.done().output))
        .collect();
    let digest = SigningDigest([0x77; 32]);
    let sign = |me: &u8| {
        let context = context(*me, &pair, 3);
        let signing =
            Signing::new(&context, &shares[me], &auxiliary[me], &Default::default(), digest).unwrap();
        session(context, signing)
    };
    let verifying = VerifyingKey::from_sec1_bytes(&key.public_key()).unwrap();
    for end in run(pair.iter().map(sign).collect(), honest).into_values() {
        let signature = end.done().output;
        let signature = Signature::from_scalars(signature.r, signature.s).unwrap();
        verifying.verify_prehash(&digest.0, &signature).unwrap();
    }
}

#[test]
fn row_27_a_real_share_set_signs_at_the_same_address() {
    let Some(folder) = vectors() else { return };
    let read = |number: usize| {
        let bytes = std::fs::read(folder.join(format!("keygen_data_{number}.json"))).unwrap();
        SaveData::parse(&bytes).unwrap()
    };
    let all: Vec<SaveData> = (0..5).map(read).collect();
    let key = all[0].key().clone();
    assert_eq!((key.threshold(), key.parties()), (3, 5), "three of five sign");
    assert!(all.iter().all(|data| *data.key() == key));
    assert_eq!(all[0].findings(), all[4].findings());
    assert_eq!(all[0].findings(), Vec::new(), "nothing to see in tss-lib's own test data");
    // Two stay with a seat of their own, one leaves; the fifth and fourth are not needed.
    let shares = all.into_iter().zip([0, 2, 4, 3, 0]).filter(|(_, seat)| *seat > 0);
    let dealers = shares.map(|(data, seat)| (seat, into_share(&folder, &data))).collect();
    import(&key, &dealers, 3);
}

/// Each holder reads its own file again, as its own process would.
fn into_share(folder: &std::path::Path, data: &SaveData) -> ForeignShare {
    let number = data.share().party().get() - 1;
    let bytes = std::fs::read(folder.join(format!("keygen_data_{number}.json"))).unwrap();
    SaveData::parse(&bytes).unwrap().into_share()
}

#[test]
fn a_made_share_set_signs_at_the_same_address() {
    let share = |me| Written::new(me).read().unwrap().into_share();
    let key = Written::new(0).read().unwrap().key().clone();
    import(&key, &[(1, share(2)), (4, share(0))].into(), 3);
}

/// Row 19: a holder that has another chain code for the same key.
#[test]
fn row_19_another_chain_code_aborts() {
    let (key, share) = ForeignKey::whole(&mut [7; 32], None).unwrap();
    let (other, _) = ForeignKey::whole(&mut [7; 32], Some(Digest([1; 32]))).unwrap();
    let seats = seats(&[(1, share)].into(), 2);
    let identity = keys(index(1)).identity;
    let share = ForeignKey::whole(&mut [7; 32], None).unwrap().1;
    let own = Some(ImportedFrom { share: &share, identity: &identity });
    let (one, two) = (context(1, &[1, 2], 1), context(2, &[1, 2], 1));
    let dealer = KeyResharing::import(&one, &key, &seats, 2, own, &mut rng()).unwrap();
    let holder = KeyResharing::import(&two, &other, &seats, 2, None, &mut rng()).unwrap();
    for (me, end) in run(vec![session(one, dealer), session(two, holder)], honest) {
        assert_eq!(end.fault(), Fault::retry(Reason::Disagreement { from: index(3 - me) }));
    }
}

#[test]
fn an_import_that_cannot_work_is_not_begun() {
    let share = |me| Written::new(me).read().unwrap().into_share();
    let key = Written::new(0).read().unwrap().key().clone();
    let dealers: BTreeMap<u8, ForeignShare> = [(1, share(2)), (4, share(0))].into();
    let all = [1, 2, 3, 4];
    let identity = keys(index(1)).identity;
    let begin = |seats: &BTreeMap<PartyIndex, Seat>, share: &ForeignShare| {
        let own = Some(ImportedFrom { share, identity: &identity });
        KeyResharing::import(&context(1, &all, 1), &key, seats, 2, own, &mut rng()).err()
    };
    let good = seats(&dealers, 3);
    assert_eq!(begin(&good, &share(2)), None);
    assert!(matches!(begin(&good, &share(1)), Some(KeyResharingError::Index { .. })));
    let (_, whole) = ForeignKey::whole(&mut [7; 32], None).unwrap();
    assert_eq!(begin(&good, &whole), Some(KeyResharingError::Foreign));
    let mut fewer = good.clone();
    fewer.get_mut(&index(4)).unwrap().deals = None;
    assert_eq!(begin(&fewer, &share(2)), Some(KeyResharingError::Quorum { found: 1, threshold: 2 }));
    let mut stranger = good;
    stranger.get_mut(&index(4)).unwrap().deals = Some(index(4));
    assert_eq!(begin(&stranger, &share(2)), Some(KeyResharingError::Stranger(index(4))));
}
