//! One test binary: what it is called, and running it until its summary is known.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::summary::{Reader, Report};
use crate::process;

/// No suite comes near it; one that hangs must not hang a build machine for hours. Above the 40 minutes that a test of the
/// product gives a build which begins with nothing, or that test could not say itself what took so long.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// A test binary that cargo built. Ordered by package, unit tests first, then by name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Suite {
    package: String,
    is_integration: bool,
    target: String,
    directory: PathBuf,
    executable: PathBuf,
}

impl Suite {
    pub(super) fn new(
        package: &str,
        target: &str,
        is_integration: bool,
        directory: &Path,
        executable: &Path,
    ) -> Self {
        Suite {
            package: package.to_owned(),
            is_integration,
            target: target.to_owned(),
            directory: directory.to_owned(),
            executable: executable.to_owned(),
        }
    }

    /// The cargo package it belongs to.
    pub(super) fn package(&self) -> &str {
        &self.package
    }

    /// The package's directory, where its tests expect to be started.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn executable(&self) -> &Path {
        &self.executable
    }

    /// A name for people: the package, and the file of its `tests` if it is one.
    pub(super) fn name(&self) -> String {
        if self.is_integration { format!("{} {}", self.package, self.target) } else { self.package.clone() }
    }
}

/// Runs a command that prints the summaries of one or more suites, and counts what it says.
pub(super) fn run(name: &str, command: &mut Command, report: &mut Report) {
    let mut reader = Reader::new(name);
    let outcome = process::follow(command, LIMIT, |line| reader.line(line));
    let success = match outcome {
        Ok(Some(status)) => Ok(status.success()),
        Ok(None) => Err(format!("still running after {} minutes", LIMIT.as_secs() / 60)),
        Err(error) => Err(format!("{error:#}")),
    };
    reader.finish(success, report);
}
