//! Runs tests in their order, in the words of libtest, which cannot skip a test with a reason that shows only when it
//! runs.
//!
//! Knows `--list` and words to filter by; other flags change nothing. Where everything must run, with `CI=true`, a test
//! that is not permitted has failed.

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

/// How a test ended that did not fail.
pub(crate) enum Outcome {
    Passed,
    /// The machine does not permit it, because of this.
    Skipped(String),
}

/// A test and its name.
pub(crate) struct Test {
    name: &'static str,
    run: fn() -> Outcome,
}

impl Test {
    pub(crate) fn new(name: &'static str, run: fn() -> Outcome) -> Test {
        Test { name, run }
    }
}

/// Runs those that are asked for on the command line.
pub(crate) fn run(tests: &[Test]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let wanted = |test: &&Test| words.is_empty() || words.iter().any(|word| test.name.contains(word));
    let tests_wanted: Vec<&Test> = tests.iter().filter(wanted).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        tests_wanted.iter().for_each(|test| println!("{}: test", test.name));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", tests_wanted.len());
    let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let begun = Instant::now();
    let [mut passed, mut failed, mut ignored] = [0; 3];
    for test in &tests_wanted {
        let result = match catch_unwind(test.run) {
            Ok(Outcome::Passed) => {
                passed += 1;
                "ok".to_owned()
            }
            Ok(Outcome::Skipped(reason)) if is_ci => {
                failed += 1;
                eprintln!("{}: {reason}", test.name);
                "FAILED".to_owned()
            }
            Ok(Outcome::Skipped(reason)) => {
                ignored += 1;
                format!("ignored, {reason}")
            }
            Err(_) => {
                failed += 1;
                "FAILED".to_owned()
            }
        };
        println!("test {} ... {result}", test.name);
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let filtered = tests.len() - tests_wanted.len();
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; {filtered} filtered out; \
         finished in {:.2}s\n",
        begun.elapsed().as_secs_f64()
    );
    // What libtest ends with.
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(101) }
}
