//! tuspy, which the tests of the product let upload to the relay: in a virtual environment of Python in the cache.
//!
//! pip installs exactly the packages of `tests/tus/requirements.txt`, checks their hashes, and builds nothing.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::{debian, fingerprint};
use crate::process;
use crate::workspace::Workspace;

const REQUIREMENTS: &str = "requirements.txt";

/// Prints the version of a Python that can make virtual environments with pip in them, if it is one for which the packages
/// are there.
const LOOK: &str = "import ensurepip, sys, venv
if sys.version_info < (3, 11): sys.exit(1)
print('%d.%d' % sys.version_info[:2])";

/// The Python that has tuspy, which is installed unless it is there.
///
/// # Errors
/// If there is no Python that can make virtual environments, or pip cannot install.
pub(super) fn prepare(ws: &Workspace) -> Result<PathBuf> {
    let source = ws.root().join("tests/tus");
    let version = prepare_python()?;
    // Another checkout may go by other versions at the same time, and the system's Python may become another.
    let name = format!("{}-{version}", &fingerprint(&source, &[REQUIREMENTS])?[..16]);
    let home = ws.cache().join("tuspy").join(name);
    let (python, works) = (home.join("bin/python"), home.join("works"));
    let ready = || works.is_file() && python.is_file();
    if !ready() {
        super::install(ws, "tuspy", "half a minute", || {
            if ready() {
                return Ok(());
            }
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
/// own; its version.
fn prepare_python() -> Result<String> {
    let look = || {
        let output = Command::new("python3").args(["-c", LOOK]).stderr(Stdio::null()).output().ok()?;
        let version = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
        Some(version.trim().to_owned())
    };
    if let Some(version) = look() {
        return Ok(version);
    }
    debian::install(&["python3", "python3-venv"])?;
    look().context("python3 is older than 3.11 here, or makes no virtual environments")
}
