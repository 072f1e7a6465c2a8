//! The rules file: what it lets through to the last base unit, what it refuses, and files that are wrong.

use cohold_chain_evm::{Address, Decoded, Effect};
use cohold_model::intent::Asset;
use cohold_model::statement::Receivers;
use cohold_model::{Amount, IdentitySecret};
use cohold_party::Rules;
use cohold_party::refusal::Code;

const ALICE: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const BOB: &str = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";
const TOKEN: &str = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
const COIN: u128 = 1_000_000_000_000_000_000;

const RULES: &str = r#"
accept = "any"

[[chain]]
id = 31337
coin = "ETH"
fee_max = "0.01"
fees_per_day = "0.1"

[[chain.asset]]
per_transaction = "1"
per_day = "5"
receivers = "any"

[[chain.asset]]
token = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
symbol = "TST"
decimals = 6
per_day = "1000"
# in lower case: without a checksum, the same address
receivers = ["0x70997970c51812dc3a010c7d01b50e0d17dc79c8"]

[[chain]]
id = 8453
coin = "ETH"
fee_max = "0"
"#;

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn coin(to: &str, amount: u128) -> Decoded {
    let effect = Effect::NativeTransfer { to: address(to), amount: amount.into() };
    Decoded {
        chain_id: 31_337,
        nonce: 0,
        gas_limit: 21_000,
        max_fee_per_gas: 1,
        max_priority_fee_per_gas: 1,
        effect,
    }
}

fn token(contract: &str, to: &str, amount: u128) -> Decoded {
    let effect = Effect::TokenTransfer { token: address(contract), to: address(to), amount: amount.into() };
    Decoded { effect, ..coin(to, 1) }
}

#[test]
fn what_is_not_listed_is_refused() {
    let rules = Rules::parse(RULES).unwrap();
    let check = |decoded: Decoded, expected: Result<Option<u128>, (Code, &str)>| match (
        rules.check(&decoded),
        expected,
    ) {
        (Ok(allowance), Ok(per_day)) => assert_eq!(allowance.per_day, per_day.map(Amount::from)),
        (Err(refusal), Err((code, part))) => {
            assert_eq!(refusal.code, code, "{refusal}");
            assert!(refusal.message.contains(part), "{refusal}");
        }
        (found, expected) => panic!("{decoded:?}: {found:?} instead of {expected:?}"),
    };
    check(coin(ALICE, 1), Ok(Some(5 * COIN)));
    check(coin(BOB, COIN), Ok(Some(5 * COIN)));
    check(coin(BOB, COIN + 1), Err((Code::Limit, "per transaction")));
    check(token(TOKEN, ALICE, 1_000_000_000), Ok(Some(1_000_000_000)));
    check(token(TOKEN, BOB, 1), Err((Code::Rules, "receiver")));
    check(token(ALICE, BOB, 1), Err((Code::Rules, "token")));
    for chain_id in [0, 1, 31_336, u64::MAX] {
        check(Decoded { chain_id, ..coin(ALICE, 1) }, Err((Code::Rules, "chain")));
    }
    // A chain without assets moves nothing, and one without fees not even that.
    let free = Decoded { max_fee_per_gas: 0, max_priority_fee_per_gas: 0, ..coin(ALICE, 1) };
    check(Decoded { chain_id: 8453, ..free }, Err((Code::Rules, "may not move")));
    check(Decoded { chain_id: 8453, ..coin(ALICE, 1) }, Err((Code::Rules, "fees")));
    // 0.01 ETH in fees, to the last wei.
    let gas_limit = 10_000;
    check(Decoded { gas_limit, max_fee_per_gas: COIN / 1_000_000, ..coin(ALICE, 1) }, Ok(Some(5 * COIN)));
    let above = Decoded { gas_limit, max_fee_per_gas: COIN / 1_000_000 + 1, ..coin(ALICE, 1) };
    check(above, Err((Code::Rules, "fees")));
    let huge = Decoded { gas_limit: u64::MAX, max_fee_per_gas: u128::MAX, ..coin(ALICE, 1) };
    check(huge, Err((Code::Rules, "fees")));
}

