//! Trunk, the wasm-bindgen command line and cargo-deny, built by `cargo install` into the cache.
//!
//! They are built without optimization: that takes a third of the time, and they are run seldom on small input.
//! `wasm-bindgen` must be the version in `Cargo.lock`; `cargo xtask tidy` holds all places that name it together.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// The version of the `wasm-bindgen` crate and of its command line, which refuse any other's work.
pub(crate) const WASM_BINDGEN_VERSION: &str = "0.2.108";

/// A package of programs.
pub(super) struct Tool {
    package: &'static str,
    version: &'static str,
    programs: &'static [&'static str],
    /// Whether the package's default features are wanted.
    default_features: bool,
    /// What a person has to expect on two cores, measured.
    minutes: u32,
}

pub(super) const WASM_BINDGEN: Tool = Tool {
    package: "wasm-bindgen-cli",
    version: WASM_BINDGEN_VERSION,
    programs: &["wasm-bindgen", "wasm-bindgen-test-runner"],
    default_features: true,
    minutes: 2,
};

/// Trunk's default features are its own downloads, which `--offline` forbids anyway.
pub(super) const TRUNK: Tool =
    Tool { package: "trunk", version: "0.21.14", programs: &["trunk"], default_features: false, minutes: 3 };

pub(super) const CARGO_DENY: Tool = Tool {
    package: "cargo-deny",
    version: "0.20.2",
    programs: &["cargo-deny"],
    default_features: false,
    minutes: 2,
};

/// Where the programs are.
pub(super) fn bin(ws: &Workspace) -> PathBuf {
    ws.cache().join("tools/bin")
}

/// Installs those of the tools that are missing or of another version.
///
/// # Errors
/// If cargo cannot install one.
pub(super) fn prepare(ws: &Workspace, tools: &[&Tool]) -> Result<()> {
    let missing: Vec<&Tool> = tools.iter().copied().filter(|tool| !tool.is_present(ws)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for tool in missing {
        let what = format!("{} {}", tool.package, tool.version);
        super::install(ws, &what, &format!("{} minutes", tool.minutes), || {
            // Somebody else may have installed it while we waited for the lock.
            if tool.is_present(ws) { Ok(()) } else { process::run(&mut tool.install(ws)?) }
        })?;
    }
    // Gigabytes that nobody needs again; if somebody still builds there, the next set-up tries again.
    let _ = fs::remove_dir_all(build_dir(ws));
    Ok(())
}

fn build_dir(ws: &Workspace) -> PathBuf {
    ws.cache().join("build")
}

impl Tool {
    fn is_present(&self, ws: &Workspace) -> bool {
        self.programs.iter().all(|program| {
            let output = Command::new(bin(ws).join(program)).arg("--version").stderr(Stdio::null()).output();
            output.is_ok_and(|output| {
                output.status.success()
                    && says_version(&String::from_utf8_lossy(&output.stdout), self.version)
            })
        })
    }

    fn install(&self, ws: &Workspace) -> Result<Command> {
        let mut command = ws.cargo();
        // From the cache, so that no setting of a checkout reaches the build.
        command.current_dir(ws.cache());
        command.args(["install", "--locked", "--force", "--root"]).arg(ws.cache().join("tools"));
        if !self.default_features {
            command.arg("--no-default-features");
        }
        command.args(["--version", self.version, self.package]);
        command
            .env("CARGO_TARGET_DIR", build_dir(ws))
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "256")
            .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        // cargo asks people to put them on PATH, which nobody has to.
        process::prepend_path(&mut command, &[&bin(ws)])?;
        Ok(command)
    }
}

fn says_version(output: &str, version: &str) -> bool {
    output.split_whitespace().nth(1) == Some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_not_ours() {
        assert!(says_version("trunk 0.21.14\n", "0.21.14"));
        assert!(!says_version("trunk 0.21.140\n", "0.21.14"));
        assert!(!says_version("", "0.21.14"));
    }
}
