//! Plan, sign, assemble, broadcast, receipt: native and ERC-20, on a real chain.

use alloy_primitives::U256;
use cohold_chain_evm::assemble::RawSignature;
use cohold_chain_evm::plan::FundsError;
use cohold_chain_evm::{Address, Signed, Symbol, assemble, decode, matches, plan, signing_digest};
use cohold_chain_io::{BlockTag, Broadcast, Chain, FactsError, RejectionKind, TokenError};
use cohold_model::intent::{Action, Asset};
use cohold_model::{Amount, Intent};
use k256::ecdsa::SigningKey;

use crate::anvil::{Anvil, deploy, fund, mine};

const GWEI: u128 = 1_000_000_000;
const ETHER: u128 = 1_000_000_000 * GWEI;
const RECEIVER: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

struct Payer {
    key: SigningKey,
    public: Vec<u8>,
    address: Address,
}

fn payer(byte: u8) -> Payer {
    let key = SigningKey::from_bytes(&[byte; 32].into()).unwrap();
    let public = key.verifying_key().to_sec1_point(true).as_bytes().to_vec();
    Payer { address: Address::of_public_key(&public).unwrap(), key, public }
}

fn intent(asset: Asset, amount: u128) -> Intent {
    Intent {
        request: "req_000102030405060708090a0b0c0d0e0f".parse().unwrap(),
        account: "acc_000102030405060708090a0b0c0d0e0f".parse().unwrap(),
        chain_id: 31_337,
        action: Action::Transfer { asset, to: RECEIVER.into(), amount: amount.into() },
        requester: "device".parse().unwrap(),
        expires_at: u64::MAX,
        path: Default::default(),
    }
}

async fn signed(chain: &Chain, payer: &Payer, intent: &Intent) -> Signed {
    let facts = chain.gather_facts(payer.address, intent).await.unwrap();
    let payload = plan(intent, &facts).unwrap().payload.0;
    matches(&decode(&payload).unwrap(), intent).unwrap();
    let (signature, id) = payer.key.sign_prehash_recoverable(&signing_digest(&payload));
    let (r, s) = signature.split_bytes();
    let signature = RawSignature { r: r.into(), s: s.into(), recovery_id: id.to_byte() };
    assemble(&payload, &signature, &payer.public).unwrap()
}

/// `constructor(string name, string symbol, uint8 decimals, uint256 supply, address owner)`.
fn token_code(symbol: &str, decimals: u8, supply: u128, owner: Address) -> Vec<u8> {
    let artifact = include_str!("../../../../contracts/TestToken.json");
    let artifact: serde_json::Value = serde_json::from_str(artifact).unwrap();
    let code = artifact["bytecode"].as_str().unwrap();
    let word = |number: u128| U256::from(number).to_be_bytes::<32>();
    let text = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(32, 0);
        [word(text.len() as u128).to_vec(), bytes].concat()
    };
    let owner = [&[0; 12][..], owner.as_bytes()].concat();
    let heads = [word(160), word(224), word(decimals.into()), word(supply)].concat();
    [hex::decode(&code[2..]).unwrap(), heads, owner, text("Test token"), text(symbol)].concat()
}

#[tokio::test]
async fn ether_moves() {
    let Some(anvil) = Anvil::start(&[]) else { return };
    let (chain, payer) = (anvil.chain(), payer(7));
    fund(&chain, payer.address, (2 * ETHER).into()).await;
    let signed = signed(&chain, &payer, &intent(Asset::Native, 3 * ETHER / 2)).await;

    assert_eq!(chain.transaction(&signed.hash).await, Ok(None));
    assert_eq!(chain.inclusion(&signed.hash).await, Ok(None));
    assert_eq!(chain.broadcast(&signed).await, Ok(Broadcast::Accepted));
    mine(&chain, 1).await;
    assert_eq!(chain.broadcast(&signed).await, Ok(Broadcast::AlreadyKnown), "mined meanwhile");

    let inclusion = chain.inclusion(&signed.hash).await.unwrap().unwrap();
    assert!(inclusion.succeeded);
    assert_eq!((inclusion.gas_used, inclusion.contract), (21_000, None));
    let block = chain.block(BlockTag::Number(inclusion.block_number)).await.unwrap().unwrap();
    assert_eq!(block.hash, inclusion.block_hash);
    assert!(chain.block_number().await.is_ok_and(|newest| newest >= block.number));
    assert_eq!(chain.block(BlockTag::Number(block.number + 1000)).await, Ok(None));
    let known = chain.transaction(&signed.hash).await.unwrap().unwrap();
    assert_eq!((known.from, known.nonce, known.block_number), (payer.address, 0, Some(block.number)));

    let receiver: Address = RECEIVER.parse().unwrap();
    assert_eq!(chain.balance(receiver).await, Ok((3 * ETHER / 2).into()));
    assert_eq!(
        chain.balance(payer.address).await,
        Ok(Amount(U256::from(ETHER / 2) - inclusion.fee().0)),
        "amount and fee, nothing else"
    );
    assert!(inclusion.fee() <= signed.decoded.max_fee_total());
    assert_eq!(chain.nonce_latest(payer.address).await, Ok(1));

    mine(&chain, 100).await;
    let last = chain.block(BlockTag::Finalized).await.unwrap().unwrap();
    assert!(last.number >= block.number);
}

