//! Pieces of a share among guardians, through the public interface: honest ones bring the share back, what is
//! not in order is refused, and who cheats is named.

use std::collections::BTreeMap;

use cohold_model::account::{Card, PartyKind, Role, Template, Terms};
use cohold_model::change::{Asked, RulesReport};
use cohold_model::charter::Charter;
use cohold_model::guardians::{GuardianCard, Guardians, Packet, RecoveryAsk, RecoveryRequest, Release};
use cohold_model::{Digest, Document as _, Epoch, Signed};
use cohold_mpc::PartyKeys;
use cohold_mpc_ecdsa::Share;
use cohold_mpc_share::{Secp256k1, Secret, entrust};
use cohold_party::guard::{self, Given, GuardError, PacketError, Remembered, ReviveError};
use k256::Scalar;
use k256::elliptic_curve::group::GroupEncoding as _;
use k256::elliptic_curve::{Field as _, PrimeField as _};

const NOW: u64 = 1_800_000_000;
const DELAY: u64 = 3600;

fn rng() -> rand_core::UnwrapErr<getrandom::SysRng> {
    rand_core::UnwrapErr(getrandom::SysRng)
}

fn keys(seed: u8) -> PartyKeys {
    PartyKeys::from_seed(&[seed; 32])
}

/// Device 1, recovery 2, co-signer 3; guardians 11, 12, 13; the new device is 21.
struct World {
    charter: Signed<Charter>,
    share: Share,
    given: Given,
}

fn card(name: &str, kind: PartyKind, entity: &str, seed: u8) -> Card {
    let (keys, party) = (keys(seed), name.parse().expect("a name"));
    let entity = entity.parse().expect("a name");
    Card { party, entity, kind, identity: keys.identity(), seal: keys.seal_key() }
}

/// The second share of a key that is shared two of three, in the form that shares are stored in.
fn second_of_three() -> Share {
    let secret = Secret::<Secp256k1>::take(&mut Scalar::random(&mut rng()));
    let made = entrust(&secret, 2, 3, &mut rng()).expect("shares");
    let mut bytes = vec![1, 2, 2, 3];
    bytes.extend_from_slice(&made.pieces[1].expose().to_repr());
    bytes.extend_from_slice(&secret.public().to_bytes());
    bytes.extend_from_slice(&[7; 32]);
    bytes.extend(made.pieces.iter().flat_map(|piece| piece.public().to_bytes()));
    Share::from_secret_bytes(&bytes).expect("a share")
}

impl World {
    fn new() -> Self {
        let share = second_of_three();
        let parties = vec![
            card("device", PartyKind::Device, "ana", 1),
            card("recovery", PartyKind::Recovery, "ana", 2),
            card("cosigner", PartyKind::Cosigner, "acme", 3),
        ];
        let people = (11..).zip(["bo", "cy", "di"]).map(|(seed, name)| GuardianCard {
            name: name.parse().expect("a name"),
            entity: name.parse().expect("a name"),
            identity: keys(seed).identity(),
            seal: keys(seed).seal_key(),
        });
        let people: Vec<_> = people.collect();
        let mut entities = BTreeMap::from([("ana", Role::User), ("acme", Role::Provider)]);
        entities.extend(["bo", "cy", "di"].map(|name| (name, Role::Guardian)));
        let party = "recovery".parse().expect("a name");
        let terms = Terms {
            account: "acc_000102030405060708090a0b0c0d0e0f".parse().expect("an id"),
            template: Template::Personal,
            entities: entities
                .into_iter()
                .map(|(name, role)| (name.parse().expect("a name"), role))
                .collect(),
            approvers: ["device".parse().expect("a name")].into(),
            parties,
            threshold: 2,
            guardians: Some(Guardians { party, needed: 2, delay_seconds: DELAY, people }),
        };
        let key = share.key().binding(Digest([0; 32]));
        let document = Charter::first(terms, key, NOW);
        let digest = document.digest();
        let signatures = (1..).zip(&document.terms.parties);
        let signatures =
            signatures.map(|(seed, card)| (card.party.clone(), keys(seed).identity.sign(&digest))).collect();
        let charter = Signed { document, signatures };
        charter.check().expect("a charter");
        let given = guard::entrust(&charter.document, &share, &[2; 32], NOW, &mut rng()).expect("pieces");
        Self { charter, share, given }
    }

