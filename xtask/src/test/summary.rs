//! Reads what libtest and wasm-bindgen-test print, and adds it up.
//!
//! Both print `test NAME ... RESULT` per test and `test result: ok. 1 passed; 0 failed; 0 ignored; …` per suite. Only
//! summaries are counted; the lines per test give the names of what failed or was ignored.

use std::fmt;

/// All results so far.
#[derive(Default)]
pub(super) struct Report {
    passed: u64,
    failed: Vec<(String, String)>,
    skipped: Vec<(String, String)>,
}

impl Report {
    /// Adds one failure with its reason.
    pub(super) fn failed(&mut self, name: &str, reason: &str) {
        eprintln!("error: {name}: {reason}");
        self.failed.push((name.to_owned(), reason.to_owned()));
    }

    /// Adds one test that was not run.
    pub(super) fn skipped(&mut self, name: &str, reason: &str) {
        self.skipped.push((name.to_owned(), reason.to_owned()));
    }

    /// How many results there are.
    pub(super) fn total(&self) -> u64 {
        self.passed + (self.failed.len() + self.skipped.len()) as u64
    }

    /// Whether nothing failed and anything passed.
    pub(super) fn is_success(&self) -> bool {
        self.failed.is_empty() && self.passed > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, reason) in &self.skipped {
            writeln!(f, "skipped: {name}: {reason}")?;
        }
        for (name, reason) in &self.failed {
            writeln!(f, "failed: {name}: {reason}")?;
        }
        writeln!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed.len(), self.skipped.len())
    }
}

/// Follows the output of one command.
pub(super) struct Reader {
    suite: String,
    passed: u64,
    failed: u64,
    summaries: u64,
    /// Suites announced by `running N tests` whose summary has not come yet.
    open: u64,
    is_empty: bool,
    failures: Vec<String>,
    ignored: Vec<(String, String)>,
    ignored_count: u64,
}

impl Reader {
    pub(super) fn new(suite: &str) -> Self {
        Reader {
            suite: suite.to_owned(),
            passed: 0,
            failed: 0,
            summaries: 0,
            open: 0,
            is_empty: false,
            failures: Vec::new(),
            ignored: Vec::new(),
            ignored_count: 0,
        }
    }

    /// Takes one line of output. What a carriage return wrote over is left out.
    pub(super) fn line(&mut self, line: &str) {
        let line = line.rsplit('\r').next().unwrap_or(line);
        if let Some(counts) = line.strip_prefix("test result: ") {
            let count = |word| count(counts, word);
            if let (Some(passed), Some(failed), Some(ignored)) =
                (count("passed"), count("failed"), count("ignored"))
            {
                self.passed += passed;
                self.failed += failed;
                self.ignored_count += ignored;
                self.summaries += 1;
                self.open = self.open.saturating_sub(1);
            }
        } else if line == "no tests to run!" {
            // wasm-bindgen's runner says this instead of a summary of zeros.
            self.is_empty = true;
        } else if let Some(rest) = line.strip_prefix("running ") {
            self.open += u64::from(rest.ends_with(" test") || rest.ends_with(" tests"));
        } else if let Some((name, result)) =
            line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
        {
            self.result(name, result);
        }
    }

    fn result(&mut self, name: &str, result: &str) {
        if let Some(reason) = result.strip_prefix("ignored") {
            let reason = reason.trim_start_matches([',', ' ']);
            let reason = if reason.is_empty() { "marked as ignored without a reason" } else { reason };
            self.ignored.push((name.to_owned(), reason.to_owned()));
        } else if result.eq_ignore_ascii_case("failed") || result == "FAIL" {
            self.failures.push(name.to_owned());
        }
    }

    /// Adds the counts to the report. `success` is whether the command succeeded, or why it did not come to an end.
    pub(super) fn finish(mut self, success: Result<bool, String>, report: &mut Report) {
        report.passed += self.passed;
        // A name whose line was torn apart by other output still counts.
        self.failures.resize(self.failed as usize, "a test whose name is in the output above".to_owned());
        for name in &self.failures {
            report.failed(&format!("{} {name}", self.suite), "see above");
        }
        self.ignored.resize(self.ignored_count as usize, ("a test".to_owned(), "see above".to_owned()));
        for (name, reason) in &self.ignored {
            report.skipped(&format!("{} {name}", self.suite), reason);
        }
        let complaint = match success {
            Err(reason) => reason,
            Ok(_) if self.open > 0 => "it died before its summary".to_owned(),
            Ok(false) if self.failed == 0 => "it failed without a failed test".to_owned(),
            Ok(true) if self.failed > 0 => "it has failed tests and succeeded all the same".to_owned(),
            Ok(true) if self.summaries == 0 && !self.is_empty => "it ended without a summary".to_owned(),
            Ok(_) => return,
        };
        report.failed(&self.suite, &complaint);
    }
}

/// The number before a word, as in `3 passed;`.
fn count(counts: &str, word: &str) -> Option<u64> {
    let words: Vec<&str> = counts.split_whitespace().collect();
    let at = words.iter().position(|found| found.trim_end_matches(';') == word)?;
    words.get(at.checked_sub(1)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str, success: Result<bool, String>) -> String {
        let mut reader = Reader::new("suite");
        output.lines().for_each(|line| reader.line(line));
        let mut report = Report::default();
        reader.finish(success, &mut report);
        report.to_string()
    }

    const NATIVE: &str = "\nrunning 4 tests\ntest a ... ok\ntest b - should panic ... ok\n\
        test c ... ignored, needs a network\ntest d ... FAILED\n\nfailures:\n    d\n\n\
        test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";

    const WASM: &str = "Waiting for test to finish...\r   \rrunning 2 tests\ntest a::b ... ok\ntest c ... FAIL\n\nfailures:\n\n---- c output ----\n\
        \ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 filtered out; finished in 0.01s\n";

    #[test]
    fn reads_libtest() {
        assert_eq!(
            read(NATIVE, Ok(false)),
            "skipped: suite c: needs a network\nfailed: suite d: see above\n2 passed, 1 failed, 1 skipped\n"
        );
    }

    #[test]
    fn reads_wasm_bindgen_test() {
        assert_eq!(read(WASM, Ok(false)), "failed: suite c: see above\n1 passed, 1 failed, 0 skipped\n");
        assert_eq!(read("no tests to run!\n", Ok(true)), "0 passed, 0 failed, 0 skipped\n");
    }

    #[test]
    fn adds_up_several_summaries() {
        let ok =
            "running 1 test\ntest a ... ok\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured\n";
        assert_eq!(read(&ok.repeat(3), Ok(true)), "3 passed, 0 failed, 0 skipped\n");
    }

    #[test]
    fn a_suite_that_dies_is_a_failure() {
        let died = "running 2 tests\ntest a ... ok\n";
        for success in [Ok(false), Ok(true), Err("still running".to_owned())] {
            assert!(read(died, success).ends_with("0 passed, 1 failed, 0 skipped\n"));
        }
        assert!(read("waiting\r\rrunning 1 test\n", Ok(true)).contains("before its summary"));
        assert!(read("", Ok(true)).contains("without a summary"));
        assert!(read("", Ok(false)).contains("1 failed"));
    }

    #[test]
    fn exit_code_and_summary_must_agree() {
        let ok =
            "running 1 test\ntest a ... ok\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured\n";
        assert!(read(ok, Ok(false)).contains("1 passed, 1 failed"));
        assert!(read(NATIVE, Ok(true)).contains("2 passed, 2 failed"));
    }

    #[test]
    fn nothing_at_all_is_no_success() {
        assert!(!Report::default().is_success());
    }
}
