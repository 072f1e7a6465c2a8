use cohold_chain_evm::plan::Funds;
use cohold_chain_evm::{Address, Facts};
use cohold_model::intent::{Action, Asset};
use cohold_model::{Amount, Intent};

pub(crate) const RECEIVER: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
pub(crate) const OTHER: &str = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359";
pub(crate) const TOKEN: &str = "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB";
pub(crate) const GWEI: u128 = 1_000_000_000;
pub(crate) const ETHER: u128 = 1_000_000_000 * GWEI;

pub(crate) fn address(text: &str) -> Address {
    text.parse().unwrap()
}

pub(crate) fn intent(asset: Asset, to: &str, amount: Amount) -> Intent {
    Intent {
        request: "req_000102030405060708090a0b0c0d0e0f".parse().unwrap(),
        account: "acc_000102030405060708090a0b0c0d0e0f".parse().unwrap(),
        chain_id: 1,
        action: Action::Transfer { asset, to: to.into(), amount },
        requester: "device".parse().unwrap(),
        expires_at: 2_000_000_000,
        path: Default::default(),
    }
}

pub(crate) fn native(amount: u128) -> Intent {
    intent(Asset::Native, RECEIVER, amount.into())
}

pub(crate) fn token(amount: u128) -> Intent {
    intent(Asset::Token(TOKEN.into()), RECEIVER, amount.into())
}

pub(crate) fn facts() -> Facts {
    Facts {
        chain_id: 1,
        nonce: 7,
        base_fee_per_gas: 10 * GWEI,
        max_priority_fee_per_gas: GWEI,
        gas_estimate: 21_000,
        funds: Funds { native: (10 * ETHER).into(), token: 1_000_000_000_u128.into() },
    }
}