    fn packet(&self, position: usize) -> Packet {
        let (guardian, letter) = self.given.letters[position].clone();
        Packet { charter: self.charter.clone(), entrusted: self.given.entrusted.clone(), guardian, letter }
    }

    fn request(&self, seed: u8) -> Signed<RecoveryRequest> {
        let device = card("device", PartyKind::Device, "me", seed);
        let Charter { terms, epoch, .. } = &self.charter.document;
        let (account, charter, epoch) = (terms.account, self.charter.document.digest(), *epoch);
        let reason = "the phone was stolen".into();
        let request = RecoveryRequest { account, charter, epoch, device, reason, created_at: NOW };
        Signed::by(request, "device".parse().expect("a name"), &keys(seed).identity)
    }

    /// The co-signer's word, said at `at`, about an asking at NOW.
    fn report(&self, at: u64, bend: impl FnOnce(&mut RulesReport)) -> Signed<RulesReport> {
        let asked = Asked {
            by: "recovery".parse().expect("a name"),
            since: NOW,
            joins_at: Some(NOW + DELAY),
            vetoed_by: None,
        };
        let mut report = RulesReport {
            account: self.charter.document.terms.account,
            party: "cosigner".parse().expect("a name"),
            charter: self.charter.document.digest(),
            revision: 1,
            in_force: String::new(),
            proposed: None,
            asked: vec![asked],
            issued_at: at,
        };
        bend(&mut report);
        Signed::by(report, "cosigner".parse().expect("a name"), &keys(3).identity)
    }

    fn release(&self, position: usize) -> Release {
        let (request, remembered) = self.confirmed();
        let reports = [self.report(NOW + DELAY, |_| ())];
        let guardian = keys(11 + u8::try_from(position).expect("few"));
        let packet = self.packet(position);
        guard::release(&packet, &remembered, &request, &reports, &guardian, NOW + DELAY, &mut rng())
            .expect("a piece")
    }

    fn confirmed(&self) -> (Signed<RecoveryRequest>, Remembered) {
        let request = self.request(21);
        let confirmed = Some((request.document.digest(), NOW));
        (request, Remembered { confirmed, vetoed_by: None })
    }
}

#[test]
fn any_two_bring_the_share_and_its_keys_back() {
    let world = World::new();
    let releases = [0, 1, 2].map(|position| world.release(position));
    let request = world.request(21);
    let revive = |releases: &[Release]| guard::revive(&world.charter.document, &request, releases, &keys(21));
    for pair in [[0, 1], [1, 2], [2, 0]] {
        let revived = revive(&pair.map(|i| releases[i].clone())).expect("a share");
        assert_eq!(*revived.share.danger_secret_bytes(), *world.share.danger_secret_bytes());
        assert_eq!((revived.keys.identity(), revived.card.party.as_str()), (keys(2).identity(), "recovery"));
    }
    revive(&releases).expect("three are no worse");
    let few = |releases: &[Release]| matches!(revive(releases), Err(ReviveError::Few { needed: 2, .. }));
    assert!(few(&[]) && few(&releases[..1]) && few(&[releases[0].clone(), releases[0].clone()]));
    // What was sealed to one device says nothing to another.
    let other = guard::revive(&world.charter.document, &world.request(22), &releases, &keys(22));
    assert!(matches!(other, Err(ReviveError::Elsewhere(_))));
    let thief = guard::revive(&world.charter.document, &request, &releases, &keys(22));
    assert!(matches!(thief, Err(ReviveError::Letter(_))));
}

