//! What becomes of a ban beyond the party that found the cheat: its peers keep the signed notice, give it back
//! to a finder that has forgotten, and ban by it only where it proves itself.

use std::sync::{Arc, Mutex};

use cohold_model::canonical::digest_parts;
use cohold_model::case::{FaultKind, Sentence};
use cohold_model::reshare::reshare_session;
use cohold_model::{BanNotice, Case, Document as _, HexBytes, PartyIndex, SessionId, Signed};
use cohold_mpc::PartyKeys;
use cohold_mpc::channel::{Direction, Opener, Payload};
use cohold_party::case::{Standing, weigh};
use cohold_party::peer::{Between, PeerWord, seal};
use cohold_party::refusal::Code;
use cohold_party::wire::{FromParty, Message, ToParty};
use cohold_relay::Address;
use cohold_store::party::NewCase;
use cohold_testkit::account::index;
use cohold_testkit::cluster::{Answer, eventually, points};
use cohold_testkit::relay::Passing;
use cohold_testkit::{Account, Cluster, Delivery, Interceptor, TwoFaced, Words};

use crate::peers::{check_signs, lying, order};
use crate::restored::copy;

fn cases(cluster: &Cluster, i: u8, account: &Account) -> Vec<Case> {
    let rows = cluster.party(i).store().case_list(Some(account.id())).unwrap();
    rows.into_iter().map(|row| row.case).collect()
}

/// Party 2 cheats party 1 in a session of its own.
fn cheat(cluster: &Cluster, account: &Account, attempt: u32) {
    let attacked = order(cluster, account, &[1, 2], attempt);
    let mark = lying(cluster, account, &attacked, |words| {
        if let (1, Some(direct)) = (words.round, &mut words.direct) {
            let middle = direct.len() / 2;
            direct[middle] ^= 1;
        }
    });
    let Answer::Broken { banned, .. } = cluster.answer(1, mark, attacked.session()) else {
        panic!("party 1 signed with a cheat")
    };
    assert_eq!(banned, points(&[2]));
}

/// Party `i` does not sign this with these, by a ban: whether it knows at once or hears of it on the way.
fn check_barred(cluster: &Cluster, account: &Account, i: u8, signers: &[u8], attempt: u32) {
    let order = order(cluster, account, signers, attempt);
    let marks: Vec<_> = signers.iter().map(|i| (*i, cluster.order(*i, &order))).collect();
    for (party, mark) in marks.into_iter().filter(|(party, _)| *party == i) {
        match cluster.answer(party, mark, order.session()) {
            Answer::Refused(refusal) => assert_eq!(refusal.code, Code::Banned, "{refusal}"),
            Answer::Broken { reason, .. } => assert!(reason.contains("cancelled"), "{reason}"),
            Answer::Signature(_) => panic!("party {i} signed"),
        }
    }
    let signed = cluster.signatures();
    assert!(signed.iter().all(|(session, _)| *session != order.session()), "no signature came of it");
}

/// Rows 8 and 16: the database that knew of the ban is gone, an old copy of it is put back. The third party
/// gives the ban back before anything is signed.
#[test]
fn row_08_a_restored_party_hears_of_its_ban_from_its_peers() {
    let mut cluster = Cluster::start(3);
    let account = cluster.account(2);
    let backup = tempfile::tempdir().unwrap();
    cluster.stop(1);
    copy(cluster.party(1).folder(), backup.path());
    cluster.start_again(1);
    cheat(&cluster, &account, 1);
    assert!(eventually(|| [1, 2, 3].iter().all(|i| cases(&cluster, *i, &account).len() == 1)));
    let [case] = &cases(&cluster, 3, &account)[..] else { panic!("one case") };
    assert_eq!(weigh(case).unwrap(), Standing::Accused, "messages are not signed");
    assert_eq!(case.notice.document.kind, FaultKind::ObliviousTransfer);
    assert_eq!(case.notice.document.sentence, Sentence::Ban(cluster.party(2).spec.party.clone()));
    // An accusation bans nobody but at its finder.
    assert_eq!(cluster.banned(3, account.id()), []);
    check_signs(&cluster, &account, &[2, 3], 2);

    cluster.stop(1);
    copy(backup.path(), cluster.party(1).folder());
    assert_eq!(cluster.banned(1, account.id()), [], "the old copy knows nothing");
    cluster.start_again(1);
    check_barred(&cluster, &account, 1, &[1, 2], 3);
    assert_eq!(cluster.banned(1, account.id()), points(&[2]));
    assert_eq!(cases(&cluster, 1, &account), cases(&cluster, 3, &account));
    check_barred(&cluster, &account, 1, &[1, 2], 4);
    check_signs(&cluster, &account, &[1, 3], 5);
    // The same where the other one sleeps that knows: what the finder said binds it at the offender, too.
    cluster.stop(1);
    copy(backup.path(), cluster.party(1).folder());
    cluster.stop(3);
    cluster.start_again(1);
    check_barred(&cluster, &account, 1, &[1, 2], 6);
    assert_eq!(cluster.banned(1, account.id()), points(&[2]));
}

