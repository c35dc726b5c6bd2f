//! Node.js and npm, for the few things that are theirs.

use anyhow::Result;

use super::debian;
use crate::process;

/// Finds or installs both.
///
/// # Errors
/// If one is missing and cannot be installed.
pub(super) fn prepare() -> Result<()> {
    // One after the other: some packages of Node.js bring npm and refuse a second one.
    for (program, package) in [("node", "nodejs"), ("npm", "npm")] {
        if process::find(program).is_none() {
            debian::install(&[package])?;
        }
    }
    Ok(())
}