#[test]
fn a_piece_is_checked_before_it_is_kept() {
    let world = World::new();
    for position in 0..3 {
        let seed = 11 + u8::try_from(position).expect("few");
        let receipt = guard::accept(&world.packet(position), &keys(seed), NOW).expect("a receipt");
        assert!(cohold_model::guardians::receipt_counts(&world.charter.document, &receipt));
    }
    type Bend = fn(&World, &mut Packet);
    let cases: [(Bend, &str); 6] = [
        (|_, packet| packet.guardian = "cy".parse().expect("a name"), "no guardian with this key"),
        (
            |world, packet| packet.letter = world.given.letters[1].1.clone(),
            "not the one that the commitments",
        ),
        (|_, packet| packet.letter.0[40] ^= 1, "not the one that the commitments"),
        (|_, packet| packet.entrusted.document.created_at += 1, "not signed by the recovery share"),
        (|_, packet| packet.charter.document.created_at += 1, "has not signed this charter"),
        (
            |_, packet| {
                let mut bent = packet.entrusted.document.clone();
                bent.commitments.reverse();
                packet.entrusted = Signed::by(bent, "recovery".parse().expect("a name"), &keys(2).identity);
            },
            "not to the account's own public share",
        ),
    ];
    for (bend, says) in cases {
        let mut packet = world.packet(0);
        bend(&world, &mut packet);
        let error = guard::accept(&packet, &keys(11), NOW).expect_err("refused").to_string();
        assert!(error.contains(says), "{error}");
    }
    assert!(matches!(guard::accept(&world.packet(0), &keys(12), NOW), Err(PacketError::NotMine)));
}

/// The dealer gives one guardian a piece of another polynomial, under its own true signature: the guardian
/// sees it at once.
#[test]
fn a_dealer_that_cheats_is_found_out_by_the_guardian() {
    let world = World::new();
    let other =
        guard::entrust(&world.charter.document, &world.share, &[2; 32], NOW, &mut rng()).expect("more");
    let mut packet = world.packet(0);
    packet.letter = other.letters[0].1.clone();
    assert!(matches!(guard::accept(&packet, &keys(11), NOW), Err(PacketError::Piece)));
}

#[test]
fn a_guardian_that_cheats_is_named() {
    let world = World::new();
    let other = World {
        given: guard::entrust(&world.charter.document, &world.share, &[2; 32], NOW, &mut rng())
            .expect("more"),
        ..World::new()
    };
    let request = world.request(21);
    // cy releases a number that it made up, sealed as it should be: by the place of the true release.
    let (given, digest) = (world.given.entrusted.document.digest(), request.document.digest());
    let place =
        cohold_model::canonical::digest_parts("cohold/guardian-release/v1", &[&digest.0, &given.0, &[2]]);
    let letter = cohold_mpc::letter::seal(&keys(12).seal, &keys(21).seal_key(), &place, &[7; 32], &mut rng())
        .expect("a letter");
    let mut lie = world.release(1);
    lie.letter = cohold_model::HexBytes(letter);
    let revive = |releases: &[Release]| guard::revive(&world.charter.document, &request, releases, &keys(21));
    match revive(&[world.release(0), lie.clone()]) {
        Err(ReviveError::Wrong(names)) => assert_eq!(names, ["cy".parse().expect("a name")]),
        _ => panic!("cy is not named"),
    }
    // Without it, the others suffice.
    revive(&[world.release(0), world.release(2)]).expect("a share");
    // A piece of another giving of the same share.
    let mut foreign = world.release(1);
    foreign.entrusted = other.given.entrusted;
    assert!(
        matches!(revive(&[world.release(0), foreign]), Err(ReviveError::Elsewhere(name)) if name.as_str() == "cy")
    );
}

