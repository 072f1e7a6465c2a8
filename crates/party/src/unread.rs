//! Orders of another version. A party that cannot read an order does not follow it; it says so, so that
//! nobody waits for it in vain.

use cohold_model::canonical::digest;
use cohold_model::{AccountId, Document as _, Resharing};
use serde_json::Value;

use crate::wire::{FromParty, PLAIN, PLAIN_BYTES_MAX};

/// The answer to words of the coordinator that are no order of this version, where somebody waits for one:
/// to a key generation, an import or a resharing. It names the order by what every version has in common.
#[must_use]
pub fn answer(bytes: &[u8]) -> Option<FromParty> {
    let (kind, json) = bytes.split_first()?;
    if *kind != PLAIN || json.len() > PLAIN_BYTES_MAX {
        return None;
    }
    let words: Value = serde_json::from_slice(json).ok()?;
    let reason = format!(
        "this party runs version {} and does not understand the order: bring all parties to one version, then \
         try again",
        env!("CARGO_PKG_VERSION")
    );
    match words.get("type")?.as_str()? {
        "keygen" => {
            let account = account(words.get("proposal")?.get("document")?)?;
            Some(FromParty::KeygenFailed { account, reason })
        }
        "reshare" => {
            let resharing = words.get("resharing")?.get("document")?;
            let (account, digest) = (account(resharing)?, digest(Resharing::TAG, resharing));
            Some(FromParty::ReshareFailed { account, resharing: digest, reason })
        }
        _ => None,
    }
}

/// The account whose terms a document has.
fn account(document: &Value) -> Option<AccountId> {
    document.get("terms")?.get("account")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(words: &Value) -> Option<FromParty> {
        answer(&[&[0], words.to_string().as_bytes()].concat())
    }

    #[test]
    fn only_orders_that_somebody_waits_for_are_answered() {
        let account = "acc_000102030405060708090a0b0c0d0e0f";
        let document = json!({"terms": {"account": account, "quorum": "of a later version"}});
        let signed = json!({"document": document, "signatures": {}});
        let Some(FromParty::ReshareFailed { account: named, resharing, reason }) =
            said(&json!({"type": "reshare", "resharing": signed}))
        else {
            panic!("an answer");
        };
        assert_eq!((named.to_string().as_str(), resharing), (account, digest(Resharing::TAG, &document)));
        assert!(reason.contains(env!("CARGO_PKG_VERSION")) && reason.contains("one version"), "{reason}");
        let keygen = said(&json!({"type": "keygen", "proposal": signed}));
        assert!(matches!(keygen, Some(FromParty::KeygenFailed { .. })), "{keygen:?}");
        for words in [
            json!({"type": "statement", "account": account}),
            json!({"type": "reshare"}),
            json!({"type": "reshare", "resharing": {"document": {"terms": {"account": "acc_"}}}}),
            json!({"type": 7}),
            json!([]),
        ] {
            assert_eq!(said(&words), None, "{words}");
        }
        assert_eq!(answer(&[]), None);
        assert_eq!(answer(b"\x01{}"), None);
        assert_eq!(answer(b"\x00{"), None);
        assert_eq!(answer(&vec![0; PLAIN_BYTES_MAX + 2]), None);
    }
}