/// The process ends between the ban and the word about it: it is said at the next start.
#[test]
fn a_ban_that_was_not_told_is_told_at_the_next_start() {
    let mut cluster = Cluster::start(3);
    let account = cluster.account(2);
    for i in [1, 2, 3] {
        cluster.stop(i);
    }
    let case = accusation(&cluster, &account, 1, Sentence::Ban(cluster.party(2).spec.party.clone()));
    let new = Some(NewCase { case: &case, proved: false });
    cluster.party(1).store().ban_insert_with(account.id(), index(2), "told to nobody", new, 1).unwrap();
    for i in [2, 3, 1] {
        cluster.start_again(i);
    }
    assert!(eventually(|| [2, 3].iter().all(|i| cases(&cluster, *i, &account) == [case.clone()])));
    let kept_by =
        || cluster.party(1).store().case_show(&case.notice.document.digest()).unwrap().unwrap().kept_by;
    assert!(eventually(|| kept_by().len() == 2), "it is not told again");
    check_barred(&cluster, &account, 1, &[1, 2], 1);
}

/// A frozen key stays frozen at its finder when an old copy is put back, and nobody signs with that party.
#[test]
fn a_freeze_comes_back_too() {
    let mut cluster = Cluster::start(3);
    let account = cluster.account(2);
    let backup = tempfile::tempdir().unwrap();
    cluster.stop(1);
    copy(cluster.party(1).folder(), backup.path());
    let case = accusation(&cluster, &account, 1, Sentence::Freeze);
    let new = Some(NewCase { case: &case, proved: false });
    cluster.party(1).store().ban_insert_with(account.id(), index(1), "frozen", new, 1).unwrap();
    cluster.start_again(1);
    assert!(eventually(|| [2, 3].iter().all(|i| cases(&cluster, *i, &account).len() == 1)));
    cluster.stop(1);
    copy(backup.path(), cluster.party(1).folder());
    cluster.start_again(1);
    check_barred(&cluster, &account, 1, &[1, 2], 1);
    check_barred(&cluster, &account, 3, &[1, 3], 2);
    assert_eq!(cluster.banned(1, account.id()), points(&[1]));
    check_signs(&cluster, &account, &[2, 3], 3);
}

/// What party `i` would sign of the others, or of itself.
fn accusation(cluster: &Cluster, account: &Account, i: u8, sentence: Sentence) -> Case {
    let (charter, party) = (&account.charter.document, cluster.party(i));
    let notice = BanNotice {
        account: account.id(),
        charter: charter.digest(),
        version: charter.version,
        epoch: charter.epoch,
        finder: party.spec.party.clone(),
        sentence,
        session: SessionId(digest_parts("test", &[b"a session"])),
        kind: FaultKind::ObliviousTransfer,
        round: Some(1),
        message: None,
        evidence: None,
        found_at: 1,
    };
    let notice = Signed::by(notice, party.spec.party.clone(), &party.keys.identity);
    Case { notice, charter: account.charter.clone(), resharing: None }
}