#[test]
fn a_guardian_waits_and_helps_one_that_it_knows() {
    let world = World::new();
    let (packet, (request, remembered)) = (world.packet(0), world.confirmed());
    let late = NOW + DELAY;
    let release = |remembered: &Remembered, request: &Signed<RecoveryRequest>, reports: &[_], now| {
        guard::release(&packet, remembered, request, reports, &keys(11), now, &mut rng())
    };
    let good = [world.report(late, |_| ())];
    release(&remembered, &request, &good, late).expect("a piece");
    assert!(matches!(release(&Remembered::default(), &request, &good, late), Err(GuardError::Unconfirmed)));
    assert!(matches!(release(&remembered, &request, &good, late - 1), Err(GuardError::Early(1))));
    let other = world.request(22);
    assert!(matches!(release(&remembered, &other, &good, late), Err(GuardError::Another(_))));
    let confirm =
        |remembered: &Remembered, request| guard::confirm(&packet, remembered, request, &keys(11), NOW);
    assert!(matches!(confirm(&remembered, &other), Err(GuardError::Another(_))));
    confirm(&remembered, &request).expect("the same again");

    // Words of the co-signer that are none: none at all, too old, from before the end of its wait, shorter
    // than the charter's, not its own, of another charter.
    type Bend = fn(&mut RulesReport);
    let day = 26 * 3600;
    let bent: [(u64, Bend); 6] = [
        (late, |report| report.asked.clear()),
        (late - 1, |_| ()),
        (late, |report| report.asked[0].joins_at = Some(NOW)),
        (late, |report| report.asked[0].joins_at = None),
        (late, |report| report.asked[0].by = "device".parse().expect("a name")),
        (late, |report| report.charter = Digest([9; 32])),
    ];
    let none = |reports: &[_], now| {
        matches!(release(&remembered, &request, reports, now), Err(GuardError::NoReport))
    };
    for (at, bend) in bent {
        assert!(none(&[world.report(at, bend)], late));
    }
    assert!(none(&[], late));
    assert!(none(&good, late + day));
    let mut forged = good[0].clone();
    forged.document.issued_at += 1;
    assert!(none(&[forged], late));

    // An objection counts for ever.
    let vetoed =
        world.report(late, |report| report.asked[0].vetoed_by = Some("device".parse().expect("a name")));
    let both = [good[0].clone(), vetoed];
    assert!(matches!(release(&remembered, &request, &both, late), Err(GuardError::Vetoed(_))));
    let remembered = Remembered { vetoed_by: guard::objector(&packet, &both), ..remembered };
    assert!(matches!(release(&remembered, &request, &good, late), Err(GuardError::Vetoed(_))));
    assert!(matches!(confirm(&remembered, &request), Err(GuardError::Vetoed(_))));
}

#[test]
fn nodes_wait_only_for_what_enough_guardians_confirmed() {
    let world = World::new();
    let request = world.request(21);
    let confirmation = |position: usize, request: &Signed<RecoveryRequest>| {
        let guardian = keys(11 + u8::try_from(position).expect("few"));
        guard::confirm(&world.packet(position), &Remembered::default(), request, &guardian, NOW)
            .expect("a word")
    };
    let who = |confirmations| {
        let ask = RecoveryAsk { request: request.clone(), confirmations };
        ask.check(&world.charter.document).map(|who| who.len())
    };
    let (bo, cy) = (confirmation(0, &request), confirmation(1, &request));
    assert_eq!(who(vec![bo.clone(), cy.clone()]), Ok(2));
    assert!(who(vec![]).is_err() && who(vec![bo.clone()]).is_err());
    assert!(who(vec![bo.clone(), bo.clone()]).is_err(), "one guardian twice");
    assert!(who(vec![bo.clone(), confirmation(1, &world.request(22))]).is_err(), "for another device");
    let mut forged = cy;
    forged.document.issued_at += 1;
    assert!(who(vec![bo, forged]).is_err());

    type Bend = fn(&mut RecoveryRequest);
    let cases: [(Bend, &str); 6] = [
        (|it| it.account = "acc_ff0102030405060708090a0b0c0d0e0f".parse().expect("an id"), "another account"),
        (|it| it.epoch = Epoch(2), "another epoch"),
        (|it| it.charter = Digest([9; 32]), "another account"),
        (|it| it.reason = "a\u{1b}[2J".into(), "no plain text"),
        (|it| it.reason = "a".repeat(401), "no plain text"),
        (|it| it.device.kind = PartyKind::Cosigner, "not signed by the device"),
    ];
    for (bend, says) in cases {
        let mut bent = request.document.clone();
        bend(&mut bent);
        let bent = Signed::by(bent, "device".parse().expect("a name"), &keys(21).identity);
        let error = RecoveryRequest::check(&bent, &world.charter.document).expect_err("refused").to_string();
        assert!(error.contains(says), "{error}");
    }
    assert!(RecoveryRequest::check(&world.request(1), &world.charter.document).is_err(), "a party already");
}
