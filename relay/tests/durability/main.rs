//! What a relay owes those it has acknowledged something to: nothing of it is lost, whatever happens to the process, its
//! disk or its link to others.
//!
//! These tests are long, and need all of a small machine; they run one after the other. What a machine does not permit
//! is skipped, with the reason.

#[cfg(target_os = "linux")]
mod cut;
mod full;
mod harness;
mod kill;
#[path = "../relay/support/mod.rs"]
#[allow(dead_code, reason = "shared with the other tests, which use more of it")]
mod support;

use std::process::ExitCode;

use harness::Test;

fn main() -> ExitCode {
    harness::run(&[
        Test::new("a_relay_that_is_killed_has_everything_it_acknowledged", kill::test),
        Test::new(
            "a_relay_on_a_full_disk_serves_what_it_has_and_stores_again_when_there_is_room",
            full::test,
        ),
        #[cfg(target_os = "linux")]
        Test::new("relays_whose_link_was_cut_both_have_everything_afterwards", cut::test),
    ])
}
