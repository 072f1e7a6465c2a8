//! What a fresh machine lacks, installed from Debian and npm at pinned versions, and announced first.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{checker, shell};

/// A program from Debian, the packages that bring it, and who needs it.
struct Need {
    program: &'static str,
    packages: &'static [&'static str],
    reason: &'static str,
}

const FOR_ALL: [Need; 3] = [
    Need { program: "cc", packages: &["gcc", "libc6-dev"], reason: "SQLite, ring and libsecp256k1 are C" },
    Need { program: "node", packages: &["nodejs"], reason: "the Solidity compiler runs in it" },
    Need {
        program: "npm",
        packages: &["npm"],
        reason: "it fetches the local chain and the Solidity compiler",
    },
];
const FOR_TESTS: [Need; 2] = [
    Need {
        program: "chromium",
        packages: &["chromium"],
        reason: "the page of the second checker is tested in it",
    },
    Need {
        program: "softhsm2-util",
        packages: &["softhsm2"],
        reason: "vaults in hardware tokens are tested against its tokens",
    },
];

const TOOLS: &str = "tools";
/// No optional dependency, although it fits one platform only: npm leaves such out in silence where it dislikes the
/// version of Node, as with Debian's own.
const ANVIL: &str = "tools/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil";
const ANVIL_FITS: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));
/// Where `cohold` looks for the local chain first.
pub(crate) const ANVIL_VARIABLE: &str = "COHOLD_ANVIL";

/// Installs what `demo` lacks and returns the executable of the local chain.
pub(crate) fn install(root: &Path) -> Result<PathBuf> {
    from_debian(root, &FOR_ALL)?;
    from_npm(root, TOOLS)?;
    anvil(root)
}

/// The same, and what only the tests need: a browser, and the second checker, compiled.
pub(crate) fn install_for_tests(root: &Path) -> Result<PathBuf> {
    from_debian(root, &FOR_ALL)?;
    from_debian(root, &FOR_TESTS)?;
    checker::build(root)?;
    install(root)
}

/// Adds what `check` needs beside the compiler: formatter, linter, the browser's target.
pub(crate) fn toolchain_parts(root: &Path) -> Result<()> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let sysroot = shell::read(&mut shell::program(rustc, root, &["--print", "sysroot"]))?;
    let has_wasm = Path::new(sysroot.trim()).join("lib/rustlib/wasm32-unknown-unknown").is_dir();
    let has_rustfmt = shell::succeeds(&mut shell::cargo(root, &["fmt", "--version"]));
    let has_clippy = shell::succeeds(&mut shell::cargo(root, &["clippy", "--version"]));

    let wanted: [(bool, &[&str]); 3] = [
        (has_rustfmt, &["component", "add", "rustfmt"]),
        (has_clippy, &["component", "add", "clippy"]),
        (has_wasm, &["target", "add", "wasm32-unknown-unknown"]),
    ];
    for (_, args) in wanted.iter().filter(|(present, _)| !present) {
        let command = format!("rustup {}", args.join(" "));
        if shell::on_path("rustup").is_none() {
            bail!(
                "the Rust toolchain lacks a part: `{command}`, or its equivalent without rustup, then run again"
            );
        }
        eprintln!("xtask: installing into the Rust toolchain: {command}");
        shell::run(&mut shell::program("rustup", root, args))?;
    }
    Ok(())
}

fn from_debian(root: &Path, needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| shell::on_path(need.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages.iter().copied()).collect();
    for need in &missing {
        eprintln!("xtask: `{}` is missing: {}", need.program, need.reason);
    }
    if shell::on_path("apt-get").is_none() {
        bail!("install {} with this system's package manager, then run again", packages.join(", "));
    }
    let install = [&["install", "--yes", "--no-install-recommends"], packages.as_slice()].concat();
    let is_root = shell::read(&mut shell::program("id", root, &["-u"]))?.trim() == "0";
    let has_sudo = shell::on_path("sudo").is_some();
    if !is_root && !has_sudo {
        bail!("run this as root, then run again: apt-get update && apt-get {}", install.join(" "));
    }
    let front = if is_root { "" } else { "sudo " };
    eprintln!("xtask: installing from Debian: {front}apt-get update && {front}apt-get {}", install.join(" "));
    for args in [&["update"], install.as_slice()] {
        let mut command = match is_root {
            true => shell::program("apt-get", root, args),
            false => shell::program("sudo", root, &[&["apt-get"], args].concat()),
        };
        shell::run(command.env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    Ok(())
}

/// `npm ci` takes exactly what the folder's lock file names and hashes; no package's own scripts are run.
pub(crate) fn from_npm(root: &Path, folder: &str) -> Result<()> {
    // A copy of the lock file that `node_modules` was made from.
    let stamp = root.join(folder).join("node_modules/.installed-from.json");
    let path = root.join(folder).join("package-lock.json");
    let lock = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    if fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == lock) {
        return Ok(());
    }
    let mut args = vec!["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    if !ANVIL_FITS {
        // Else npm refuses the Solidity compiler together with a local chain that cannot start.
        args.push("--force");
    }
    let packages =
        locked_packages(&lock).with_context(|| format!("`{}` is not understood", path.display()))?;
    eprintln!("xtask: installing from npm into {folder}/node_modules: {packages}");
    shell::run(&mut shell::program("npm", &root.join(folder), &args))?;
    fs::write(&stamp, lock).with_context(|| format!("cannot write `{}`", stamp.display()))
}

/// `name version` of each package that npm will take.
fn locked_packages(lock: &str) -> Result<String> {
    let lock: serde_json::Value = serde_json::from_str(lock)?;
    let packages = lock["packages"].as_object().context("it lists no packages")?;
    let names = packages.iter().filter_map(|(path, package)| {
        let name = path.strip_prefix("node_modules/")?;
        Some(format!("{name} {}", package["version"].as_str()?))
    });
    Ok(names.collect::<Vec<_>>().join(", "))
}

/// The caller's own choice, else the one from npm, else the one on `PATH`.
fn anvil(root: &Path) -> Result<PathBuf> {
    if let Some(chosen) = std::env::var_os(ANVIL_VARIABLE) {
        return Ok(chosen.into());
    }
    let from_npm = root.join(ANVIL);
    if ANVIL_FITS && from_npm.is_file() {
        return Ok(from_npm);
    }
    shell::on_path("anvil").with_context(|| {
        format!(
            "npm has no local chain for this machine (`{} {}`): install Foundry's anvil 1.7.1 and set {ANVIL_VARIABLE} \
             to its executable, then run again",
            std::env::consts::ARCH,
            std::env::consts::OS
        )
    })
}
