//! Solidity to committed artifacts: interface and creation code, the same bytes on every machine.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{install, shell};

/// Each is `contracts/NAME.sol` with one contract of that name; its artifact is `contracts/NAME.json`.
const CONTRACTS: [&str; 1] = ["TestToken"];
const COMPILER: &str = "tools/node_modules/solc/solc.js";

/// Compiles every contract into its artifact.
pub(crate) fn write(root: &Path) -> Result<()> {
    install::install(root)?;
    for name in CONTRACTS {
        let path = root.join(format!("contracts/{name}.json"));
        fs::write(&path, artifact(root, name)?)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        eprintln!("xtask: wrote contracts/{name}.json");
    }
    Ok(())
}

/// Fails if an artifact is not what its source compiles to.
pub(crate) fn compare(root: &Path) -> Result<()> {
    install::install(root)?;
    for name in CONTRACTS {
        let committed = fs::read_to_string(root.join(format!("contracts/{name}.json"))).unwrap_or_default();
        if committed != artifact(root, name)? {
            bail!(
                "contracts/{name}.json is not what contracts/{name}.sol compiles to; run `cargo xtask contracts`"
            );
        }
    }
    Ok(())
}

fn artifact(root: &Path, name: &str) -> Result<String> {
    let source = fs::read_to_string(root.join(format!("contracts/{name}.sol")))
        .with_context(|| format!("cannot read `contracts/{name}.sol`"))?;
    let settings = json!({
        "optimizer": { "enabled": true, "runs": 200 },
        "evmVersion": "cancun",
        // No hash of paths and comments at the end of the code.
        "metadata": { "appendCBOR": false },
        "outputSelection": { "*": { "*": ["abi", "evm.bytecode.object"] } },
    });
    let input = json!({
        "language": "Solidity",
        "sources": { format!("{name}.sol"): { "content": source } },
        "settings": settings,
    });
    let output = solc(root, &input)?;
    if let Some(problems) = output["errors"].as_array().filter(|problems| !problems.is_empty()) {
        let texts: Vec<&str> =
            problems.iter().filter_map(|problem| problem["formattedMessage"].as_str()).collect();
        bail!("`contracts/{name}.sol` does not compile without a word:\n{}", texts.join("\n"));
    }
    let contract = &output["contracts"][format!("{name}.sol")][name];
    let code = contract["evm"]["bytecode"]["object"].as_str().context("solc gave no creation code")?;
    let artifact = json!({
        "contract": name,
        "compiler": version(root)?,
        "optimizer": settings["optimizer"],
        "evmVersion": settings["evmVersion"],
        "abi": contract["abi"],
        "bytecode": format!("0x{code}"),
    });
    Ok(format!("{artifact:#}\n"))
}

fn solc(root: &Path, input: &Value) -> Result<Value> {
    let mut child = Command::new("node")
        .current_dir(root)
        .args([COMPILER, "--standard-json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("cannot start `node`")?;
    child.stdin.take().context("`node` has no standard input")?.write_all(input.to_string().as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("`node {COMPILER} --standard-json` failed ({})", output.status);
    }
    let output = String::from_utf8(output.stdout).context("the answer of solc is no UTF-8")?;
    // Above its answer it reports, each time, that it found no SMT solver.
    let answer = output.lines().find(|line| line.starts_with('{')).context("solc gave no answer")?;
    serde_json::from_str(answer).context("the answer of solc is no JSON")
}

fn version(root: &Path) -> Result<String> {
    let version = shell::read(&mut shell::program("node", root, &[COMPILER, "--version"]))?;
    Ok(format!("solc {}", version.trim()))
}
