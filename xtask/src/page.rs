//! Builds the page with Trunk, finishes it, and builds the relay that embeds it.
//!
//! Trunk takes seconds even when nothing changed, so the page is left alone while a fingerprint of everything it is made
//! of stays the same. The relay is cargo's business, which knows by itself what changed.

mod finish;
mod names;

use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::setup::{self, PageTools, WasmOpt};
use crate::workspace::Workspace;

/// What the page is made of, relative to the checkout.
const SOURCES: [&str; 9] = [
    ".cargo",
    "Cargo.toml",
    "Cargo.lock",
    "Trunk.toml",
    "core/Cargo.toml",
    "core/src",
    "web",
    "www",
    "xtask/src/page",
];

/// Builds the page into `dist` of the target directory, then the relay with that page inside.
///
/// # Errors
/// If either does not build.
pub(crate) fn build_product(ws: &Workspace, tools: &PageTools) -> Result<()> {
    build(ws, tools)?;
    process::run(ws.cargo().args(["build", "--release", "--package", "chanterelle-relay"]))
}

/// Makes sure that the directory of the page exists: the relay does not compile without it.
///
/// # Errors
/// If it cannot be made.
pub(crate) fn ensure_dist(ws: &Workspace) -> Result<()> {
    fs::create_dir_all(ws.dist()).with_context(|| format!("cannot make {}", ws.dist().display()))
}

/// Builds the page into `dist` of the target directory, unless nothing it is made of has changed.
///
/// # Errors
/// If it does not build.
pub(crate) fn build(ws: &Workspace, tools: &PageTools) -> Result<()> {
    build_unless_same(ws, tools).context("building the page")
}

fn build_unless_same(ws: &Workspace, tools: &PageTools) -> Result<()> {
    ensure_dist(ws)?;
    let _lock = setup::lock(&ws.target().join("page.lock"))?;
    let stamp = ws.target().join("page.fingerprint");
    let index = ws.dist().join("index.html");
    let before = fs::read_to_string(&stamp).ok();
    if before == Some(fingerprint(ws, tools)?) && index.is_file() {
        return Ok(());
    }
    // A build that breaks off must not pass for a finished one.
    if let Err(error) = fs::remove_file(&stamp)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error.into());
    }
    // Trunk is told not to use the network, and hands that on to cargo.
    process::run(tools.rust.cargo(ws)?.arg("fetch"))?;
    // After the fetch, which may complete Cargo.lock, and before the build, so that an edit meanwhile is seen next time.
    let fingerprint = fingerprint(ws, tools)?;

    let mut trunk = tools.trunk(ws)?;
    trunk.args(["build", "--offline", "--skip-version-check", "--dist"]).arg(ws.dist());
    match &tools.wasm_opt {
        Ok(_) => drop(trunk.arg("--release")),
        // Only `--release` asks for wasm-opt; the cargo profile comes from Trunk.toml either way.
        Err(reason) => {
            eprintln!("warning: the page will be about a third larger, for lack of wasm-opt: {reason}");
        }
    }
    process::run(&mut trunk)?;
    if !index.is_file() {
        bail!("trunk succeeded, but did not write {}", index.display());
    }
    finish::finish(&ws.dist(), &ws.root().join("www"), &ws.private_paths())?;
    Ok(fs::write(&stamp, fingerprint)?)
}

/// One line that changes when any source or tool of the page does.
fn fingerprint(ws: &Workspace, tools: &PageTools) -> Result<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        list(&ws.root().join(source), &mut files)?;
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in &files {
        let relative = file.strip_prefix(ws.root()).unwrap_or(file);
        let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        for part in [relative.as_os_str().as_encoded_bytes(), &content] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
    }
    let optimizer = tools.wasm_opt.as_ref().map_or("none", WasmOpt::version);
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let compiler = tools.rust.version()?;
    Ok(format!(
        "{:016x} {} wasm-bindgen {} wasm-opt {optimizer} flags {flags:?}\n",
        hasher.finish(),
        compiler.trim(),
        setup::WASM_BINDGEN_VERSION,
    ))
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        if path.is_file() {
            files.push(path.to_owned());
        }
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
        list(&entry?.path(), files)?;
    }
    Ok(())
}
