//! From intent to words.

use cohold_chain_evm::effect::IntentError;
use cohold_chain_evm::matches::Mismatch;
use cohold_chain_evm::plan::{Funds, FundsError, PlanError};
use cohold_chain_evm::{Effect, Facts, Token, TokenBook, decode, describe, matches, plan};
use cohold_model::intent::Asset;
use cohold_model::{Amount, Document, Intent};

use crate::fixtures::{ETHER, GWEI, OTHER, RECEIVER, TOKEN, address, facts, intent, native, token};

fn words(intent: &Intent, facts: &Facts, tokens: &TokenBook) -> String {
    describe(&decode(&plan(intent, facts).unwrap().payload.0).unwrap(), tokens).to_string()
}

#[test]
fn a_payment_is_planned_decoded_and_told() {
    let wish = native(3 * ETHER / 2);
    let plan = plan(&wish, &facts()).unwrap();
    assert_eq!(plan.intent, wish.digest());
    assert_eq!(
        plan.payload.to_string(),
        "0x02f00107843b9aca008504e3b29200825208945aaeb6053f3e94c9b9a09f33669435e7ef1beaed8814d1120d7b16000080c0"
    );
    let decoded = decode(&plan.payload.0).unwrap();
    assert_eq!((decoded.chain_id, decoded.nonce, decoded.gas_limit), (1, 7, 21_000));
    assert_eq!((decoded.max_fee_per_gas, decoded.max_priority_fee_per_gas), (21 * GWEI, GWEI));
    assert_eq!(decoded.max_fee_total(), Amount::from(21_000 * 21 * GWEI));
    assert_eq!(
        decoded.effect,
        Effect::NativeTransfer { to: address(RECEIVER), amount: Amount::from(3 * ETHER / 2) }
    );
    assert_eq!(matches(&decoded, &wish), Ok(()));
    assert_eq!(
        words(&wish, &facts(), &TokenBook::default()),
        format!("send 1.5 ETH to {RECEIVER} on Ethereum (chain 1), for a fee of at most 0.000441 ETH")
    );
}

#[test]
fn a_token_payment_is_planned_decoded_and_told() {
    let wish = token(2_500_000);
    let facts = Facts { gas_estimate: 34_000, ..facts() };
    let plan = plan(&wish, &facts).unwrap();
    assert_eq!(
        plan.payload.to_string(),
        "0x02f86d0107843b9aca008504e3b2920082d4e494dbf03b407c01e7cd3cbea99509d93f8dddc8c6fb80b844a9059cbb\
         0000000000000000000000005aaeb6053f3e94c9b9a09f33669435e7ef1beaed\
         00000000000000000000000000000000000000000000000000000000002625a0c0"
    );
    let decoded = decode(&plan.payload.0).unwrap();
    assert_eq!(decoded.gas_limit, 34_000 + 3_400 + 17_100);
    let amount = Amount::from(2_500_000);
    assert_eq!(
        decoded.effect,
        Effect::TokenTransfer { token: address(TOKEN), to: address(RECEIVER), amount }
    );
    assert_eq!(matches(&decoded, &wish), Ok(()));

    let fee = "on Ethereum (chain 1), for a fee of at most 0.0011445 ETH";
    let mut tokens = TokenBook::default();
    assert_eq!(
        words(&wish, &facts, &tokens),
        format!("send 2500000 base units of the unknown token {TOKEN} to {RECEIVER} {fee}")
    );
    let usdc = Token { symbol: "USDC".parse().unwrap(), decimals: 6 };
    tokens.insert(5, address(TOKEN), usdc.clone());
    assert!(words(&wish, &facts, &tokens).contains("unknown token"), "another chain's token is unknown");
    tokens.insert(1, address(TOKEN), usdc);
    assert_eq!(words(&wish, &facts, &tokens), format!("send 2.5 USDC (token {TOKEN}) to {RECEIVER} {fee}"));
}

#[test]
fn networks_are_told_by_name_or_by_number() {
    let check = |chain_id: u64, expected: &str| {
        let wish = Intent { chain_id, ..native(ETHER) };
        let found = words(&wish, &Facts { chain_id, ..facts() }, &TokenBook::default());
        assert!(found.ends_with(expected), "{found}");
    };
    check(31_337, "on a local test chain (chain 31337), for a fee of at most 0.000441 ETH");
    check(137, "on Polygon (chain 137), for a fee of at most 0.000441 POL");
    check(8453, "for a fee of at most 0.000441 ETH and what the rollup charges for data");
    check(987_654, "on chain 987654, for a fee of at most 0.000441 coin");
}

