//! Whose certificates this device believes: the server's key, pinned at first use.

use anyhow::Context as _;
use cohold_api::IssuerView;
use cohold_vault::file::{private_folder, private_replace};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::home::Home;
use crate::output::{Exit, Failure, Output};

/// `issuer.toml` in the device's folder.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    fingerprint: String,
}

/// `cohold custody issuer`: shows whose certificates are believed, or pins another.
pub(crate) async fn run(output: Output, home: &Home, fingerprint: Option<&str>) -> anyhow::Result<()> {
    if let Some(fingerprint) = fingerprint {
        pin(home, fingerprint)?;
        let value = json!({"ok": true, "pinned": fingerprint});
        return output.result(&value, || format!("certificates of {fingerprint} are believed from now on"));
    }
    let (found, pinned) = (home.client()?.issuer().await?, pinned(home)?);
    let same = pinned.as_ref().map(|pinned| *pinned == found.identity.fingerprint());
    let value = json!({
        "pinned": pinned,
        "fingerprint": found.identity.fingerprint(),
        "identity": found.identity,
        "same": same,
        "declared": found.declared,
    });
    output.result(&value, || {
        let found = found.identity.fingerprint();
        match (&pinned, same) {
            (None, _) => format!("the server signs with {found}; none is pinned yet"),
            (Some(_), Some(true)) => format!("the server signs with {found}, as pinned"),
            (Some(pinned), _) => format!("the server signs with {found}, but {pinned} is pinned"),
        }
    })
}

/// The fingerprint that certificates must be of. The first one that is seen is pinned.
pub(crate) fn trusted(output: Output, home: &Home, view: &IssuerView) -> anyhow::Result<String> {
    let found = view.identity.fingerprint();
    match pinned(home)? {
        Some(pinned) if pinned == found => Ok(found),
        Some(pinned) => Err(Failure::error(
            Exit::Failed,
            "issuer-changed",
            format!(
                "the server signs certificates with `{found}`, and this device has pinned `{pinned}`: ask its \
                 operator, and only if that is the new key run `cohold custody issuer {found}`"
            ),
        )),
        None => {
            pin(home, &found)?;
            output.progress(&format!(
                "this server's certificates are signed by {found}, which is pinned now; compare it with what \
                 `cohold server` prints"
            ));
            Ok(found)
        }
    }
}

fn pinned(home: &Home) -> anyhow::Result<Option<String>> {
    let path = home.path("issuer.toml");
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let pin: Pin =
                toml::from_str(&text).with_context(|| format!("`{}` is not understood", path.display()))?;
            Ok(Some(pin.fingerprint))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
    }
}

fn pin(home: &Home, fingerprint: &str) -> anyhow::Result<()> {
    let digits = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if fingerprint.len() != 32 || !fingerprint.bytes().all(digits) {
        return Err(Failure::error(
            Exit::Usage,
            "fingerprint",
            format!("`{}` is not thirty-two hexadecimal digits", cohold_model::ids::excerpt(fingerprint)),
        ));
    }
    private_folder(&home.folder)?;
    let text = toml::to_string(&Pin { fingerprint: fingerprint.to_owned() })?;
    Ok(private_replace(&home.path("issuer.toml"), text.as_bytes())?)
}
