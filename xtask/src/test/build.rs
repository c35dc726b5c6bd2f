//! Builds test binaries without running them, and learns from cargo's messages which ones there are.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::suite::Suite;
use crate::process;

/// What one build gave.
#[derive(Default)]
pub(super) struct Built {
    /// Test binaries, unit tests of a package before its other tests.
    pub(super) suites: Vec<Suite>,
    /// The relay, if it was among the packages.
    pub(super) relay: Option<PathBuf>,
}

/// Builds tests and programs of the packages with `cargo`, to which options may have been given.
///
/// One build for all: what a package asks of a dependency changes that dependency for the others too, so that
/// packages built one by one would build most dependencies again.
///
/// # Errors
/// If they do not compile.
pub(super) fn build(mut cargo: Command, packages: &[&str], options: &[&str]) -> Result<Built> {
    cargo.args(["build", "--release", "--tests", "--bins", "--message-format", "json-render-diagnostics"]);
    cargo.args(packages.iter().flat_map(|package| ["--package", package])).args(options);
    eprintln!("building the tests of {} …", packages.join(", "));
    let messages = process::capture(&mut cargo).context("the tests do not build")?;
    let mut built = Built::default();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).with_context(|| format!("cargo wrote {line:?}"))?;
        if message["target"]["name"] == "chanterelle" && message["profile"]["test"] == false {
            built.relay = message["executable"].as_str().map(PathBuf::from);
        }
        built.suites.extend(suite(&message));
    }
    built.suites.sort();
    if built.suites.is_empty() {
        bail!("cargo built no test binary for {}", packages.join(", "));
    }
    Ok(built)
}

/// The test binary that a message of cargo is about, if it is about one.
fn suite(message: &Value) -> Option<Suite> {
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let executable = message["executable"].as_str()?;
    let directory = Path::new(message["manifest_path"].as_str()?).parent()?;
    let package = package_name(message["package_id"].as_str()?)?;
    let target = &message["target"];
    let is_integration = target["kind"][0] == "test";
    Some(Suite::new(package, target["name"].as_str()?, is_integration, directory, Path::new(executable)))
}

/// The name in a package id: `path+file:///there/core#chanterelle-core@0.1.0`, or `…/xtask#0.1.0` where the directory
/// has the package's name (Cargo book, "Package ID Specifications").
fn package_name(id: &str) -> Option<&str> {
    let (url, fragment) = id.rsplit_once('#')?;
    match fragment.split_once('@') {
        Some((name, _)) => Some(name),
        None => url.rsplit('/').next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_package_ids() {
        assert_eq!(package_name("path+file:///x/core#chanterelle-core@0.1.0"), Some("chanterelle-core"));
        assert_eq!(package_name("path+file:///x/xtask#0.1.0"), Some("xtask"));
    }

    #[test]
    fn takes_test_binaries_only() {
        let message = |test: bool| {
            serde_json::json!({
                "reason": "compiler-artifact", "package_id": "path+file:///x/core#chanterelle-core@0.1.0",
                "manifest_path": "/x/core/Cargo.toml", "profile": {"test": test},
                "target": {"name": "laws", "kind": ["test"]}, "executable": "/t/laws-1"
            })
        };
        let found = suite(&message(true)).unwrap();
        assert_eq!((found.package(), found.name()), ("chanterelle-core", "chanterelle-core laws".to_owned()));
        assert_eq!(found.directory(), Path::new("/x/core"));
        assert!(suite(&message(false)).is_none());
    }
}