#[tokio::test]
async fn tokens_move() {
    let Some(anvil) = Anvil::start(&[]) else { return };
    let (chain, payer) = (anvil.chain(), payer(7));
    let contract = deploy(&chain, token_code("TST", 6, 1_000_000_000, payer.address)).await;
    let token = chain.token(contract).await.unwrap();
    assert_eq!((token.symbol, token.decimals), ("TST".parse::<Symbol>().unwrap(), 6));
    fund(&chain, payer.address, ETHER.into()).await;

    let wish = intent(Asset::Token(contract.to_string()), 2_500_000);
    // The second transfer finds the receiver's slot in use.
    for round in 1..=2_u128 {
        let signed = signed(&chain, &payer, &wish).await;
        assert_eq!(chain.broadcast(&signed).await, Ok(Broadcast::Accepted));
        mine(&chain, 1).await;
        let inclusion = chain.inclusion(&signed.hash).await.unwrap().unwrap();
        assert!(inclusion.succeeded && inclusion.gas_used < signed.decoded.gas_limit);
        let receiver: Address = RECEIVER.parse().unwrap();
        assert_eq!(chain.token_balance(contract, receiver).await, Ok((round * 2_500_000).into()));
    }
    let left = Amount::from(1_000_000_000 - 5_000_000);
    assert_eq!(chain.token_balance(contract, payer.address).await, Ok(left));

    let too_much = intent(Asset::Token(contract.to_string()), 1_000_000_000);
    let found = chain.gather_facts(payer.address, &too_much).await;
    assert!(matches!(found, Err(FactsError::Funds(FundsError::Token { .. }))), "{found:?}");
}

#[tokio::test]
async fn foreign_symbols_reach_no_screen() {
    let Some(anvil) = Anvil::start(&[]) else { return };
    let (chain, payer) = (anvil.chain(), payer(7));
    let contract = deploy(&chain, token_code("US\u{202e}DC\n", 77, 1, payer.address)).await;
    assert_eq!(chain.token(contract).await.unwrap().symbol.as_str(), "USDC");
    let contract = deploy(&chain, token_code("TST", 78, 1, payer.address)).await;
    assert!(matches!(chain.token(contract).await, Err(TokenError::NoToken { asked: "decimals", .. })));
    let contract = deploy(&chain, token_code("ΣΣ", 6, 1, payer.address)).await;
    assert!(matches!(chain.token(contract).await, Err(TokenError::NoToken { asked: "symbol", .. })));
}

#[tokio::test]
async fn what_cannot_succeed_is_refused_before_anything_is_signed() {
    let Some(anvil) = Anvil::start(&[]) else { return };
    let (chain, payer) = (anvil.chain(), payer(7));
    let check = async |wish: Intent, part: &str| {
        let found = chain.gather_facts(payer.address, &wish).await.map_err(|e| e.to_string());
        assert!(found.as_ref().is_err_and(|e| e.contains(part)), "{part}: {found:?}");
    };
    check(intent(Asset::Native, ETHER), "the account has 0 of the chain's coin, but needs 1").await;
    check(
        Intent { chain_id: 1, ..intent(Asset::Native, 1) },
        "serves chain 31337, the request is for chain 1",
    )
    .await;
    check(intent(Asset::Native, 0), "the amount is zero").await;
    check(intent(Asset::Token(RECEIVER.to_lowercase()), 1), "own contract").await;
    let nobody = format!("0x{}", "11".repeat(20));
    check(intent(Asset::Token(nobody), 1), "there is no ERC-20 token at `0x1111").await;

    // The balance suffices for the amount, not for the fee on top.
    fund(&chain, payer.address, ETHER.into()).await;
    let wish = intent(Asset::Native, ETHER);
    let facts = chain.gather_facts(payer.address, &wish).await.unwrap();
    let found = plan(&wish, &facts).unwrap_err().to_string();
    assert!(found.contains("up to 0.0000"), "{found}");

    // A receiver that refuses: a contract without a payable function.
    let contract = deploy(&chain, token_code("TST", 6, 1, payer.address)).await;
    let action = Action::Transfer { asset: Asset::Native, to: contract.to_string(), amount: 1.into() };
    check(Intent { action, ..intent(Asset::Native, 1) }, "would fail on the chain").await;
}

#[tokio::test]
async fn one_number_carries_one_transaction() {
    let Some(anvil) = Anvil::start(&["--no-mining"]) else { return };
    let (chain, payer) = (anvil.chain(), payer(7));
    fund(&chain, payer.address, (10 * ETHER).into()).await;
    let first = signed(&chain, &payer, &intent(Asset::Native, 1)).await;
    let rival = signed(&chain, &payer, &intent(Asset::Native, 2)).await;
    assert_eq!(first.decoded.nonce, rival.decoded.nonce);

    assert_eq!(chain.broadcast(&first).await, Ok(Broadcast::Accepted));
    assert_eq!(chain.broadcast(&first).await, Ok(Broadcast::AlreadyKnown), "waiting");
    let known = chain.transaction(&first.hash).await.unwrap().unwrap();
    assert_eq!(known.block_number, None);
    assert_eq!(chain.nonce_latest(payer.address).await, Ok(0));
    assert_eq!(chain.nonce_pending(payer.address).await, Ok(1), "those that wait count");
    let rejected = async || match chain.broadcast(&rival).await {
        Ok(Broadcast::Rejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    };
    assert_eq!(rejected().await.kind, RejectionKind::NonceTaken);
    mine(&chain, 1).await;
    assert_eq!(rejected().await.kind, RejectionKind::NonceUsed);
    assert_eq!(chain.broadcast(&first).await, Ok(Broadcast::AlreadyKnown), "mined");

    let next = signed(&chain, &payer, &intent(Asset::Native, 3)).await;
    fund(&chain, payer.address, 1.into()).await;
    match chain.broadcast(&next).await {
        Ok(Broadcast::Rejected(rejection)) => assert_eq!(rejection.kind, RejectionKind::Funds, "{rejection}"),
        other => panic!("{other:?}"),
    }
}
