//! The page of our transport alone, which tests and benches of the product let talk with js-libp2p.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;
use crate::setup::{PageTools, TARGET};
use crate::workspace::Workspace;

/// The package of the page, a single program for wasm.
const PACKAGE: &str = "chanterelle-interop";

/// Makes the page in this directory. `others` are the packages that are tested as wasm: built together they share their
/// dependencies.
///
/// # Errors
/// If it does not compile.
pub(crate) fn build_page(ws: &Workspace, tools: &PageTools, others: &[&str], into: &Path) -> Result<()> {
    let mut cargo = tools.rust.cargo(ws)?;
    cargo.args(["build", "--release", "--target", TARGET, "--bin", PACKAGE, "--package", PACKAGE]);
    cargo.args(others.iter().flat_map(|package| ["--package", package]));
    process::run(&mut cargo).context("the page of our transport does not build")?;
    let module = ws.target().join(TARGET).join("release").join(PACKAGE).with_extension("wasm");
    let mut bindgen = Command::new(tools.wasm_bindgen());
    bindgen.args(["--target", "web", "--no-typescript", "--out-name", "ours", "--out-dir"]).arg(into);
    process::run(bindgen.arg(module))
}
