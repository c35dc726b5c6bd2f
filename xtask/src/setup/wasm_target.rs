//! A Rust compiler for wasm32-unknown-unknown: rustup's, else one put together from Debian's packages.
//!
//! The second is for people without rustup. It is a directory in the cache that `wasm-toolchain.sh` beside this package
//! makes; native code is always compiled by the compiler that cargo was started with.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// The target triple of the page.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// How to call the compiler for wasm.
pub(crate) struct WasmRust {
    /// The programs of the toolchain made from Debian's packages, if that is the one.
    debian: Option<PathBuf>,
}

impl WasmRust {
    pub(super) fn prepare(ws: &Workspace) -> Result<Self> {
        let debian = ws.cache().join("wasm-rust");
        if let Some(found) = Self::find(&debian) {
            return Ok(found);
        }
        super::install(ws, "the wasm32-unknown-unknown target", "a minute", || {
            if let Some(found) = Self::find(&debian) {
                return Ok(found);
            }
            if process::find("rustup").is_some() {
                match process::run(Command::new("rustup").args(["target", "add", TARGET])) {
                    Ok(()) if has_std(Path::new("rustc")) => return Ok(WasmRust { debian: None }),
                    Ok(()) => eprintln!("warning: rustup added {TARGET}, but not to the compiler in use"),
                    Err(error) => eprintln!("warning: {error:#}"),
                }
            }
            eprintln!(
                "setup: rustup cannot add {TARGET}; making it from Debian's rustc-web (about 3 minutes)"
            );
            if process::find("apt-get").is_none() {
                bail!("install rustup and run `rustup target add {TARGET}`, then try again");
            }
            let script = ws.root().join("xtask/wasm-toolchain.sh");
            process::run(Command::new("bash").arg(script).arg(&debian)).with_context(|| {
                format!("install rustup and run `rustup target add {TARGET}`, then try again")
            })?;
            Self::find(&debian).context("the toolchain was made but does not work")
        })
    }

    fn find(debian: &Path) -> Option<Self> {
        if has_std(Path::new("rustc")) {
            return Some(WasmRust { debian: None });
        }
        let bin = debian.join("bin");
        // Its library fits only the compiler it was built by, which the system may have replaced since.
        let built_by = std::fs::read_to_string(debian.join("version")).ok()?;
        let now = Command::new(bin.join("rustc")).arg("--version").output().ok()?;
        let fits = String::from_utf8_lossy(&now.stdout) == built_by && has_std(&bin.join("rustc"));
        fits.then_some(WasmRust { debian: Some(bin) })
    }

    /// A cargo command that compiles for wasm in the checkout.
    ///
    /// # Errors
    /// If the toolchain's directory cannot stand in `PATH`.
    pub(crate) fn cargo(&self, ws: &Workspace) -> Result<Command> {
        if self.debian.is_none() {
            return Ok(ws.cargo());
        }
        let mut command = Command::new("cargo");
        command.current_dir(ws.root());
        self.select(&mut command)?;
        Ok(command)
    }

    /// Makes the command, and whatever it starts, use this compiler.
    ///
    /// # Errors
    /// If the toolchain's directory cannot stand in `PATH`.
    pub(super) fn select(&self, command: &mut Command) -> Result<()> {
        let Some(bin) = &self.debian else { return Ok(()) };
        for variable in ["RUSTUP_TOOLCHAIN", "RUSTC", "RUSTDOC", "CARGO"] {
            command.env_remove(variable);
        }
        process::prepend_path(command, &[bin])
    }

    /// Whether this compiler comes with clippy.
    pub(crate) fn has_clippy(&self) -> bool {
        self.debian.is_none()
    }

    /// The compiler's version, which the page depends on.
    ///
    /// # Errors
    /// If it does not start.
    pub(crate) fn version(&self) -> Result<String> {
        let rustc = self.debian.as_ref().map_or_else(|| "rustc".into(), |bin| bin.join("rustc"));
        process::capture(Command::new(rustc).arg("--version"))
    }
}

fn has_std(rustc: &Path) -> bool {
    let asked = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .stderr(Stdio::null())
        .output();
    let Ok(output) = asked else { return false };
    let dir = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let Ok(entries) = std::fs::read_dir(dir) else { return false };
    output.status.success()
        && entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}
