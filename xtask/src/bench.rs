//! `cargo xtask bench [NAME]`: runs benches, prints a table and writes `target/bench/NAME.json`.
//!
//! A bench is a program that prints its results as lines `bench-row {"name": …, "value": …, "unit": …, "baseline": …,
//! "ratio": …}`; names begin with the bench's own, `baseline` and `ratio` may be null. What is measured, and against
//! what, is the program's business; one that gives no row has failed.

use std::fs;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value};

use crate::args::{Args, Usage};
use crate::page;
use crate::process;
use crate::setup::{self, Browser, PageTools, TARGET};
use crate::test;
use crate::workspace::Workspace;

/// What begins a line with a result.
const MARK: &str = "bench-row ";

/// The columns of the table, and the keys of a row.
const KEYS: [&str; 5] = ["name", "value", "unit", "baseline", "ratio"];

/// Far more than any bench takes.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// A bench's name and the programs that measure it.
type Bench = (&'static str, fn(&Workspace) -> Result<Vec<Command>>);

const BENCHES: [Bench; 7] = [
    ("load", load),
    ("admit", admit),
    ("ingest", ingest),
    ("durable", durable),
    ("webrtc", webrtc),
    ("media", media),
    ("sync", sync),
];

/// `cargo xtask bench [NAME]`.
pub(crate) fn command(ws: &Workspace, args: Args) -> Result<ExitCode> {
    let wanted = args.free()?;
    let benches: Vec<Bench> = BENCHES
        .into_iter()
        .filter(|(name, _)| wanted.as_deref().is_none_or(|wanted| wanted == *name))
        .collect();
    if benches.is_empty() {
        let names: Vec<&str> = BENCHES.iter().map(|(name, _)| *name).collect();
        return Err(Usage(format!("there is no such bench; there are {}", names.join(", "))).into());
    }
    page::ensure_dist(ws)?;
    let mut code = ExitCode::SUCCESS;
    let mut tables = String::new();
    for (name, programs) in benches {
        match measure(ws, name, programs) {
            Ok(rows) => tables += &table(&rows),
            Err(error) => {
                eprintln!("error: bench {name}: {error:#}");
                code = ExitCode::FAILURE;
            }
        }
    }
    print!("{tables}");
    Ok(code)
}

fn load(ws: &Workspace) -> Result<Vec<Command>> {
    page::build_product(ws, &PageTools::prepare(ws)?)?;
    let mut command = ws.cargo();
    command.args(["run", "--release", "--package", "chanterelle-e2e", "--bin", "bench-load"]);
    test::on_product(&mut command, &ws.relay_binary(), &setup::browser(ws)?);
    Ok(vec![command])
}

/// The same program natively and, as a wasm test that shows what it prints, in the browser.
fn admit(ws: &Workspace) -> Result<Vec<Command>> {
    const EXAMPLE: [&str; 6] =
        ["--package", "chanterelle-core", "--features", "sim", "--example", "bench_admit"];
    let mut native = ws.cargo();
    native.args(["run", "--release"]).args(EXAMPLE);

    let tools = PageTools::prepare(ws)?;
    let mut wasm = tools.rust.cargo(ws)?;
    // As the page is built: its profile prefers smallness.
    wasm.args(["test", "--profile", "page", "--target", TARGET]).args(EXAMPLE).args(["--", "--nocapture"]);
    wasm.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", tools.wasm_test_runner());
    test::in_browser(&mut wasm, ws, &setup::browser(ws)?);
    Ok(vec![native, wasm])
}

fn ingest(ws: &Workspace) -> Result<Vec<Command>> {
    let mut command = ws.cargo();
    command.args(["run", "--release", "--package", "chanterelle-relay", "--example", "bench_ingest"]);
    Ok(vec![command])
}

/// The tests that kill and take away, which print what they have measured.
fn durable(ws: &Workspace) -> Result<Vec<Command>> {
    page::build_product(ws, &PageTools::prepare(ws)?)?;
    let browser = setup::browser(ws)?;
    let test = |package: &str, target: &str, filter: &str| {
        let mut command = ws.cargo();
        command.args(["test", "--release", "--package", package, "--test", target, filter]);
        command.args(["--", "--nocapture"]);
        test::on_product(&mut command, &ws.relay_binary(), &browser);
        command
    };
    Ok(vec![
        test("chanterelle-relay", "durability", "killed"),
        test("chanterelle-e2e", "product", "durable::"),
    ])
}

/// The transport against bare connections in one page, built as the page is; then against js-libp2p, and in the whole
/// product.
fn webrtc(ws: &Workspace) -> Result<Vec<Command>> {
    let tools = PageTools::prepare(ws)?;
    let browser = setup::browser(ws)?;
    let mut bare = tools.rust.cargo(ws)?;
    bare.args(["test", "--profile", "page", "--target", TARGET, "--package", "chanterelle-webrtc"]);
    bare.args(["--example", "bench_webrtc", "--", "--nocapture"]);
    bare.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", tools.wasm_test_runner());
    test::in_browser(&mut bare, ws, &browser);

    Ok(vec![bare, on_interop(ws, &tools, &browser, "bench-webrtc")?])
}

/// A program that measures the product beside the page of our transport alone.
fn on_interop(ws: &Workspace, tools: &PageTools, browser: &Browser, program: &str) -> Result<Command> {
    page::build_product(ws, tools)?;
    let made = setup::interop(ws)?;
    test::interop::build_page(ws, tools, &[], &made)?;
    let mut product = ws.cargo();
    product.args(["run", "--release", "--package", "chanterelle-e2e", "--bin", program]);
    product.env("CHANTERELLE_INTEROP", made);
    test::on_product(&mut product, &ws.relay_binary(), browser);
    Ok(product)
}

/// How fast a relay makes thumbnails, and where a browser stores blobs fastest, built as the page is; then files in the
/// whole product.
fn media(ws: &Workspace) -> Result<Vec<Command>> {
    let mut thumbnails = ws.cargo();
    thumbnails.args(["run", "--release", "--package", "chanterelle-relay", "--example", "bench_media"]);
    let tools = PageTools::prepare(ws)?;
    let mut store = tools.rust.cargo(ws)?;
    store.args(["test", "--profile", "page", "--target", TARGET, "--package", "chanterelle-media"]);
    store.args(["--example", "bench_store", "--", "--nocapture"]);
    store.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", tools.wasm_test_runner());
    let browser = setup::browser(ws)?;
    test::in_browser(&mut store, ws, &browser);
    Ok(vec![thumbnails, store, on_interop(ws, &tools, &browser, "bench-media")?])
}

/// Bytes, round trips and time of a reconciliation, beside negentropy's.
fn sync(ws: &Workspace) -> Result<Vec<Command>> {
    let mut command = ws.cargo();
    command.args(["run", "--release", "--package", "chanterelle-core", "--features", "sim"]);
    command.args(["--example", "bench_sync"]);
    Ok(vec![command])
}

fn measure(
    ws: &Workspace,
    name: &str,
    programs: fn(&Workspace) -> Result<Vec<Command>>,
) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    for mut program in programs(ws)? {
        rows.extend(collect(name, &mut program)?);
    }
    fs::create_dir_all(ws.bench())?;
    let path = ws.bench().join(format!("{name}.json"));
    fs::write(&path, serde_json::to_string_pretty(&rows)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("wrote {}", path.display());
    Ok(rows)
}

fn collect(bench: &str, program: &mut Command) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    let status = process::follow(program, LIMIT, |line| {
        if let Some(row) = line.trim_start().strip_prefix(MARK) {
            rows.push(parse(bench, row).with_context(|| format!("it printed the row {row}")));
        }
    })?;
    let status =
        status.ok_or_else(|| anyhow!("it was still running after {} minutes", LIMIT.as_secs() / 60))?;
    if !status.success() {
        bail!("its program failed ({status})");
    }
    if rows.is_empty() {
        bail!("its program printed no result");
    }
    rows.into_iter().collect()
}

