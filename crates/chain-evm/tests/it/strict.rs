//! One way to write each transaction; everything else is refused, each with its own words.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{Bytes, TxKind, U256};
use cohold_chain_evm::decode::{DecodeError, GAS_LIMIT_MAX, PAYLOAD_BYTES_MAX};
use cohold_chain_evm::effect::CallError;
use cohold_chain_evm::{decode, plan};

use crate::fixtures::{GWEI, RECEIVER, TOKEN, address, facts, native, token};

/// A sound token transfer, to be spoilt.
fn transaction() -> TxEip1559 {
    let mut data = hex::decode("a9059cbb").unwrap();
    data.extend([0; 12]);
    data.extend(address(RECEIVER).as_bytes());
    data.extend(U256::from(5).to_be_bytes::<32>());
    TxEip1559 {
        chain_id: 1,
        nonce: 7,
        gas_limit: 60_000,
        max_fee_per_gas: 21 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: TxKind::Call(address(TOKEN).into()),
        value: U256::ZERO,
        access_list: Default::default(),
        input: data.into(),
    }
}

fn spoilt(spoil: impl FnOnce(&mut TxEip1559)) -> DecodeError {
    let mut transaction = transaction();
    assert!(decode(&transaction.encoded_for_signing()).is_ok());
    spoil(&mut transaction);
    decode(&transaction.encoded_for_signing()).unwrap_err()
}

fn with_byte(index: usize, value: u8) -> impl FnOnce(&mut TxEip1559) {
    move |t| {
        let mut data = t.input.to_vec();
        data[index] = value;
        t.input = data.into();
    }
}

#[test]
fn calls_that_are_no_transfer() {
    let check = |found: DecodeError, expected: CallError| assert_eq!(found, DecodeError::Call(expected));
    check(spoilt(|t| t.to = TxKind::Create), CallError::ContractCreation);
    check(spoilt(|t| t.value = U256::from(1)), CallError::ValueOnTokenCall(1.into()));
    check(spoilt(|t| t.to = TxKind::Call(Default::default())), CallError::ZeroToken);
    for index in [4, 9, 15] {
        check(spoilt(with_byte(index, 1)), CallError::DirtyReceiver);
    }
    check(spoilt(with_byte(67, 0)), CallError::ZeroAmount);
    check(
        spoilt(|t| {
            let mut data = t.input.to_vec();
            data[16..36].fill(0);
            t.input = data.into();
        }),
        CallError::ZeroReceiver,
    );
    let unknown = |selector: &str, length| CallError::UnknownCall { selector: selector.into(), length };
    check(spoilt(with_byte(0, 0xaa)), unknown("0xaa059cbb", 68));
    check(spoilt(|t| t.input = t.input.slice(..67)), unknown("0xa9059cbb", 67));
    check(spoilt(|t| t.input = [&t.input[..], &[0]].concat().into()), unknown("0xa9059cbb", 69));
    check(spoilt(|t| t.input = Bytes::from_static(&[0xa9, 0x05, 0x9c, 0xbb])), unknown("0xa9059cbb", 4));
    check(spoilt(|t| t.input = Bytes::from_static(&[0])), unknown("0x00", 1));
    check(
        spoilt(|t| {
            t.input = Bytes::new();
        }),
        CallError::ZeroAmount,
    );
}

#[test]
fn an_approval_is_no_transfer() {
    // approve(address,uint256) of USDC without limit, as encoded by Foundry's `cast`.
    let payload = hex::decode(
        "02f86e0107843b9aca008506fc23ac00830186a094a0b86991c6218b36c1d19d4a2e9eb0ce3606eb4880b844095ea7b3\
         0000000000000000000000003fc91a3afd70395cd496c647d5a6cc9d4b2b7fad\
         ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc0",
    )
    .unwrap();
    assert!(matches!(decode(&payload), Err(DecodeError::Call(CallError::UnknownCall { .. }))));
    assert_eq!(
        hex::encode(cohold_chain_evm::signing_digest(&payload)),
        "09178b7896b44cc0af679dd664e3fd99f3cc46316779d3fd773366f49652d431"
    );
}

#[test]
fn fields_out_of_bounds() {
    assert_eq!(spoilt(|t| t.chain_id = 0), DecodeError::ZeroChain);
    assert_eq!(spoilt(|t| t.gas_limit = GAS_LIMIT_MAX + 1), DecodeError::GasLimit(GAS_LIMIT_MAX + 1));
    assert!(matches!(spoilt(|t| t.max_priority_fee_per_gas = 22 * GWEI), DecodeError::TipAboveFee { .. }));
    let listed = |t: &mut TxEip1559| t.access_list = vec![Default::default()].into();
    assert_eq!(spoilt(listed), DecodeError::AccessList);
    assert!(matches!(spoilt(|t| t.input = vec![0; PAYLOAD_BYTES_MAX].into()), DecodeError::TooLong(_)));
}

#[test]
fn other_encodings() {
    let good = plan(&native(5), &facts()).unwrap().payload.0;
    let body = &good[2..];
    assert_eq!(good[1], 0xc0 + body.len() as u8);
    let listed = |body: &[u8]| [&[0x02, 0xc0 + body.len() as u8], body].concat();
    assert!(decode(&listed(body)).is_ok());

    assert_eq!(decode(&[]), Err(DecodeError::Type));
    assert_eq!(decode(&[0x02]), Err(DecodeError::Rlp(alloy_rlp::Error::InputTooShort)));
    assert_eq!(decode(&[&[0x01], &good[1..]].concat()), Err(DecodeError::Type));
    assert_eq!(decode(&good[1..]), Err(DecodeError::Type));
    assert_eq!(decode(&[&good[..], &[0]].concat()), Err(DecodeError::Trailing(1)));
    let long_header = [&[0x02, 0xf8, body.len() as u8], body].concat();
    let leading_zero = listed(&[&[0x82, 0x00, 0x01], &body[1..]].concat());
    let long_one = listed(&[&[0x81, 0x01], &body[1..]].concat());
    let tenth_field = listed(&[body, &[0x80]].concat());
    let no_access_list = listed(&body[..body.len() - 1]);
    for bad in [long_header, leading_zero, long_one, tenth_field, no_access_list] {
        assert!(matches!(decode(&bad), Err(DecodeError::Rlp(_) | DecodeError::NotCanonical)), "{bad:02x?}");
    }
    for end in 0..good.len() {
        assert!(decode(&good[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn every_flipped_bit_is_seen() {
    for wish in [native(5_000_000_000), token(2_500_000)] {
        let good = plan(&wish, &facts()).unwrap().payload.0;
        let decoded = decode(&good).unwrap();
        for index in 0..good.len() {
            for flip in 1..=u8::MAX {
                let mut bad = good.clone();
                bad[index] ^= flip;
                assert_ne!(decode(&bad).ok(), Some(decoded), "byte {index} ^ {flip:02x}");
            }
        }
    }
}
