//! `cargo xtask tidy`: the house rules that a program can check.
//!
//! Looks at the files that git tracks or would track. Every rule is a function from sources to findings with a test
//! that makes it fail. What needs judgement, such as whether a comment says why, is left to people.

mod documents;
mod imports;
mod lexer;
mod pins;
mod purity;
mod text;

use std::fmt;
use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::args::Args;
use crate::process;
use crate::workspace::Workspace;

/// A file of the project.
struct Source {
    /// Relative to the checkout, with `/`.
    path: String,
    /// Size in bytes.
    size: u64,
    /// The content, unless it is not UTF-8.
    text: Option<String>,
}

impl Source {
    fn is(&self, ending: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, end)| end == ending)
    }

    fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    #[cfg(test)]
    fn new(path: &str, text: &str) -> Self {
        Source { path: path.to_owned(), size: text.len() as u64, text: Some(text.to_owned()) }
    }
}

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// From 1; 0 when the file as a whole is meant.
    line: usize,
    message: String,
}

impl Finding {
    fn new(source: &Source, line: usize, message: impl Into<String>) -> Self {
        Finding { path: source.path.clone(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// `cargo xtask tidy`.
pub(crate) fn command(ws: &Workspace, args: Args) -> Result<ExitCode> {
    args.finish()?;
    let sources = sources(ws)?;
    let mut findings = Vec::new();
    let checkout = ws.root().to_string_lossy();
    for source in &sources {
        findings.extend(text::check(source, &checkout));
        findings.extend(purity::check(source));
        findings.extend(documents::check(source, &|path| ws.root().join(path).exists()));
    }
    findings.extend(imports::check(&sources));
    findings.extend(pins::check(&sources));
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {} files, {} findings", sources.len(), findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn sources(ws: &Workspace) -> Result<Vec<Source>> {
    let mut git = Command::new("git");
    git.current_dir(ws.root()).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = process::capture(&mut git).context("tidy looks at the files that git knows")?;
    let mut paths: Vec<&str> = listed.split_terminator('\0').collect();
    paths.sort_unstable();
    paths.dedup();
    let mut sources = Vec::new();
    for path in paths {
        // A file may be deleted and not yet removed from the index.
        let Ok(bytes) = fs::read(ws.root().join(path)) else { continue };
        let size = bytes.len() as u64;
        sources.push(Source { path: path.to_owned(), size, text: String::from_utf8(bytes).ok() });
    }
    if sources.is_empty() {
        bail!("git lists no file in {}", ws.root().display());
    }
    Ok(sources)
}