fn parse(bench: &str, row: &str) -> Result<Value> {
    let row: Map<String, Value> = serde_json::from_str(row)?;
    let number = |key| row.get(key).is_some_and(Value::is_number);
    let number_or_null = |key| row.get(key).is_some_and(|value| value.is_number() || value.is_null());
    let name = row.get("name").and_then(Value::as_str).unwrap_or_default();
    if name.split_once('.').is_none_or(|(prefix, rest)| prefix != bench || rest.is_empty()) {
        bail!("its name has to begin with `{bench}.`");
    }
    if !number("value") || !row.get("unit").is_some_and(Value::is_string) {
        bail!("it needs a number `value` and a text `unit`");
    }
    if !number_or_null("baseline") || !number_or_null("ratio") {
        bail!("`baseline` and `ratio` have to be numbers or null");
    }
    if let Some(key) = row.keys().find(|key| !KEYS.contains(&key.as_str())) {
        bail!("`{key}` is not a key of a row");
    }
    Ok(Value::Object(row))
}

/// The rows under a heading, names and units to the left, numbers to the right.
fn table(rows: &[Value]) -> String {
    let cells: Vec<[String; 5]> = [KEYS.map(str::to_owned)]
        .into_iter()
        .chain(rows.iter().map(|row| KEYS.map(|key| cell(&row[key]))))
        .collect();
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3), width(4)];
    let mut table = String::from("\n");
    for [name, value, unit, baseline, ratio] in &cells {
        let [n, v, u, b, r] = widths;
        table += format!("{name:n$}  {value:>v$}  {unit:u$}  {baseline:>b$}  {ratio:>r$}").trim_end();
        table.push('\n');
    }
    table
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(number) if number.abs() >= 100.0 => format!("{number:.0}"),
            Some(number) => format!("{number:.2}"),
            None => number.to_string(),
        },
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_bench() {
        let names: Vec<&str> = BENCHES.iter().map(|(name, _)| *name).collect();
        let line = format!("measure: {}, or all of them", names.join(", "));
        assert!(crate::HELP.contains(&line), "{line}");
    }

    const ROW: &str =
        r#"{"name":"admit.batch_native","value":30000,"unit":"events/s","baseline":10000.5,"ratio":3.0}"#;

    fn sh(script: &str) -> Result<Vec<Value>> {
        collect("admit", Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn collects_rows_from_among_other_lines() {
        let rows = sh(&format!("echo noise; echo '  bench-row {ROW}'; echo bench-rows")).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0]["ratio"], 3.0);
    }

    #[test]
    fn a_bench_without_a_result_has_failed() {
        assert!(sh("true").is_err());
        assert!(sh(&format!("echo 'bench-row {ROW}'; exit 1")).is_err());
    }

    #[test]
    fn refuses_rows_that_nobody_could_read() {
        assert!(parse("admit", ROW).is_ok());
        assert!(parse("load", ROW).is_err());
        assert!(parse("admit", &ROW.replace("30000", "null")).is_err());
        assert!(parse("admit", &ROW.replace("3.0", "\"three\"")).is_err());
        assert!(parse("admit", &ROW.replace("\"unit\"", "\"units\"")).is_err());
        assert!(parse("admit", &ROW.replace("\"unit\"", "\"more\":1,\"unit\"")).is_err());
        assert!(parse("admit", "{").is_err());
    }

    #[test]
    fn draws_a_table() {
        let row = parse("admit", ROW).unwrap();
        let null =
            parse("admit", r#"{"name":"admit.x","value":1.5,"unit":"ms","baseline":null,"ratio":null}"#)
                .unwrap();
        assert_eq!(
            table(&[row, null]),
            "\nname                value  unit      baseline  ratio\n\
             admit.batch_native  30000  events/s     10000   3.00\n\
             admit.x              1.50  ms               -      -\n"
        );
    }
}