/// Party `from` says something to a peer, whatever its software would say.
fn say(cluster: &Cluster, account: &Account, (from, to): (u8, u8), word: &PeerWord) {
    let (speaker, receiver) = (cluster.party(from), &cluster.party(to).card);
    let (account, epoch) = (account.id(), account.charter.document.epoch);
    let between = Between { account, epoch, from: index(from), to: index(to), receiver };
    let envelope = seal(word, between, &speaker.keys, &mut cohold_node::rng()).unwrap();
    let body = Message::<FromParty>::encode_peer(&envelope).unwrap();
    cluster.relay.post(Address::Party(speaker.card.identity), receiver.identity, body);
}

/// Row 9: a liar accuses an honest party, with and without made-up evidence, in its own name and in another's.
/// Nobody is banned, and all but the liar sign on.
#[test]
fn row_09_a_liars_word_bans_nobody() {
    let cluster = Cluster::start(4);
    let account = cluster.account(2);
    let name = |i: u8| cluster.party(i).spec.party.clone();
    let plain = accusation(&cluster, &account, 2, Sentence::Ban(name(1)));
    let signed = |change: &dyn Fn(&mut BanNotice)| {
        let mut notice = plain.notice.document.clone();
        change(&mut notice);
        let notice = Signed::by(notice, name(2), &cluster.party(2).keys.identity);
        Case { notice, ..plain.clone() }
    };
    let worthless = vec![
        signed(&|notice| notice.evidence = Some(HexBytes(vec![1; 100]))),
        signed(&|notice| notice.finder = name(3)),
        signed(&|notice| notice.finder = name(1)),
        signed(&|notice| notice.sentence = Sentence::Ban(name(2))),
        signed(&|notice| notice.epoch.0 += 1),
        signed(&|notice| notice.charter = plain.notice.document.digest()),
        // Somebody else's word, passed on by the liar.
        accusation(&cluster, &account, 4, Sentence::Ban(name(1))),
    ];
    let count = worthless.len();
    say(&cluster, &account, (2, 3), &PeerWord::Mine { cases: worthless.clone() });
    // Nor is it taken as the receiver's own.
    let question = plain.notice.document.digest();
    say(&cluster, &account, (2, 3), &PeerWord::Yours { question, cases: worthless });
    say(&cluster, &account, (2, 3), &PeerWord::Mine { cases: vec![plain.clone()] });
    assert!(eventually(|| !cases(&cluster, 3, &account).is_empty()));
    assert_eq!(
        cases(&cluster, 3, &account),
        std::slice::from_ref(&plain),
        "of {count} more, nothing is kept"
    );
    for i in cluster.indices() {
        assert_eq!(cluster.banned(i, account.id()), [], "party {i}");
    }
    check_signs(&cluster, &account, &[1, 3], 1);
    // The liar is given its own word back, and is bound by it; it still signs with others.
    let _ = cluster.sign(&order(&cluster, &account, &[2, 3], 3));
    check_signs(&cluster, &account, &[2, 3], 4);
    for i in [1, 3, 4] {
        assert_eq!(cluster.banned(i, account.id()), [], "party {i}");
    }
    // A second word of the liar's about the same party takes no more room.
    let again = signed(&|notice| notice.found_at = 2);
    say(&cluster, &account, (2, 3), &PeerWord::Mine { cases: vec![again] });
    let other = signed(&|notice| notice.sentence = Sentence::Ban(name(4)));
    say(&cluster, &account, (2, 3), &PeerWord::Mine { cases: vec![other.clone()] });
    assert!(eventually(|| cases(&cluster, 3, &account).contains(&other)));
    assert_eq!(cases(&cluster, 3, &account).len(), 2);
}

