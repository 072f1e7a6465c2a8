//! What `cargo metadata` says about the members of this workspace.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell;

/// A crate of this workspace.
pub(crate) struct Member {
    pub(crate) name: String,
    /// Where its `Cargo.toml` lies.
    pub(crate) folder: PathBuf,
    pub(crate) edges: Vec<Edge>,
}

/// A dependency as the manifest declares it.
pub(crate) struct Edge {
    pub(crate) to: String,
    /// For tests, examples and benchmarks only.
    pub(crate) is_dev: bool,
}

/// Every crate of the workspace, by name.
pub(crate) fn members(root: &Path) -> Result<Vec<Member>> {
    let metadata = read(root)?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let mut members = packages.iter().map(member).collect::<Result<Vec<_>>>()?;
    members.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(members)
}

/// Where cargo builds.
pub(crate) fn target_folder(root: &Path) -> Result<PathBuf> {
    Ok(PathBuf::from(text(&read(root)?, "target_directory")?))
}

fn read(root: &Path) -> Result<Value> {
    let json = shell::read(&mut shell::cargo(root, &["metadata", "--format-version", "1", "--no-deps"]))?;
    serde_json::from_str(&json).context("cargo metadata is no JSON")
}

fn member(package: &Value) -> Result<Member> {
    let manifest = PathBuf::from(text(package, "manifest_path")?);
    let dependencies = package["dependencies"].as_array().context("cargo metadata lists no dependencies")?;
    Ok(Member {
        name: text(package, "name")?,
        folder: manifest.parent().context("a manifest lies in no folder")?.to_path_buf(),
        edges: dependencies.iter().map(edge).collect::<Result<_>>()?,
    })
}

fn edge(dependency: &Value) -> Result<Edge> {
    Ok(Edge { to: text(dependency, "name")?, is_dev: dependency["kind"] == "dev" })
}

fn text(value: &Value, key: &str) -> Result<String> {
    Ok(value[key].as_str().with_context(|| format!("cargo metadata has no `{key}`"))?.to_owned())
}