#[test]
fn an_empty_file_of_rules_lets_nothing_through() {
    let rules = Rules::parse("accept = []").unwrap();
    assert_eq!(rules.check(&coin(ALICE, 1)).unwrap_err().code, Code::Rules);
    assert_eq!(rules.allowances(), []);
    assert_eq!(rules.chain_ids().count(), 0);
    let known = IdentitySecret::from_seed(&mut [1; 32]).public();
    assert_eq!(rules.check_proposer(&known).unwrap_err().code, Code::Rules);
    let rules = Rules::parse(&format!("accept = [\"{}\"]", known.fingerprint())).unwrap();
    assert!(rules.check_proposer(&known).is_ok());
    let stranger = IdentitySecret::from_seed(&mut [2; 32]).public();
    assert!(rules.check_proposer(&stranger).unwrap_err().message.contains(&stranger.fingerprint()));
    assert!(Rules::parse(RULES).unwrap().check_proposer(&stranger).is_ok());
}

#[test]
fn statements_say_what_the_file_says() {
    let rules = Rules::parse(RULES).unwrap();
    let [native, token] = &rules.allowances()[..] else { panic!("two allowances") };
    assert_eq!((&native.asset, native.receivers.clone()), (&Asset::Native, Receivers::Any));
    assert_eq!(native.per_transaction, Some(COIN.into()));
    assert_eq!(token.asset, Asset::Token(TOKEN.into()));
    assert_eq!(token.receivers, Receivers::Only(vec![ALICE.into()]));
    assert_eq!((token.per_transaction, token.decimals), (None, 6));
    assert_eq!(rules.chain_ids().collect::<Vec<_>>(), [31_337, 8453]);
    let fees = rules.fee_bounds();
    let told: Vec<_> = fees.iter().map(|fees| (fees.chain_id, fees.per_transaction, fees.per_day)).collect();
    assert_eq!(
        told,
        [(31_337, (COIN / 100).into(), Some((COIN / 10).into())), (8453, Amount::from(0), None)]
    );
    assert!(fees.iter().all(|fees| fees.coin == "ETH" && fees.decimals == 18));
    // Any change of the text is another file.
    assert_eq!(rules.digest(), Rules::parse(RULES).unwrap().digest());
    assert_ne!(rules.digest(), Rules::parse(&RULES.replace("\"5\"", "\"6\"")).unwrap().digest());
}

#[test]
fn files_that_are_wrong_are_refused() {
    let check = |from: &str, to: &str, part: &str| {
        assert!(RULES.contains(from), "{from}");
        let error = Rules::parse(&RULES.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(part), "{to}: {error}");
    };
    check("accept = \"any\"", "", "accept");
    check("accept = \"any\"", "accept = \"all\"", "`all`");
    check("accept = \"any\"", "accept = true", "not understood");
    check("accept = \"any\"", "accept = \"any\"\nallow = \"any\"", "allow");
    check("8453", "31337", "listed twice");
    check("id = 31337", "id = -1", "not understood");
    check("fee_max = \"0.01\"", "", "fee_max");
    check("fees_per_day = \"0.1\"", "fees_per_day = \"much\"", "fees_per_day");
    check("fee_max = \"0.01\"", "fee_max = \"-0.01\"", "fee_max");
    check("fee_max = \"0.01\"", "fee_max = 0.01", "not understood");
    check("fee_max = \"0.01\"", "fee_max = \"0.0000000000000000001\"", "fee_max");
    check("per_transaction = \"1\"", "per_transaction = \"one\"", "per_transaction of `ETH`");
    check("per_transaction = \"1\"", "per_transactoin = \"1\"", "per_transactoin");
    check("per_day = \"1000\"", "per_day = \"0.0000001\"", "per_day of `TST`");
    check("per_day = \"1000\"", &format!("per_day = \"1{}\"", "0".repeat(80)), "per_day of `TST`");
    check("receivers = \"any\"", "", "receivers");
    check("receivers = \"any\"", "receivers = \"anyone\"", "`anyone`");
    check("receivers = \"any\"", "receivers = [\"vitalik.eth\"]", "vitalik.eth");
    // The last digit of the checksum is wrong.
    check("f64180aa3", "f64180aA3", "checksum");
    check("symbol = \"TST\"", "", "needs `token`, `symbol` and `decimals`");
    check("decimals = 6", "", "needs `token`, `symbol` and `decimals`");
    check("receivers = \"any\"", "receivers = \"any\"\ndecimals = 18", "the coin needs none");
    let twice = "[[chain.asset]]\nreceivers = \"any\"\n\n[[chain]]\nid = 8453";
    check("[[chain]]\nid = 8453", twice, "listed twice");
    check("decimals = 6", "decimals = 300", "not understood");
}
