//! Packages of a Debian-like system, for the few things that cargo cannot install.
//!
//! Asks for the person's password through sudo when there is a terminal to ask at, and never otherwise.

use std::io::IsTerminal;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

/// Installs packages with apt-get.
///
/// # Errors
/// If this is not Debian-like, we may not install, or apt-get fails; the text says what to install by hand.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    let by_hand =
        format!("install {} with your system's package manager, then try again", packages.join(" and "));
    if process::find("apt-get").is_none() {
        bail!("there is no apt-get here: {by_hand}");
    }
    let prefix: &[&str] = if rustix::process::geteuid().is_root() {
        &["env"]
    } else if process::find("sudo").is_none() {
        bail!("installing packages needs root or sudo: {by_hand}");
    } else if std::io::stdin().is_terminal() {
        &["sudo", "env"]
    } else {
        &["sudo", "--non-interactive", "env"]
    };
    let apt = |words: &[&str]| {
        let mut command = Command::new(prefix[0]);
        command.args(&prefix[1..]).args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(words);
        process::run(&mut command)
    };
    // A stale list names packages that mirrors no longer have; a broken extra source is no reason to stop.
    if let Err(error) = apt(&["update", "--quiet"]) {
        eprintln!("warning: {error:#}; trying with the package lists there are");
    }
    let install = ["install", "--quiet", "--yes", "--no-install-recommends"];
    if let Err(error) = apt(&[&install, packages].concat()) {
        bail!("{error:#}: {by_hand}");
    }
    Ok(())
}
