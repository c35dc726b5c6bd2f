//! The tools of the other commands: found when they are there, installed once when they are not.
//!
//! Nothing is installed into the checkout, and nothing that is there in the right version is touched. Two processes
//! may set up at once: whoever changes the cache holds its lock. Only programs come from here; the crates of the
//! workspace are cargo's business.

mod browser;
mod cargo_tools;
mod debian;
mod interop;
mod npm;
mod tuspy;
mod wasm_opt;
mod wasm_target;

use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

pub(crate) use browser::Browser;
pub(crate) use cargo_tools::WASM_BINDGEN_VERSION;
pub(crate) use wasm_opt::WasmOpt;
pub(crate) use wasm_target::{TARGET, WasmRust};

use crate::args::Args;
use crate::process;
use crate::workspace::Workspace;

/// `cargo xtask setup [--all]`.
pub(crate) fn command(ws: &Workspace, mut args: Args) -> Result<ExitCode> {
    let all = args.switch("--all");
    args.finish()?;
    PageTools::prepare(ws)?;
    if all {
        browser::prepare(ws)?;
        // Tests do without either, and say so.
        for ready in [iproute2(ws), ffmpeg(ws)] {
            if let Err(error) = ready {
                eprintln!("warning: {error:#}");
            }
        }
        interop(ws)?;
        tuspy(ws)?;
        cargo_deny(ws)?;
    }
    println!("Set-up is complete; the tools are in {}", ws.cache().display());
    Ok(ExitCode::SUCCESS)
}

/// What builds the page and runs tests as wasm.
pub(crate) struct PageTools {
    /// The compiler for wasm.
    pub(crate) rust: WasmRust,
    /// The optimizer, or why there is none.
    pub(crate) wasm_opt: Result<WasmOpt, String>,
    bin: PathBuf,
}

impl PageTools {
    /// Finds or installs the wasm target, Trunk, wasm-bindgen and wasm-opt.
    ///
    /// # Errors
    /// If one of them cannot be had; the text says what a person can do. Only wasm-opt may be missing.
    pub(crate) fn prepare(ws: &Workspace) -> Result<Self> {
        let rust = WasmRust::prepare(ws).context("setting up Rust for wasm32-unknown-unknown")?;
        cargo_tools::prepare(ws, &[&cargo_tools::WASM_BINDGEN, &cargo_tools::TRUNK])?;
        let wasm_opt = WasmOpt::prepare(ws).map_err(|error| format!("{error:#}"));
        Ok(PageTools { rust, wasm_opt, bin: cargo_tools::bin(ws) })
    }

    /// A Trunk command that finds exactly our tools.
    ///
    /// # Errors
    /// If a directory's name cannot stand in `PATH`.
    pub(crate) fn trunk(&self, ws: &Workspace) -> Result<Command> {
        let mut command = Command::new(self.bin.join("trunk"));
        command.current_dir(ws.root()).env("CARGO_TARGET_DIR", ws.target());
        // Trunk takes only the words true and false for what everybody else takes any word.
        if std::env::var_os("NO_COLOR").is_some() {
            command.env("NO_COLOR", "true");
        }
        self.rust.select(&mut command)?;
        let optimizer = self.wasm_opt.as_ref().ok().map(WasmOpt::bin);
        let dirs: Vec<&Path> = [self.bin.as_path()].into_iter().chain(optimizer).collect();
        process::prepend_path(&mut command, &dirs)?;
        Ok(command)
    }

    /// The program that makes a module of wasm usable by a page.
    pub(crate) fn wasm_bindgen(&self) -> PathBuf {
        self.bin.join("wasm-bindgen")
    }

    /// The program that runs a wasm test binary in a browser.
    pub(crate) fn wasm_test_runner(&self) -> PathBuf {
        self.bin.join("wasm-bindgen-test-runner")
    }
}

