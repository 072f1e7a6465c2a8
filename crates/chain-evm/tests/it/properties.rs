//! For all transfers and for all bytes.

use alloy_primitives::U256;
use cohold_chain_evm::plan::Funds;
use cohold_chain_evm::{Address, Facts, decode, matches, open, plan};
use cohold_model::intent::Asset;
use cohold_model::{Amount, Intent};
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_assume, proptest};

use crate::fixtures::{facts, intent, native, token};

fn addresses() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_filter("zero receives nothing", |b| *b != [0; 20]).prop_map(Address::from)
}

/// Amounts of every length, so that every RLP header occurs.
fn amounts() -> impl Strategy<Value = Amount> {
    (any::<[u8; 32]>(), 0_usize..256)
        .prop_map(|(bytes, shift)| Amount((U256::from_be_bytes(bytes) >> shift) | U256::ONE))
}

fn intents() -> impl Strategy<Value = Intent> {
    let asset = proptest::option::of(addresses())
        .prop_map(|token| token.map_or(Asset::Native, |address| Asset::Token(address.to_string())));
    (asset, addresses(), amounts(), 1..=u64::MAX).prop_map(|(asset, to, amount, chain_id)| Intent {
        chain_id,
        ..intent(asset, &to.to_string(), amount)
    })
}

proptest! {
    #[test]
    fn a_plan_does_what_was_wanted(
        wish in intents(),
        nonce in 0..u64::MAX,
        base_fee_per_gas in 0..u128::from(u64::MAX),
        max_priority_fee_per_gas in 0..u128::from(u64::MAX),
        gas_estimate in 0..10_000_000_u64,
    ) {
        let most = Amount(U256::MAX);
        let facts = Facts {
            chain_id: wish.chain_id,
            nonce,
            base_fee_per_gas,
            max_priority_fee_per_gas,
            gas_estimate,
            funds: Funds { native: most, token: most },
        };
        let Ok(plan) = plan(&wish, &facts) else {
            // Only an amount next to 2^256 leaves no room for the fee.
            let cohold_model::intent::Action::Transfer { amount, .. } = wish.action;
            prop_assert!(amount.0 > U256::MAX >> 1);
            return Ok(());
        };
        let decoded = decode(&plan.payload.0).unwrap();
        prop_assert_eq!(matches(&decoded, &wish), Ok(()));
        prop_assert_eq!(decoded.nonce, nonce);
        prop_assert_eq!(decoded.max_fee_per_gas, 2 * base_fee_per_gas + max_priority_fee_per_gas);
        prop_assert!(decoded.gas_limit >= gas_estimate);
    }

    #[test]
    fn another_wish_never_matches(one in intents(), two in intents()) {
        prop_assume!((one.chain_id, &one.action) != (two.chain_id, &two.action));
        let facts = Facts { chain_id: one.chain_id, funds: Funds { native: Amount(U256::MAX), token: Amount(U256::MAX) }, ..facts() };
        if let Ok(plan) = plan(&one, &facts) {
            prop_assert!(matches(&decode(&plan.payload.0).unwrap(), &two).is_err());
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(decode(&bytes).is_err());
        prop_assert!(open(&bytes).is_err());
    }

    #[test]
    fn near_misses_never_panic_and_never_pass_for_the_original(
        wish_is_token in any::<bool>(),
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
        insert in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        let wish = if wish_is_token { token(77) } else { native(77) };
        let good = plan(&wish, &facts()).unwrap().payload.0;
        let mut bad = good.clone();
        for (index, byte) in &edits {
            *index.get_mut(&mut bad) = *byte;
        }
        bad.truncate(cut.map_or(bad.len(), |index| index.index(bad.len())));
        bad.extend(&insert);
        prop_assume!(bad != good);
        if let Ok(found) = decode(&bad) {
            prop_assert!(found != decode(&good).unwrap());
        }
        let _ = open(&bad);
    }

    #[test]
    fn addresses_are_read_back(address in any::<[u8; 20]>().prop_map(Address::from)) {
        prop_assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[test]
    fn random_texts_are_no_addresses_and_never_panic(text in "\\PC{0,60}") {
        prop_assert!(text.parse::<Address>().is_err());
    }
}
