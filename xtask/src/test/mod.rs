//! `cargo xtask test [--only PART] [FILTER]`: every test there is, and one plain line at the end.
//!
//! Three parts: `native` (annex, core, media, relay, xtask), `wasm` (annex, core, media and page in Chromium) and `product`
//! (real relay, real browsers). A part that does not build counts as one failure and the others still run. Test binaries are
//! started one by one, so a binary that dies without a summary is seen; nothing that was not run passes silently.

mod build;
pub(crate) mod interop;
mod suite;
mod summary;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};

use crate::args::{Args, Usage};
use crate::page;
use crate::process;
use crate::setup::{self, Browser, PageTools, TARGET};
use crate::workspace::Workspace;

use self::build::Built;
use self::suite::Suite;
use self::summary::Report;

/// The package whose tests use the whole product.
const PRODUCT: &str = "chanterelle-e2e";

/// How the names of those tests begin that need the bundles of js-libp2p and tus-js-client.
const BUNDLED: [&str; 2] = ["interop::", "tus::js_"];

/// The same of those that need tuspy.
const TUSPY: [&str; 1] = ["tus::py_"];

/// What is built natively.
const NATIVE: [&str; 7] = [
    "chanterelle-annex",
    "chanterelle-core",
    "chanterelle-media",
    "chanterelle-relay",
    "chanterelle-webrtc",
    "xtask",
    PRODUCT,
];

/// `cargo xtask test [--only native|wasm|product] [FILTER]`.
pub(crate) fn command(ws: &Workspace, mut args: Args) -> Result<ExitCode> {
    let only = args.option::<String>("--only", "native, wasm or product")?;
    if let Some(part) = &only
        && !["native", "wasm", "product"].contains(&part.as_str())
    {
        return Err(Usage(format!("--only {part}: expected native, wasm or product")).into());
    }
    let filter = args.free()?;
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);

    let started = Instant::now();
    page::ensure_dist(ws)?;
    let (tools, browser) = if wanted("wasm") || wanted("product") {
        (PageTools::prepare(ws), setup::browser(ws).map_err(|error| format!("no browser: {error:#}")))
    } else {
        (Err(anyhow!("native tests need none")), Err("native tests need none".to_owned()))
    };
    let mut run = Run { ws, filter, tools, browser, report: Report::default() };

    if wanted("native") {
        for ready in [setup::iproute2(ws), setup::ffmpeg(ws)] {
            if let Err(error) = ready {
                eprintln!("warning: {error:#}");
            }
        }
    }
    if wanted("native") || wanted("product") {
        // Before the relay, which embeds it.
        let page = if wanted("product") { run.page() } else { Ok(()) };
        match build::build(ws.cargo(), &NATIVE, &[]) {
            Ok(built) => {
                if wanted("native") {
                    run.native(&built);
                }
                if wanted("product") {
                    let outcome = page.and_then(|()| run.product(&built));
                    run.note("product", outcome);
                }
            }
            Err(error) => run.note("native and product", Err(error)),
        }
    }
    if wanted("wasm") {
        let outcome = run.wasm();
        run.note("wasm", outcome);
    }
    println!("tests took {} s", started.elapsed().as_secs());
    print!("{}", run.report);
    Ok(if run.report.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The tests of one invocation, with what they need or why it is missing.
struct Run<'a> {
    ws: &'a Workspace,
    filter: Option<String>,
    tools: Result<PageTools>,
    browser: Result<Browser, String>,
    report: Report,
}

