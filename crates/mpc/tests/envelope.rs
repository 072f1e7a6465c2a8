//! The wire format: a snapshot, limits, and bytes from anywhere.

use cohold_model::canonical::Digest;
use cohold_model::ids::{Epoch, PartyIndex, SessionId};
use cohold_mpc::Envelope;
use cohold_mpc::channel::Payload;
use cohold_mpc::envelope::{ENVELOPE_BYTES_MAX, EnvelopeError};
use proptest::prelude::{any, prop, proptest};

fn sample() -> Envelope {
    Envelope {
        account: "acc_000102030405060708090a0b0c0d0e0f".parse().unwrap(),
        epoch: Epoch(1),
        session: SessionId(Digest([0xab; 32])),
        round: 300,
        from: PartyIndex::try_from(1).unwrap(),
        to: PartyIndex::try_from(2).unwrap(),
        sealed: vec![1, 2, 3],
    }
}

#[test]
fn the_bytes_are_those_of_version_two() {
    let mut expected = vec![2, 36];
    expected.extend(b"acc_000102030405060708090a0b0c0d0e0f");
    expected.extend([1, 64]);
    expected.extend("ab".repeat(32).bytes());
    expected.extend([0xac, 0x02, 1, 2, 3, 1, 2, 3]);
    assert_eq!(sample().encode().unwrap(), expected);
    assert_eq!(Envelope::decode(&expected).unwrap(), sample());
}

#[test]
fn what_is_no_envelope_is_refused() {
    let good = sample().encode().unwrap();
    let mut version = good.clone();
    version[0] = 1;
    let mut trailing = good.clone();
    trailing.push(0);
    let cases = [
        (Vec::new(), EnvelopeError::Malformed),
        (version, EnvelopeError::Version { found: 1 }),
        (trailing, EnvelopeError::Malformed),
        (good[..good.len() - 1].to_vec(), EnvelopeError::Malformed),
        (vec![1; ENVELOPE_BYTES_MAX + 1], EnvelopeError::Size { bytes: ENVELOPE_BYTES_MAX + 1 }),
    ];
    for (bytes, error) in cases {
        assert_eq!(Envelope::decode(&bytes), Err(error));
    }
    let big = Envelope { sealed: vec![0; ENVELOPE_BYTES_MAX], ..sample() };
    assert!(matches!(big.encode(), Err(EnvelopeError::Size { .. })));
}

/// Row 12: party indices 0, 19 and 255 do not exist on the wire either.
#[test]
fn indices_out_of_range_are_refused() {
    let good = sample().encode().unwrap();
    let at = good.len() - 6;
    assert_eq!(good[at], 1);
    for index in [0, 19, 255] {
        let mut bytes = good.clone();
        bytes[at] = index;
        assert_eq!(Envelope::decode(&bytes), Err(EnvelopeError::Malformed), "{index}");
    }
}

#[test]
fn debug_shows_the_header_only() {
    let shown = format!("{:?}", sample());
    assert!(shown.ends_with("round 300 1→2, 3 bytes)"), "{shown}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let versioned = [&[1], bytes.as_slice()].concat();
        for input in [&bytes, &versioned] {
            if let Ok(envelope) = Envelope::decode(input) {
                assert_eq!(Envelope::decode(&envelope.encode().unwrap()).unwrap(), envelope);
            }
        }
        let _ = Payload::decode(&bytes);
    }

    #[test]
    fn a_changed_byte_is_read_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = sample().encode().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = Envelope::decode(&bytes);
    }
}
