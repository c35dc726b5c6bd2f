//! tuspy, which the tests of the product let upload to the relay: in a virtual environment of Python in the cache.
//!
//! pip installs exactly the packages of `tests/tus/requirements.txt`, checks their hashes, and builds nothing.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use super::{debian, fingerprint};
use crate::process;
use crate::workspace::Workspace;

const REQUIREMENTS: &str = "requirements.txt";

/// The Python that has tuspy, which is installed unless it is there.
///
/// # Errors
/// If there is no Python that can make virtual environments, or pip cannot install.
pub(super) fn prepare(ws: &Workspace) -> Result<PathBuf> {
    let source = ws.root().join("tests/tus");
    // Another checkout may go by other versions at the same time.
    let home = ws.cache().join("tuspy").join(&fingerprint(&source, &[REQUIREMENTS])?[..16]);
    let (python, works) = (home.join("bin/python"), home.join("works"));
    let ready = || works.is_file() && python.is_file();
    if !ready() {
        super::install(ws, "tuspy", "half a minute", || {
            if ready() {
                return Ok(());
            }
            prepare_python()?;
            fs::create_dir_all(&home)?;
            process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
            let mut pip = Command::new(&python);
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
            pip.args(["--require-hashes", "--only-binary", ":all:", "--requirement"]);
            process::run(pip.arg(source.join(REQUIREMENTS)))?;
            process::run(Command::new(&python).args(["-c", "import tusclient.client"]))?;
            Ok(fs::write(&works, "")?)
        })?;
    }
    Ok(python)
}

/// Finds or installs a Python that can make virtual environments with pip in them, which Debian keeps in a package of its
/// own.
fn prepare_python() -> Result<()> {
    let can = || {
        let mut python = Command::new("python3");
        python.args(["-c", "import ensurepip, venv"]).stdout(Stdio::null()).stderr(Stdio::null());
        python.status().is_ok_and(|status| status.success())
    };
    if !can() {
        debian::install(&["python3", "python3-venv"])?;
    }
    if !can() {
        bail!("python3 makes no virtual environments here");
    }
    Ok(())
}
