//! Fifty tabs and their relays under faults: every promise is kept at every seed, and a seed replays exactly.
//!
//! A seed that fails here is replayed with `cargo xtask sim --scenario NAME --seed N`.

use chanterelle_core::sim::{Report, Scenario, Shard, run, run_with};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;
#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

/// Enough to visit every fault many times; a browser is slower.
const SEEDS: u64 = if cfg!(target_arch = "wasm32") { 1 } else { 25 };

/// Of floods and long runs a few are enough: each is worth many of the others, in time and in what happens.
fn seeds(scenario: &Scenario) -> u64 {
    if scenario.liars.is_empty() && scenario.active < 200 { SEEDS } else { SEEDS.div_ceil(8) }
}

fn scenario(name: &str) -> Scenario {
    Scenario::named(name).expect("a scenario of that name")
}

fn keeps_its_promises(name: &str) {
    let scenario = scenario(name);
    for seed in 1..=seeds(&scenario) {
        let report = run(&scenario, seed);
        assert!(report.written > 20, "a run in which nothing happens shows nothing\n{report}");
        assert!(report.is_good(), "{report}");
    }
}

#[test]
fn one_relay_without_faults() {
    keeps_its_promises("calm");
}

#[test]
fn tabs_without_any_relay() {
    keeps_its_promises("mesh");
}

#[test]
fn frames_lost_and_reordered_and_sessions_broken() {
    keeps_its_promises("lossy");
    assert!(run(&scenario("lossy"), 1).lost > 100, "the link loses frames");
}

#[test]
fn tabs_that_find_each_other() {
    keeps_its_promises("direct");
}

/// Each event goes up to a relay once, by its author, and comes down about once for all who are neighbours of each
/// other. Tabs of two relays do not hear of each other here, so beside the author's there is a second such island, in
/// which a few ask at about the same time.
#[test]
fn neighbours_spare_the_relays() {
    let two = scenario("direct");
    let one = Scenario { relays: 1, ..two.clone() };
    for scenario in [&two, &one] {
        for seed in 1..=SEEDS.min(8) {
            let report = run(scenario, seed);
            assert!(report.up * 10 <= report.written as u64 * 11, "{report}");
            // To every eighth, and to those who waited in vain.
            assert!(report.down * 5 <= report.delivered, "{report}");
        }
    }
    let without = Scenario { direct: None, ..two.clone() };
    let report = run(&without, 1);
    assert!(report.down * 10 > report.delivered * 8, "without them nearly all comes down\n{report}");
}

#[test]
fn tabs_of_which_many_cannot_reach_each_other() {
    keeps_its_promises("partly-direct");
}

#[test]
fn a_network_split_in_two_and_healed() {
    keeps_its_promises("partition");
}

#[test]
fn crashes_and_a_storage_that_refuses() {
    keeps_its_promises("crashes");
    assert!(run(&scenario("crashes"), 1).crashes > 10, "peers crash");
}

#[test]
fn peers_that_come_and_go_for_good() {
    keeps_its_promises("churn");
    let report = run(&scenario("churn"), 1);
    assert!(report.peers > 130, "as many as left have come\n{report}");
}

#[test]
fn tabs_in_the_background() {
    keeps_its_promises("hidden-tabs");
}

#[test]
fn slow_ways_out_and_nats_that_do_not_meet() {
    keeps_its_promises("asymmetric");
}

#[test]
fn clocks_that_are_far_off() {
    keeps_its_promises("skewed");
    assert!(run(&scenario("skewed"), 1).latency.most() > 60_000, "some wait for their time to come");
}

#[test]
fn storages_that_are_full_or_slow() {
    keeps_its_promises("full-disks");
}

#[test]
fn floods_of_announcements_questions_and_peers() {
    keeps_its_promises("flood");
}

#[test]
fn liars_of_every_kind() {
    keeps_its_promises("liars");
    let report = run(&scenario("liars"), 1);
    assert!(report.closed.keys().any(|(_, is_honest)| !is_honest), "some are thrown out\n{report}");
}

#[test]
fn four_of_five_hostile_and_one_honest_path() {
    keeps_its_promises("eclipse");
}

#[test]
fn everything_at_once() {
    keeps_its_promises("everything");
}

#[test]
fn a_seed_replays_and_another_differs() {
    let trace = |seed| run(&scenario("everything"), seed).trace;
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}

#[test]
fn the_number_of_workers_changes_nothing() {
    for name in ["everything", "partly-direct"] {
        let alone = run(&scenario(name), 3);
        for shards in [2, 3, 7] {
            // Backwards, as if the last were always the fastest.
            let work = &mut |shards: &mut Vec<Shard>| {
                shards.reverse();
                shards.iter_mut().for_each(Shard::run);
            };
            let shared_out = run_with(&scenario(name), 3, shards, work);
            assert_eq!(shared_out.trace_hex(), alone.trace_hex(), "{name} in {shards} shares");
            assert_eq!(format!("{shared_out:?}"), format!("{alone:?}"), "{name} in {shards} shares");
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn threads_change_nothing() {
    let work = &mut |shards: &mut Vec<Shard>| {
        std::thread::scope(|scope| {
            for shard in shards {
                scope.spawn(|| shard.run());
            }
        });
    };
    let scenario = scenario("mesh");
    assert_eq!(run_with(&scenario, 5, 3, work).trace_hex(), run(&scenario, 5).trace_hex());
}

/// The same bytes on every target. It changes with the protocol, and then only on purpose.
#[test]
fn native_and_wasm_give_one_trace() {
    let report: Report = run(&scenario("everything"), 1);
    assert_eq!(report.trace_hex(), TRACE);
}

const TRACE: &str = "6310ce5e2bad2a2fbfe0f9aea64d4be8a419c6ceb3a6d949631f9802734b374c";
