//! Everybody keeps to the rules, and the relay is at worst bad.

use cohold_chain_evm::Address;
use cohold_model::Document as _;
use cohold_model::intent::Asset;
use cohold_testkit::account::{ALICE, TOKEN, Wish};
use cohold_testkit::cluster::answer_in;
use cohold_testkit::{Account, Cluster, Letter, PATIENCE, Weather};

const STORM: Weather = Weather { loss_percent: 20, repeat_percent: 30, delay_ms_max: 60 };

/// Signs with these parties; at least one of them has a signature that fits the transaction.
fn check_signs(cluster: &Cluster, account: &Account, wish: &Wish, signers: &[u8]) {
    let order = account.order(wish, cluster.party(1), signers, 1);
    for (i, answer) in cluster.sign(&order) {
        let signature = answer.signature().unwrap_or_else(|| panic!("party {i}: {answer:?}"));
        let signed = account.assemble(&order.plan, signature).unwrap();
        let key = &account.charter.document.key.public_key.0;
        assert_eq!(signed.from, Address::of_public_key(key).unwrap());
        assert_eq!(signed.decoded.effect.receiver().to_string(), ALICE);
    }
}

#[test]
fn an_account_comes_into_force_and_every_pair_signs() {
    let cluster = Cluster::start(3);
    let account = cluster.account(2);
    for (nonce, signers) in [[1, 2], [1, 3], [2, 3]].into_iter().enumerate() {
        check_signs(&cluster, &account, &Wish { nonce: nonce as u64, ..Wish::new() }, &signers);
    }
    let token = Wish { asset: Asset::Token(TOKEN.into()), nonce: 3, amount: 5, ..Wish::new() };
    check_signs(&cluster, &account, &token, &[1, 2]);
    for i in 1..=3 {
        assert_eq!(cluster.listed(i), 1);
        assert_eq!(cluster.banned(i, account.id()), []);
        let kept = cluster.party(i).store().account_show(account.id()).unwrap().unwrap().charter;
        assert_eq!(kept.document.digest(), account.charter.document.digest());
    }
}

#[test]
fn three_of_four_sign() {
    let cluster = Cluster::start(4);
    let account = cluster.account(3);
    check_signs(&cluster, &account, &Wish::new(), &[1, 3, 4]);
}

#[test]
fn a_bad_relay_delays_but_stops_nothing() {
    let cluster = Cluster::start(3);
    let proposal = cluster.proposal(cluster.terms(2));
    cluster.relay.intercept(Cluster::keygen_session(&proposal), STORM.from_seed(1));
    cluster.keygen(&proposal);
    let charter = cluster.charter(&proposal);
    cluster.activate(&charter);
    let account = Account { charter };
    for seed in 2..5 {
        let wish = Wish { nonce: seed, ..Wish::new() };
        let order = account.order(&wish, cluster.party(1), &[2, 3], 1);
        cluster.relay.intercept(order.session(), STORM.from_seed(seed));
        let mark = [2, 3].map(|i| cluster.order(i, &order))[0];
        // One signature is all that a payment needs: who has it does not wait for the other.
        let answer = |letter: &Letter| answer_in(letter, order.session());
        let first = cluster.relay.mail().wait(mark, PATIENCE, answer).unwrap();
        let signature = first.signature().unwrap_or_else(|| panic!("seed {seed}: {first:?}"));
        account.assemble(&order.plan, signature).unwrap();
    }
    for i in 1..=3 {
        assert_eq!(cluster.banned(i, account.id()), []);
    }
}