#[test]
fn each_difference_has_its_own_error() {
    let decoded = decode(&plan(&token(5), &facts()).unwrap().payload.0).unwrap();
    let check = |wish: Intent, part: &str| {
        let found = matches(&decoded, &wish).unwrap_err();
        assert!(found.to_string().contains(part), "{found}");
        found
    };
    let other_chain = Intent { chain_id: 10, ..token(5) };
    assert!(matches!(check(other_chain, "is for chain 1"), Mismatch::Chain { found: 1, wanted: 10 }));
    assert!(matches!(check(native(5), "for the chain's own coin"), Mismatch::Asset { .. }));
    let other_token = intent(Asset::Token(OTHER.into()), RECEIVER, 5.into());
    assert!(matches!(check(other_token, "moves token `0xdbF0"), Mismatch::Asset { .. }));
    let other_receiver = intent(Asset::Token(TOKEN.into()), OTHER, 5.into());
    assert!(matches!(check(other_receiver, "pays `0x5aAe"), Mismatch::Receiver { .. }));
    assert!(matches!(check(token(6), "moves 5 base units"), Mismatch::Amount { .. }));
    assert!(matches!(check(token(0), "zero"), Mismatch::Intent(IntentError::ZeroAmount)));
}

#[test]
fn wishes_that_cannot_be_are_refused() {
    let check = |wish: Intent, part: &str| {
        let found = plan(&wish, &facts()).map_err(|e| e.to_string());
        assert!(found.as_ref().is_err_and(|e| e.contains(part)), "{found:?}");
    };
    let zero = format!("0x{}", "0".repeat(40));
    check(native(0), "the amount is zero");
    check(intent(Asset::Native, &zero, 1.into()), "zero address");
    check(intent(Asset::Native, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed", 1.into()), "EIP-55 checksum");
    check(intent(Asset::Native, "ana", 1.into()), "`ana` is not an address");
    check(intent(Asset::Token("USDC".into()), RECEIVER, 1.into()), "the token is refused");
    check(intent(Asset::Token(zero), RECEIVER, 1.into()), "the token is refused");
    check(intent(Asset::Token(TOKEN.into()), TOKEN, 1.into()), "the token's own contract");
    check(Intent { chain_id: 5, ..native(1) }, "serves chain 1, the request is for chain 5");
}

#[test]
fn facts_that_cannot_be_are_refused() {
    let check = |facts: Facts, part: &str| {
        let found = plan(&native(1), &facts).map_err(|e| e.to_string());
        assert!(found.as_ref().is_err_and(|e| e.contains(part)), "{found:?}");
    };
    check(Facts { nonce: u64::MAX, ..facts() }, "nonce");
    check(Facts { base_fee_per_gas: u128::MAX, ..facts() }, "fees do not fit");
    check(Facts { max_priority_fee_per_gas: u128::MAX, ..facts() }, "fees do not fit");
    check(Facts { gas_estimate: u64::MAX, ..facts() }, "gas");
    check(Facts { gas_estimate: 16_000_000, ..facts() }, "gas");
}

#[test]
fn what_the_account_lacks_is_said() {
    let fee = 21_000 * 21 * GWEI;
    let with = |native: u128, token: u128| Facts {
        funds: Funds { native: native.into(), token: token.into() },
        ..facts()
    };
    assert!(plan(&native(ETHER), &with(ETHER + fee, 0)).is_ok());
    let found = plan(&native(ETHER), &with(ETHER + fee - 1, 0)).unwrap_err();
    assert_eq!(
        found.to_string(),
        "the account has 1.000440999999999999 of the chain's coin, but needs 1 to send and up to 0.000441 for \
         fees: fund it or send less"
    );
    assert!(plan(&token(5), &with(fee, 5)).is_ok());
    assert!(matches!(plan(&token(5), &with(fee - 1, 5)), Err(PlanError::Funds(FundsError::Native { .. }))));
    assert!(matches!(plan(&token(6), &with(fee, 5)), Err(PlanError::Funds(FundsError::Token { .. }))));
    let most = intent(Asset::Native, RECEIVER, Amount(alloy_primitives::U256::MAX));
    assert!(matches!(plan(&most, &with(u128::MAX, 0)), Err(PlanError::Funds(_))), "no overflow");
}