/// Finds or installs Chromium and its driver.
///
/// # Errors
/// If there is no browser and none can be installed; the text is a reason to show beside each skipped test.
pub(crate) fn browser(ws: &Workspace) -> Result<Browser> {
    browser::prepare(ws)
}

/// Finds or installs Firefox.
///
/// # Errors
/// If it cannot be installed; the test that needs it is skipped then and says so.
pub(crate) fn firefox(ws: &Workspace) -> Result<PathBuf> {
    browser::prepare_firefox(ws)
}

/// Finds or makes the bundles of js-libp2p and tus-js-client; the directory they are in.
///
/// # Errors
/// If they cannot be made; the text is a reason to show beside each skipped test.
pub(crate) fn interop(ws: &Workspace) -> Result<PathBuf> {
    interop::prepare(ws)
}

/// Finds or installs tuspy; the Python that has it.
///
/// # Errors
/// If it cannot be installed; the text is a reason to show beside each skipped test.
pub(crate) fn tuspy(ws: &Workspace) -> Result<PathBuf> {
    tuspy::prepare(ws)
}

/// Finds or installs ffmpeg, with which the relay makes versions of sound and films.
///
/// # Errors
/// If it cannot be installed; the tests that need it are skipped then and say so.
pub(crate) fn ffmpeg(ws: &Workspace) -> Result<()> {
    if ["ffmpeg", "ffprobe"].into_iter().all(|program| process::find(program).is_some()) {
        return Ok(());
    }
    install(ws, "ffmpeg", "a minute", || debian::install(&["ffmpeg"]))
}

/// Finds or installs iproute2, with which a test cuts the link between two relays. Only root may do that, so only for
/// root it is installed.
///
/// # Errors
/// If it cannot be installed; the test is skipped then and says so.
pub(crate) fn iproute2(ws: &Workspace) -> Result<()> {
    if process::find("ip").is_some() || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    install(ws, "iproute2", "a few seconds", || debian::install(&["iproute2"]))
}

/// Finds or installs cargo-deny.
///
/// # Errors
/// If it cannot be installed.
pub(crate) fn cargo_deny(ws: &Workspace) -> Result<PathBuf> {
    cargo_tools::prepare(ws, &[&cargo_tools::CARGO_DENY])?;
    Ok(cargo_tools::bin(ws).join("cargo-deny"))
}

/// Does one installation, of which a person may expect that duration, while holding the lock of the cache, and shows how long it took.
fn install<T>(ws: &Workspace, what: &str, duration: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    fs::create_dir_all(ws.cache()).with_context(|| {
        format!("cannot make {}; set CHANTERELLE_CACHE to a directory you may write to", ws.cache().display())
    })?;
    let _lock = lock(&ws.cache().join("lock"))?;
    eprintln!("setup: installing {what} (about {duration}, once) …");
    let start = Instant::now();
    let done = work().with_context(|| format!("installing {what}"))?;
    eprintln!("setup: installed {what} in {} s", start.elapsed().as_secs());
    Ok(done)
}

/// A hash of files, in hexadecimal digits.
fn fingerprint(directory: &Path, files: &[&str]) -> Result<String> {
    let mut hasher = Sha256::new();
    for file in files {
        let path = directory.join(file);
        let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        hasher.update(content.len().to_le_bytes());
        hasher.update(content);
    }
    let mut digits = String::new();
    for byte in hasher.finalize() {
        let _ = write!(digits, "{byte:02x}");
    }
    Ok(digits)
}

/// Takes a lock that ends with the returned file, waiting for whoever holds it.
///
/// # Errors
/// If the file cannot be made or locked.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {
            eprintln!("waiting for another `cargo xtask` that holds {}", path.display());
        }
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    file.lock()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_lasts_as_long_as_its_file() {
        let path = std::env::temp_dir().join(format!("xtask-lock-{}", std::process::id()));
        let held = lock(&path).unwrap();
        let other = File::create(&path).unwrap();
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        drop(held);
        other.try_lock().unwrap();
        fs::remove_file(path).unwrap();
    }
}
