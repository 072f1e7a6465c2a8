//! The lines that people read. They repeat what the sealed lines carry and must agree with them.

use cohold_model::civil::utc;

use crate::recovery::{RecoveryParseError, RecoveryPublic};

/// Text above the mark.
pub(crate) fn heading(public: &RecoveryPublic) -> String {
    let mut text = String::from(
        "COHOLD RECOVERY FILE\n\n\
         One share of an account, sealed with a passphrase. Alone it moves nothing: it signs only\n\
         together with other parties of the account. Keep this file and the passphrase apart, and\n\
         both away from the device. Printed, it can be typed in again: each line below the mark has\n\
         its own checksum.\n\n\
         To check it, without the passphrase:  cohold recovery check FILE\n\n",
    );
    for (label, value) in fields(public) {
        text.push_str(&format!("{:<9} {value}\n", format!("{label}:")));
    }
    text.push('\n');
    text
}

/// Finds a line for people that was changed or mistyped.
pub(crate) fn check(text: &str, public: &RecoveryPublic) -> Result<(), RecoveryParseError> {
    let fields = fields(public);
    for (line, content) in (1..).zip(text.lines()) {
        let Some((label, value)) = content.split_once(':') else { continue };
        let same_label = |(known, _): &&(&str, String)| *known == label.trim();
        let Some((label, expected)) = fields.iter().find(same_label) else { continue };
        if value.trim() != expected {
            return Err(RecoveryParseError::People {
                line,
                found: cohold_model::ids::excerpt(value.trim()),
                expected: format!("{label}: {expected}"),
            });
        }
    }
    Ok(())
}

/// Whether a text fits on one line.
pub(crate) fn is_printable(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn fields(public: &RecoveryPublic) -> Vec<(&'static str, String)> {
    let mut fields = vec![("account", public.account.to_string())];
    fields.extend(public.address.iter().map(|address| ("address", address.clone())));
    fields.extend([
        ("party", public.party.to_string()),
        ("epoch", public.epoch.to_string()),
        ("charter", public.charter.to_string()),
        ("created", utc(public.created_at)),
    ]);
    fields
}
