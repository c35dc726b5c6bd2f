//! Where things are: the checkout, the relay's binary, the browser, and what a test leaves behind.
//!
//! `cargo xtask test` names the binary, the browser, the bundles of js-libp2p and the Python of tuspy in `CHANTERELLE_BIN`,
//! `CHROMIUM`, `CHROMEDRIVER`, `CHANTERELLE_INTEROP` and `CHANTERELLE_TUSPY`; without them they are looked for where a build
//! and a Debian-like system put them.

use std::path::{Path, PathBuf};

/// The checkout.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the checkout")
}

/// The folder for screenshots, console logs and network logs of the test of this name, made if it is missing.
#[must_use]
pub fn artifacts(test: &str) -> PathBuf {
    let folder = root().join("target/e2e").join(test);
    std::fs::create_dir_all(&folder)
        .unwrap_or_else(|error| panic!("cannot make {}: {error}", folder.display()));
    folder
}

/// The relay's binary.
///
/// # Errors
/// When it has not been built.
pub fn relay_binary() -> Result<PathBuf, String> {
    let built = match std::env::var_os("CHANTERELLE_BIN") {
        Some(named) => PathBuf::from(named),
        None => target().join("release/chanterelle"),
    };
    if built.is_file() {
        Ok(built)
    } else {
        Err(format!("there is no relay at {}; `cargo xtask test` builds it", built.display()))
    }
}

/// Cargo's target folder: where this very program was built.
fn target() -> PathBuf {
    let own = std::env::current_exe().ok();
    own.iter()
        .flat_map(|own| own.ancestors())
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        .map_or_else(|| root().join("target"), Path::to_owned)
}

/// Chromium and the program that drives it.
#[derive(Clone, Debug)]
pub struct BrowserPrograms {
    /// The browser.
    pub chromium: PathBuf,
    /// Its WebDriver.
    pub chromedriver: PathBuf,
}

/// Finds the browser.
///
/// # Errors
/// When there is none.
pub fn browser_programs() -> Result<BrowserPrograms, String> {
    let find = |variable: &str, names: &[&str]| {
        let named = std::env::var_os(variable).map(PathBuf::from);
        named
            .filter(|path| path.is_file())
            .or_else(|| names.iter().find_map(|name| on_path(name)))
            .ok_or_else(|| format!("no browser: neither {variable} nor PATH leads to {}", names[0]))
    };
    Ok(BrowserPrograms {
        chromium: find(
            "CHROMIUM",
            &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
        )?,
        chromedriver: find("CHROMEDRIVER", &["chromedriver"])?,
    })
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The folder with the bundles of js-libp2p, for a page and for Node.js, and beside them tus-js-client and the page of our
/// transport.
///
/// # Errors
/// When they were not made, or there is no Node.js.
pub fn interop() -> Result<PathBuf, String> {
    let made = match std::env::var_os("CHANTERELLE_INTEROP") {
        Some(named) => PathBuf::from(named),
        None => target().join("interop"),
    };
    if !made.join("page.js").is_file() || !made.join("node.cjs").is_file() {
        return Err(format!("there is no js-libp2p in {}; `cargo xtask test` makes it", made.display()));
    }
    on_path("node").map(|_| made).ok_or_else(|| "PATH does not lead to Node.js".to_owned())
}

/// A Python that has tuspy.
///
/// # Errors
/// When nobody has set it up.
pub fn tuspy() -> Result<PathBuf, String> {
    let named = std::env::var_os("CHANTERELLE_TUSPY").map(PathBuf::from);
    named.filter(|python| python.is_file()).ok_or_else(|| {
        "CHANTERELLE_TUSPY leads to no Python with tuspy; `cargo xtask test` makes it".to_owned()
    })
}

/// Whether everything must run, as on a build machine: there nothing is skipped.
#[must_use]
pub fn must_run() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
}
