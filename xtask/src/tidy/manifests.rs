//! Manifests: a crate lies in the folder of its name, and every dependency says why it is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::floors;
use crate::metadata::Member;

/// Every manifest that does not keep to the rules, in a sentence.
pub(super) fn breaches(root: &Path, members: &[Member]) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for member in members {
        let path = member.folder.join("Cargo.toml");
        let manifest =
            fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        breaches.extend(of_member(root, member, &manifest));
    }
    let manifest = fs::read_to_string(root.join("Cargo.toml")).context("cannot read `Cargo.toml`")?;
    breaches.extend(of_workspace(&manifest, members));
    Ok(breaches)
}

fn of_member(root: &Path, member: &Member, manifest: &str) -> Vec<String> {
    let name = member.name.as_str();
    let mut breaches = Vec::new();
    if !floors::has_place(name) {
        breaches.push(format!("`{name}` has no floor: give it one in xtask/src/tidy/floors.rs"));
    }
    let folder = match name {
        "xtask" => "xtask".to_owned(),
        "cohold-fuzz" => "fuzz".to_owned(),
        "cohold" => "crates/cli".to_owned(),
        _ => format!("crates/{}", name.strip_prefix("cohold-").unwrap_or(name)),
    };
    if member.folder != root.join(&folder) {
        breaches.push(format!("`{name}` lies in `{}`, not in `{folder}`", member.folder.display()));
    }
    if !manifest.contains("[lints]\nworkspace = true") {
        breaches.push(format!("`{name}` does not take the lints of the workspace"));
    }
    breaches
}

/// A table of the manifest is a run of lines; entries without a blank line between may share one comment.
fn of_workspace(manifest: &str, members: &[Member]) -> Vec<String> {
    let used: BTreeSet<&str> =
        members.iter().flat_map(|member| member.edges.iter().map(|edge| edge.to.as_str())).collect();
    let table = manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    let mut breaches = Vec::new();
    let mut is_explained = false;
    for line in table.take_while(|line| !line.starts_with('[')) {
        if line.trim().is_empty() {
            is_explained = false;
        } else if line.starts_with('#') {
            is_explained = true;
        } else if let Some((name, entry)) = line.split_once(" = ") {
            let is_ours = name.starts_with("cohold-");
            if !is_ours && !is_explained {
                breaches.push(format!("Cargo.toml: no comment names the requirement that demands `{name}`"));
            }
            // A second generation of a crate goes by a name of its own here.
            let package = entry.split_once("package = \"").and_then(|(_, rest)| rest.split('"').next());
            if !is_ours && !used.contains(package.unwrap_or(name)) {
                breaches.push(format!("Cargo.toml: no crate uses `{name}`"));
            }
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::of_workspace;
    use crate::metadata::{Edge, Member};

    #[test]
    fn each_dependency_is_used_and_says_why() {
        let manifest = "[workspace.dependencies]\ncohold-model = { path = \"crates/model\" }\n\n\
                        # hashes\nsha2 = \"1\"\nsha3 = \"1\"\n\nserde = \"1\"\n\n[profile.dev]\nopt-level = 1\n";
        let edges =
            ["sha2", "serde"].map(|name| Edge { to: name.to_owned(), is_dev: false }).into_iter().collect();
        let member = Member { name: "cohold-model".to_owned(), folder: "/".into(), edges };
        assert_eq!(
            of_workspace(manifest, &[member]),
            [
                "Cargo.toml: no crate uses `sha3`",
                "Cargo.toml: no comment names the requirement that demands `serde`",
            ]
        );
    }
}