/// A dealer signs what no honest one signs. Who was in the run convicts it; who was not is shown the evidence
/// and bans it as well.
#[test]
fn a_convicted_dealer_is_banned_by_who_was_not_there() {
    let cluster = Cluster::start_joining(4);
    let account = cluster.account(2);
    let mut terms = account.charter.document.terms.clone();
    let out = terms.parties.remove(2);
    terms.entities.remove(&out.entity);
    let resharing = cluster.resharing(&account, terms.clone(), &[1, 2]);
    let reshare = cluster.reshare_order(&account, &resharing);
    let session = reshare_session(&resharing);
    let keys: Vec<&PartyKeys> = [1, 2, 4].map(|i| cluster.party(i).keys.as_ref()).into();
    let epoch = resharing.document.epoch(&account.charter.document).unwrap();
    let seed: [u8; 32] = cluster.party(2).seed().try_into().unwrap();
    let cheat = PartyKeys::from_seed(&seed);
    let peer = TwoFaced::at(&terms, epoch, session, index(2), &keys);
    let direction = Direction { account: account.id(), epoch, session, from: index(1), to: index(2) };
    let mut honest = Opener::new(direction, &cheat.seal, cluster.party(1).card.seal);
    // What an honest party saw, the cheat says that it saw as well.
    let seen: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let echo = Arc::clone(&seen);
    let mut cheating = peer.saying(move |words: &mut Words| {
        if words.round > 1 {
            words.echo = echo.lock().unwrap().clone().unwrap();
        } else if let Some(broadcast) = &mut words.broadcast {
            let ceremony = broadcast[..32].to_vec();
            let parts: [&[u8]; 4] = [&ceremony, &session.0.0, &[2], b"junk"];
            let signature = cheat.identity.sign(&digest_parts("cohold/reshare/deal/v1", &parts));
            *broadcast = [&ceremony[..], &[1, 4], b"junk", &[64], &signature.0].concat();
        }
    });
    let mut held: Vec<Passing> = Vec::new();
    let interceptor: Interceptor = Box::new(move |passing| {
        let (from, to, round) = (passing.envelope.from, passing.envelope.to, passing.envelope.round);
        if (from, to, round) == (index(1), index(2), 2) {
            let plain = honest.open(&passing.envelope).unwrap();
            *seen.lock().unwrap() = Some(Payload::decode(&plain).unwrap().echo.to_vec());
        }
        if from == index(2) && round > 1 {
            held.push(passing.clone());
        }
        let known = seen.lock().unwrap().is_some();
        let released = if known { std::mem::take(&mut held) } else { Vec::new() };
        let mut out: Vec<Delivery> = released.into_iter().flat_map(&mut cheating).collect();
        if from != index(2) || round == 1 {
            out.extend(cheating(passing));
        }
        out
    });
    cluster.relay.intercept(session, interceptor);
    for i in [1, 2, 4] {
        cluster.say(i, &ToParty::Reshare(Box::new(reshare.clone())));
    }
    let banned = |i: u8| cluster.banned(i, account.id());
    let two: Vec<PartyIndex> = points(&[2]);
    assert!(eventually(|| [1, 3, 4].iter().all(|i| banned(*i) == two)), "3 by evidence alone");
    assert_eq!(banned(2), []);
    let shown = cases(&cluster, 3, &account);
    assert!(!shown.is_empty() && shown.iter().all(|case| weigh(case).unwrap() == Standing::Convicted));
    // Whoever changes a word of it convicts nobody.
    for case in shown {
        let mut other = case.clone();
        other.notice.document.sentence = Sentence::Ban(cluster.party(4).spec.party.clone());
        assert!(weigh(&other).is_err());
        let finder = cluster.parties.iter().find(|party| Some(&party.card) == case.finder()).unwrap();
        let name = finder.spec.party.clone();
        other.notice = Signed::by(other.notice.document, name, &finder.keys.identity);
        assert!(weigh(&other).is_err(), "against another, signed by the finder");
        let without = Case { resharing: None, ..case };
        assert!(weigh(&without).is_err(), "without the resharing");
    }
    // A case that comes meanwhile may end one session, as every ban does; the next one signs.
    let signs = |attempt| {
        let answers = cluster.sign(&order(&cluster, &account, &[1, 3], attempt));
        answers.values().all(|answer| answer.signature().is_some())
    };
    assert!((1..=5).any(signs));
    check_barred(&cluster, &account, 3, &[2, 3], 6);
}
