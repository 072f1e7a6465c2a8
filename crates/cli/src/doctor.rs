//! `cohold doctor`: what is missing and how to get it.

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
pub(crate) async fn run(output: Output, home: &Home) -> anyhow::Result<()> {
    let mut findings = vec![anvil().await, folder(home), rules(home), entropy(), clock()];
    findings.push(server(home).await);
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
