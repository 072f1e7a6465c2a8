//! `cohold doctor`: what is missing and how to get it.

use std::path::Path;

use cohold_node::config::{NodeConfig, VaultChoice};
use cohold_vault::token::{self, PinTries, Sight};
use serde_json::json;

use crate::home::Home;
use crate::output::{Exit, Output, Told};

struct Finding {
    what: &'static str,
    good: bool,
    needed: bool,
    detail: String,
}

/// Looks at what this machine and this device have.
pub(crate) async fn run(output: Output, home: &Home, node: Option<&Path>) -> anyhow::Result<()> {
    let mut findings = vec![anvil().await, folder(home), rules(home), entropy(), clock()];
    findings.extend(node.map(vault));
    findings.push(server(home).await);
    findings.extend(declared(home).await);
    findings.extend(clocks(home).await);
    let rows: Vec<_> = findings
        .iter()
        .map(|f| json!({"what": f.what, "ok": f.good, "needed": f.needed, "detail": f.detail}))
        .collect();
    let good = findings.iter().all(|f| f.good || !f.needed);
    output.result(&json!({"ok": good, "findings": rows}), || {
        let line = |f: &Finding| {
            let mark = if f.good {
                "ok     "
            } else if f.needed {
                "MISSING"
            } else {
                "absent "
            };
            format!("{mark}  {:12} {}", f.what, f.detail)
        };
        findings.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    if good { Ok(()) } else { Err(Told(Exit::Failed).into()) }
}

async fn anvil() -> Finding {
    let version = match crate::chain::anvil() {
        Some(path) => {
            let ran = tokio::process::Command::new(&path).arg("--version").output().await;
            ran.ok().filter(|out| out.status.success()).map(|out| {
                let text = String::from_utf8_lossy(&out.stdout);
                format!("{} ({})", text.lines().next().unwrap_or_default(), path.display())
            })
        }
        None => None,
    };
    let good = version.is_some();
    let detail = version.unwrap_or_else(|| {
        "no local chain: `cargo xtask install` gets anvil from npm, or set COHOLD_ANVIL; only `demo` and `dev --chain` need it".into()
    });
    Finding { what: "local chain", good, needed: false, detail }
}

fn folder(home: &Home) -> Finding {
    use std::os::unix::fs::PermissionsExt as _;
    let shown = home.folder.display();
    match std::fs::metadata(&home.folder) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 == 0 => {
            Finding { what: "device", good: true, needed: true, detail: format!("{shown}") }
        }
        Ok(_) => Finding {
            what: "device",
            good: false,
            needed: true,
            detail: format!("{shown} can be read by others: chmod 700 {shown}"),
        },
        Err(_) => Finding {
            what: "device",
            good: false,
            needed: false,
            detail: format!("{shown} does not exist yet: `cohold dev` makes one"),
        },
    }
}

fn rules(home: &Home) -> Finding {
    match home.rules() {
        Ok(rules) => {
            let chains: Vec<String> = rules.chain_ids().map(|id| id.to_string()).collect();
            Finding {
                what: "rules",
                good: true,
                needed: true,
                detail: format!("chains {}", chains.join(", ")),
            }
        }
        Err(error) => Finding {
            what: "rules",
            good: false,
            needed: home.path("rules.toml").exists(),
            detail: format!("{error:#}"),
        },
    }
}

fn entropy() -> Finding {
    let mut bytes = [0; 32];
    let drawn = getrandom::fill(&mut bytes);
    let detail = drawn.map_or_else(|e| format!("the system has none: {e}"), |()| "the system's own".into());
    Finding { what: "randomness", good: drawn.is_ok(), needed: true, detail }
}

/// A node's vault, as far as it can be seen without its passphrase or PIN.
fn vault(config: &Path) -> Finding {
    let finding = |good, detail| Finding { what: "vault", good, needed: true, detail };
    let text = match std::fs::read_to_string(config) {
        Ok(text) => text,
        Err(error) => return finding(false, format!("`{}` cannot be read: {error}", config.display())),
    };
    let settings = match toml::from_str::<NodeConfig>(&text).map(|config| config.vault) {
        Ok(VaultChoice::Pkcs11(settings)) => settings,
        Ok(VaultChoice::KeyFile) => {
            return finding(true, "a key file: whoever has the disk or a backup has the node".into());
        }
        Ok(VaultChoice::Passphrase) => return finding(true, "a passphrase, asked for at every start".into()),
        Err(error) => return finding(false, format!("`{}` is not understood: {error}", config.display())),
    };
    let folder = config.parent().unwrap_or(Path::new("."));
    let seen = settings.place(folder).map_err(|error| error.to_string());
    match seen.and_then(|place| token::look(&place).map_err(|error| error.to_string())) {
        Ok(Sight { made_by, serial, tries: PinTries::Untold }) => {
            finding(true, format!("a hardware token: {made_by}, serial `{serial}`"))
        }
        Ok(Sight { made_by, tries, .. }) => finding(
            tries == PinTries::Low,
            format!("a hardware token: {made_by}; wrong PINs were entered: {tries}"),
        ),
        Err(error) => finding(false, error),
    }
}

/// The first of January 2026: a clock before it is certainly wrong.
const EARLIEST: u64 = 1_767_225_600;

fn clock() -> Finding {
    let now = cohold_node::now();
    let good = now > EARLIEST;
    let detail =
        if good { format!("{now} seconds since 1970") } else { format!("{now}: the clock is wrong, set it") };
    Finding { what: "clock", good, needed: true, detail }
}

async fn server(home: &Home) -> Finding {
    let finding = |good, needed, detail| Finding { what: "server", good, needed, detail };
    let Ok(client) = home.client() else {
        return finding(false, false, "none is configured: `cohold dev` starts one".into());
    };
    match client.parties().await {
        Ok(parties) => {
            let names: Vec<String> = parties
                .iter()
                .map(|p| format!("{} ({})", p.card.document.party, if p.online { "here" } else { "away" }))
                .collect();
            finding(true, true, format!("answers; parties: {}", names.join(", ")))
        }
        Err(error) => finding(false, true, format!("{error:#}")),
    }
}

/// Whether the server says who runs what.
async fn declared(home: &Home) -> Option<Finding> {
    let issuer = home.client().ok()?.issuer().await.ok()?;
    let good = issuer.declared.as_object().is_some_and(|declared| !declared.is_empty());
    let detail = match good {
        true => "the server declares who runs what; `cohold custody issuer --json` shows it".into(),
        false => {
            "the server declares nothing, so certificates assume the worst of who runs what: its operator \
                  writes `custody.toml` beside `server.toml` (docs/custody.md)"
                .into()
        }
    };
    Some(Finding { what: "declaration", good, needed: false, detail })
}

/// The clocks of the server and of the nodes of the first account, against this machine's.
async fn clocks(home: &Home) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Ok(client) = home.client() else { return findings };
    if let Ok(health) = client.health().await {
        findings.push(apart("server", health.now));
    }
    let first = home.accounts().ok().and_then(|accounts| accounts.into_iter().next());
    let Some(charter) = first.map(|charter| charter.document) else { return findings };
    let Ok(said) = client.statements(charter.terms.account).await else { return findings };
    let fresh =
        |party: &cohold_model::PartyName| !said.missing.iter().any(|missing| missing == party.as_str());
    for statement in &said.statements {
        let party = &statement.document.party;
        let Some((_, card)) = charter.terms.party(party) else { continue };
        let is_node = card.kind.is_node();
        if is_node && fresh(party) && statement.is_signed_by(party, &card.identity) {
            findings.push(apart(party.as_str(), statement.document.issued_at));
        }
    }
    findings
}