impl Run<'_> {
    /// A part that broke off is a failure like any other.
    fn note(&mut self, part: &str, outcome: Result<()>) {
        if let Err(error) = outcome {
            self.report.failed(part, &format!("{error:#}"));
        }
    }

    fn tools(&self) -> Result<&PageTools> {
        self.tools.as_ref().map_err(|error| anyhow!("set-up failed: {error:#}"))
    }

    fn page(&self) -> Result<()> {
        page::build(self.ws, self.tools()?)
    }

    fn native(&mut self, built: &Built) {
        let packages: Vec<&str> = NATIVE.into_iter().filter(|package| *package != PRODUCT).collect();
        self.suites("native", &packages, &built.suites, |suite| Command::new(suite.executable()));

        let mut doc = self.ws.cargo();
        doc.args(["test", "--release", "--doc", "--no-fail-fast"]);
        doc.args(NATIVE.iter().flat_map(|package| ["--package", package]));
        if let Some(filter) = &self.filter {
            doc.args(["--", filter]);
        }
        suite::run("documentation", &mut doc, &mut self.report);
    }

    /// What is tested as wasm.
    fn wasm_packages(&self) -> Result<Vec<&'static str>> {
        let mut packages =
            vec!["chanterelle-annex", "chanterelle-core", "chanterelle-media", "chanterelle-webrtc"];
        if mentions(&self.ws.root().join("web"), "#[wasm_bindgen_test")? {
            packages.push("chanterelle-web");
        }
        Ok(packages)
    }

    fn wasm(&mut self) -> Result<()> {
        let packages = self.wasm_packages()?;
        let tools = self.tools()?;
        let built = build::build(tools.rust.cargo(self.ws)?, &packages, &["--target", TARGET])?;
        let runner = tools.wasm_test_runner();
        let start = |suite: &Suite| {
            let mut command = Command::new(&runner);
            command.arg(suite.executable());
            command
        };
        match self.browser.clone() {
            Ok(browser) => {
                let ws = self.ws;
                self.suites("wasm", &packages, &built.suites, |suite| {
                    let mut command = start(suite);
                    in_browser(&mut command, ws, &browser);
                    command
                });
                Ok(())
            }
            Err(reason) => self.skip("wasm", &built.suites, &reason, start),
        }
    }

    fn product(&mut self, built: &Built) -> Result<()> {
        let relay = built.relay.as_deref().context("cargo built no relay")?;
        let suites = || built.suites.iter().filter(|suite| suite.package() == PRODUCT);
        let browser = match self.browser.clone() {
            Ok(browser) => browser,
            Err(reason) => {
                return self.skip("product", suites(), &reason, |suite| Command::new(suite.executable()));
            }
        };
        let firefox = setup::firefox(self.ws).inspect_err(|error| eprintln!("warning: {error:#}")).ok();
        let interop = setup::interop(self.ws).map_err(|error| format!("no js-libp2p: {error:#}"));
        if let Ok(made) = &interop {
            let built = interop::build_page(self.ws, self.tools()?, &self.wasm_packages()?, made);
            self.note("product interop", built);
        }
        let tuspy = setup::tuspy(self.ws).map_err(|error| format!("no tuspy: {error:#}"));
        let found = [(&BUNDLED[..], &interop), (&TUSPY, &tuspy)];
        let missing: Vec<(&str, &String)> = found
            .into_iter()
            .filter_map(|(tests, found)| Some((tests, found.as_ref().err()?)))
            .flat_map(|(tests, reason)| tests.iter().map(move |test| (*test, reason)))
            .collect();
        self.suites("product", &[PRODUCT], &built.suites, |suite| {
            let mut command = Command::new(suite.executable());
            on_product(&mut command, relay, &browser);
            command.envs(firefox.iter().map(|firefox| ("FIREFOX", firefox)));
            command.envs(interop.iter().map(|made| ("CHANTERELLE_INTEROP", made)));
            command.envs(tuspy.iter().map(|python| ("CHANTERELLE_TUSPY", python)));
            command.args(missing.iter().flat_map(|(test, _)| ["--skip", test]));
            command
        });
        for (test, reason) in missing {
            self.skip("product", suites(), reason, |suite| {
                let mut command = Command::new(suite.executable());
                command.arg(test);
                command
            })?;
        }
        Ok(())
    }

    /// Runs every suite; a package without a single test in this part is a failure.
    fn suites(&mut self, part: &str, packages: &[&str], suites: &[Suite], start: impl Fn(&Suite) -> Command) {
        for package in packages {
            let before = self.report.total();
            for suite in suites.iter().filter(|suite| suite.package() == *package) {
                let mut command = start(suite);
                command.current_dir(suite.directory()).env("CARGO_MANIFEST_DIR", suite.directory());
                command.args(&self.filter);
                suite::run(&format!("{part} {}", suite.name()), &mut command, &mut self.report);
            }
            if self.report.total() == before && self.filter.is_none() {
                self.report.failed(&format!("{part} {package}"), "there is no test at all");
            }
        }
    }

    /// Names every test that cannot run. Where everything must run that is a failure.
    fn skip<'s>(
        &mut self,
        part: &str,
        suites: impl IntoIterator<Item = &'s Suite>,
        reason: &str,
        start: impl Fn(&Suite) -> Command,
    ) -> Result<()> {
        if std::env::var("CI").is_ok_and(|ci| ci == "true") {
            self.report.failed(part, reason);
            return Ok(());
        }
        for suite in suites {
            let listed = process::capture(start(suite).arg("--list"))?;
            for name in listed.lines().filter_map(|line| line.strip_suffix(": test")) {
                self.report.skipped(&format!("{part} {} {name}", suite.name()), reason);
            }
        }
        Ok(())
    }
}

/// Makes wasm-bindgen's test runner use this browser, headless, with time for a slow machine.
pub(crate) fn in_browser(command: &mut Command, ws: &Workspace, browser: &Browser) {
    browser.select(command);
    command
        .env("WASM_BINDGEN_USE_BROWSER", "1")
        .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", ws.root().join("core/webdriver.json"))
        .env("WASM_BINDGEN_TEST_TIMEOUT", "900")
        .env("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", "60");
}

/// Tells a command which relay and which browser to try out, as `CHANTERELLE_BIN`, `CHROMIUM` and `CHROMEDRIVER`.
pub(crate) fn on_product(command: &mut Command, relay: &Path, browser: &Browser) {
    browser.select(command);
    command.env("CHANTERELLE_BIN", relay);
}

/// Whether any Rust file below the directory contains the text.
fn mentions(directory: &Path, text: &str) -> Result<bool> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let found = if path.is_dir() {
            mentions(&path, text)?
        } else {
            path.extension().is_some_and(|end| end == "rs") && fs::read_to_string(&path)?.contains(text)
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
