//! Chromium and chromedriver, which the tests drive, and Firefox, which one test connects to it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::debian;
use crate::process;
use crate::workspace::Workspace;

/// A browser and the program that speaks WebDriver for it.
#[derive(Clone)]
pub(crate) struct Browser {
    chromium: PathBuf,
    chromedriver: PathBuf,
}

impl Browser {
    /// Tells a command which browser to use, as the variables `CHROMIUM` and `CHROMEDRIVER`.
    pub(crate) fn select(&self, command: &mut Command) {
        command.env("CHROMIUM", &self.chromium).env("CHROMEDRIVER", &self.chromedriver);
    }
}

/// Firefox, installed where that is possible.
///
/// # Errors
/// Why there is none.
pub(super) fn prepare_firefox(ws: &Workspace) -> Result<PathBuf> {
    let find = || {
        let named = std::env::var_os("FIREFOX").map(PathBuf::from).filter(|path| path.is_file());
        named.or_else(|| ["firefox-esr", "firefox"].into_iter().find_map(process::find))
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    super::install(ws, "Firefox", "a minute", || {
        if find().is_none() {
            debian::install(&["firefox-esr"])?;
        }
        find().context("neither FIREFOX nor PATH lead to Firefox")
    })
}

pub(super) fn prepare(ws: &Workspace) -> Result<Browser> {
    if let Some(browser) = find() {
        return Ok(browser);
    }
    super::install(ws, "Chromium and its driver", "a minute", || {
        if find().is_none() {
            debian::install(&["chromium", "chromium-driver"])?;
        }
        find().context("neither CHROMIUM and CHROMEDRIVER nor PATH lead to Chromium and chromedriver")
    })
}

fn find() -> Option<Browser> {
    let named = |variable| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file());
    let chromium = named("CHROMIUM").or_else(|| {
        ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
            .into_iter()
            .find_map(process::find)
    })?;
    let chromedriver = named("CHROMEDRIVER").or_else(|| process::find("chromedriver"))?;
    Some(Browser { chromium, chromedriver })
}