/// Another clock against this one: parties take what is off by up to an hour.
fn apart(whose: &str, theirs: u64) -> Finding {
    let ours = cohold_node::now();
    let (seconds, way) = (ours.abs_diff(theirs), if theirs < ours { "behind" } else { "ahead of" });
    let about = match seconds {
        0..=5 => "agrees with this machine's".into(),
        6..=119 => format!("is {seconds} seconds {way} this machine's"),
        120..=7199 => format!("is {} minutes {way} this machine's", seconds / 60),
        _ => format!("is {} hours {way} this machine's", seconds / 3600),
    };
    let good = seconds < CLOCK_SECONDS_MAX;
    let help = if good { "" } else { ": set whichever is wrong, or payments are refused as expired" };
    Finding { what: "clock", good, needed: false, detail: format!("that of `{whose}` {about}{help}") }
}

/// From here on a payment of ten minutes may be refused.
const CLOCK_SECONDS_MAX: u64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_in_words() {
        let now = cohold_node::now();
        for (theirs, good, says) in [
            (now, true, "agrees with this machine's"),
            (now - 60, true, "seconds behind this machine's"),
            (now + 3_600, false, "minutes ahead of this machine's: set"),
            (now - 36_000, false, "is 10 hours behind this machine's: set"),
        ] {
            let found = apart("cosigner", theirs);
            assert!(found.good == good && found.detail.contains(says), "{}", found.detail);
        }
    }
}
