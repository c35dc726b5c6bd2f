//! js-libp2p, with which the tests of the product let ours talk, and tus-js-client, which uploads to the relay: bundles of
//! `tests/interop`, for a page and for Node.js, in `interop` of the target directory.
//!
//! npm installs the packages into the cache, exactly those of the lock file and without running anything of theirs, and
//! checks their hashes; esbuild, one of them, makes the bundles when a source is another than it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::{fingerprint, npm};
use crate::process;
use crate::workspace::Workspace;

/// What npm goes by.
const PACKAGES: [&str; 3] = [".npmrc", "package.json", "package-lock.json"];

/// Our scripts.
const SCRIPTS: [&str; 6] = ["events.js", "node.js", "page.js", "peer.js", "session.js", "tus.js"];

/// Each bundle: what it begins with, what it is called, and for whom it is.
const BUNDLES: [(&str, &str, [&str; 2]); 3] = [
    ("page.js", "page.js", ["--platform=browser", "--format=esm"]),
    ("node.js", "node.cjs", ["--platform=node", "--format=cjs"]),
    ("tus.js", "tus.cjs", ["--platform=node", "--format=cjs"]),
];

/// js-libp2p calls functions that older ones lack, and that cannot be added.
const OLDEST_NODE: u32 = 20;

/// Makes the bundles unless they are there; the directory they are in.
///
/// # Errors
/// If Node.js is missing or too old, or npm cannot install.
pub(super) fn prepare(ws: &Workspace) -> Result<PathBuf> {
    let source = ws.root().join("tests/interop");
    let made = ws.target().join("interop");
    let stamp = made.join("fingerprint");
    let fingerprint = fingerprint(&source, &[&PACKAGES[..], &SCRIPTS].concat())?;
    if fs::read_to_string(&stamp).is_ok_and(|before| before == fingerprint) && process::find("node").is_some()
    {
        return Ok(made);
    }
    npm::prepare()?;
    let version = process::capture(Command::new("node").arg("--version"))?;
    if major(&version).is_none_or(|major| major < OLDEST_NODE) {
        bail!("js-libp2p needs Node.js {OLDEST_NODE} or later; this is {}", version.trim());
    }
    let modules = install(ws, &source)?;
    fs::create_dir_all(&made)?;
    for (entry, bundle, options) in BUNDLES {
        let mut esbuild = Command::new(modules.join(".bin/esbuild"));
        esbuild.arg(source.join(entry)).args(["--bundle", "--log-level=warning"]).args(options);
        // The packages do not lie beside the scripts.
        esbuild.arg(format!("--outfile={}", made.join(bundle).display())).env("NODE_PATH", &modules);
        process::run(&mut esbuild)?;
    }
    fs::write(&stamp, fingerprint)?;
    Ok(made)
}

/// The directory of the packages.
fn install(ws: &Workspace, source: &Path) -> Result<PathBuf> {
    // Another checkout may go by another lock file at the same time.
    let home = ws.cache().join("interop").join(&fingerprint(source, &PACKAGES)?[..16]);
    let (modules, works) = (home.join("node_modules"), home.join("works"));
    if !works.is_file() {
        super::install(ws, "js-libp2p, tus-js-client and esbuild", "half a minute", || {
            if works.is_file() {
                return Ok(());
            }
            fs::create_dir_all(&home)?;
            for file in PACKAGES {
                fs::copy(source.join(file), home.join(file))?;
            }
            let mut npm = Command::new("npm");
            npm.current_dir(&home).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
            process::run(&mut npm)?;
            process::capture(Command::new(modules.join(".bin/esbuild")).arg("--version"))?;
            Ok(fs::write(&works, "")?)
        })?;
    }
    Ok(modules)
}

/// `22` of `v22.1.0`.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_node_is_read() {
        assert_eq!(major("v22.12.0\n"), Some(22));
        assert_eq!(major("22.12.0"), None);
    }

    #[test]
    fn every_script_is_in_the_fingerprint() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/interop");
        let mut found: Vec<String> = fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".js"))
            .collect();
        found.sort();
        assert_eq!(found, SCRIPTS);
        let whole = fingerprint(&directory, &SCRIPTS).unwrap();
        assert_eq!(whole.len(), 64);
        assert_ne!(whole, fingerprint(&directory, &SCRIPTS[1..]).unwrap());
    }
}
