//! wasm-opt, which takes about a third off the page: from npm's `binaryen`, run by Node.js.
//!
//! Not from Debian, whose version produces modules that browsers refuse. Without it the page is larger but works, so
//! whoever builds the page decides what its absence means.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::npm;
use crate::process;
use crate::workspace::Workspace;

const VERSION: &str = "132.0.0";

/// The smallest module there is: magic number and version (WebAssembly core specification, 5.5.16).
const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A wasm-opt that was seen to work.
pub(crate) struct WasmOpt(PathBuf);

impl WasmOpt {
    /// Finds or installs it.
    ///
    /// # Errors
    /// If Node.js or npm is missing and cannot be installed, or what npm installed does not work here.
    pub(super) fn prepare(ws: &Workspace) -> Result<Self> {
        let home = ws.cache().join("npm");
        let bin = home.join("node_modules/.bin");
        // Written after the first success; to run it each time would cost a third of a second.
        let works = home.join("works");
        let ready = || {
            fs::read_to_string(&works).is_ok_and(|version| version == VERSION)
                && process::find("node").is_some()
        };
        if !ready() {
            super::install(ws, &format!("wasm-opt {VERSION}"), "a minute", || {
                if ready() {
                    return Ok(());
                }
                npm::prepare()?;
                fs::create_dir_all(&home)?;
                let mut npm = Command::new("npm");
                npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"]).arg(&home);
                process::run(npm.arg(format!("binaryen@{VERSION}")))?;
                try_out(&bin, &home)?;
                Ok(fs::write(&works, VERSION)?)
            })?;
        }
        Ok(WasmOpt(bin))
    }

    /// The directory to put in front of `PATH`.
    pub(super) fn bin(&self) -> &Path {
        &self.0
    }

    /// The version that is installed.
    pub(crate) fn version(&self) -> &'static str {
        VERSION
    }
}

fn try_out(bin: &Path, scratch: &Path) -> Result<()> {
    let input = scratch.join("empty.wasm");
    let output = scratch.join("optimized.wasm");
    fs::write(&input, EMPTY_MODULE)?;
    let mut command = Command::new(bin.join("wasm-opt"));
    command.arg("-Oz").arg("--output").arg(&output).arg(&input).stdout(Stdio::null());
    process::run(&mut command).context("Node.js may be too old for it")?;
    if fs::read(&output)? != EMPTY_MODULE {
        bail!("wasm-opt changed an empty module");
    }
    Ok(())
}
