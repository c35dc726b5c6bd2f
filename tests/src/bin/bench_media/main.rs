//! The part of `cargo xtask bench media` that takes the whole product: files from tab to tab, pictures being prepared, and
//! uploads to the relay.
//!
//! | row | what |
//! |---|---|
//! | `media.transfer` | a file from one tab to another, checked and stored, against the same bytes over one raw stream of ours between two browsers |
//! | `media.two_holders` | a file from two tabs, against one tab, each of which sends so fast and no faster |
//! | `media.longest_task_ms` | the longest task on the page's thread while ten pictures are prepared; 0 if none took 50 ms |
//! | `media.tus` | an upload by tus, against one streamed PUT of the same file to the same disk |
//! | `media.relay_rss_mb` | the most memory the relay ever had in use with 50 uploads of 100 MB at once |
//!
//! What is compared runs in turns, and a ratio is the median of those of the turns.

mod pictures;
mod tabs;
mod uploads;

use chanterelle_e2e::place;
use serde_json::{Value, json};

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("the system has room for a runtime").block_on(bench());
}

async fn bench() {
    let folder = place::artifacts("bench-media");
    uploads::bench(&folder).await;
    pictures::bench(&folder).await;
    tabs::bench(&folder).await;
}

fn row(name: &str, value: f64, unit: &str) {
    print(name, value, unit, Value::Null, Value::Null);
}

/// Tells two speeds that were measured in turns, in this unit.
fn compared(name: &str, turns: &[(f64, f64)], unit: &str) {
    for (ours, baseline) in turns {
        eprintln!("{name}: {ours:.1} against {baseline:.1} {unit}");
    }
    let ratio = median(turns.iter().map(|(ours, baseline)| ours / baseline));
    let ours = median(turns.iter().map(|(ours, _)| *ours));
    let baseline = median(turns.iter().map(|(_, baseline)| *baseline));
    print(name, ours, unit, rounded(baseline, 10.0), rounded(ratio, 100.0));
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn rounded(value: f64, parts: f64) -> Value {
    ((value * parts).round() / parts).into()
}

fn print(name: &str, value: f64, unit: &str, baseline: Value, ratio: Value) {
    let value = rounded(value, 10.0);
    let row = json!({"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio});
    println!("bench-row {row}");
}
