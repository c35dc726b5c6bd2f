//! Reads the text of a scenario: lines `key = value`, and comments from `#` to the end of a line.
//!
//! Strict: an unknown key, a key that is said twice, a value of another form or out of bounds is an error that names the
//! line. What is not said is as in [`Scenario::default`].

use std::collections::BTreeSet;

use super::Scenario;
use crate::sim::liars::Kind;

/// Why a text is no scenario, with the number of the line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// Not `key = value`.
    #[error("line {0} is not `key = value`")]
    Form(usize),
    /// A key that means nothing.
    #[error("line {0}: there is no `{1}` to set")]
    Key(usize, String),
    /// Said before.
    #[error("line {0}: `{1}` was set before")]
    Twice(usize, String),
    /// A value of another form, or out of bounds.
    #[error("line {0}: `{1}` takes {2}")]
    Value(usize, String, &'static str),
    /// Numbers that do not go together.
    #[error("the scenario cannot be: {0}")]
    Whole(&'static str),
    /// No scenario has this name.
    #[error("there is no scenario {0:?}")]
    Name(String),
}

const NUMBER: &str = "a whole number";
const SHARE: &str = "a whole number from 0 to 1000";
const PAIR: &str = "two whole numbers, the second no smaller";
const YES: &str = "yes or no";

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(name: &str, text: &str) -> Result<Scenario, ScenarioError> {
        let mut scenario = Scenario { name: name.to_owned(), ..Scenario::default() };
        let mut said = BTreeSet::new();
        for (at, line) in text.lines().enumerate() {
            let at = at + 1;
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let (key, value) = line.split_once('=').ok_or(ScenarioError::Form(at))?;
            let (key, value) = (key.trim(), value.trim());
            if !said.insert(key) {
                return Err(ScenarioError::Twice(at, key.to_owned()));
            }
            match scenario.set(key, value) {
                Some(Ok(())) => {}
                Some(Err(form)) => return Err(ScenarioError::Value(at, key.to_owned(), form)),
                None => return Err(ScenarioError::Key(at, key.to_owned())),
            }
        }
        scenario.checked()
    }

    /// Sets one value; `None` when there is no such key, else what form the value should have had.
    fn set(&mut self, key: &str, value: &str) -> Option<Result<(), &'static str>> {
        let number = |to: &mut u64| value.parse().map(|value| *to = value).map_err(|_| NUMBER);
        let count = |to: &mut usize| value.parse().map(|value| *to = value).map_err(|_| NUMBER);
        let share = |to: &mut u64| match value.parse() {
            Ok(value @ 0..=1_000) => {
                *to = value;
                Ok(())
            }
            _ => Err(SHARE),
        };
        let pair = || -> Result<(u64, u64), &'static str> {
            let (least, most) = value.split_once(' ').ok_or(PAIR)?;
            let (least, most) = (least.parse().map_err(|_| PAIR)?, most.trim().parse().map_err(|_| PAIR)?);
            if least <= most { Ok((least, most)) } else { Err(PAIR) }
        };
        if let Some(kind) = key.strip_prefix("liars.") {
            let kind = Kind::named(kind)?;
            let mut of_kind = 0;
            return Some(share(&mut of_kind).map(|()| self.liars.push((kind, of_kind))));
        }
        Some(match key {
            "peers" => count(&mut self.peers),
            "relays" => count(&mut self.relays),
            "boards" => count(&mut self.boards),
            "boards_each" => pair().map(|(least, most)| self.boards_each = (least as usize, most as usize)),
            "zipf" => match value {
                "yes" | "no" => {
                    self.zipf = value == "yes";
                    Ok(())
                }
                _ => Err(YES),
            },
            "neighbours" => count(&mut self.neighbours),
            "direct_fails" => share(self.direct.insert(0)),
            "nat_open" => share(&mut self.nat_open),
            "nat_symmetric" => share(&mut self.nat_symmetric),
            "active" => number(&mut self.active),
            "settle" => number(&mut self.settle),
            "warm_up" => number(&mut self.warm_up),
            "posts_per_minute" => number(&mut self.posts_per_minute),
            "latency_ms" => pair().map(|pair| (self.link.least_ms, self.link.most_ms) = pair),
            "lost" => share(&mut self.link.lost),
            "reordered" => share(&mut self.link.reordered),
            "broken" => share(&mut self.link.broken),
            "uplink_kbps" => number(&mut self.uplink_kbps),
            "slow" => share(&mut self.slow),
            "slow_kbps" => number(&mut self.slow_kbps),
            "slow_ms" => number(&mut self.slow_ms),
            "partition" => pair().map(|pair| self.partition = Some(pair)),
            "parts" => count(&mut self.parts),
            "crashes" => share(&mut self.crashes),
            "forgetful" => share(&mut self.forgetful),
            "joins" => share(&mut self.joins),
            "leaves" => share(&mut self.leaves),
            "skew" => number(&mut self.skew),
            "storage_fails" => share(&mut self.storage_fails),
            "storage_full" => share(&mut self.storage_full),
            "storage_slow" => share(&mut self.storage_slow),
            "storage_slow_ms" => number(&mut self.storage_slow_ms),
            "hidden" => share(&mut self.hidden),
            "liars_each" => count(&mut self.liars_each),
            _ => return None,
        })
    }

    /// The scenario, if its numbers go together.
    ///
    /// # Errors
    /// [`ScenarioError::Whole`].
    pub fn checked(self) -> Result<Scenario, ScenarioError> {
        let wrong = if self.link.least_ms == 0 {
            "a link takes at least a millisecond"
        } else if self.peers == 0 || self.boards == 0 || self.parts == 0 || self.boards_each.0 == 0 {
            "there is at least one peer, one board, one board for each and one part"
        } else if self.boards > 60_000 || self.boards_each.1 > self.boards * 4 {
            "too many boards"
        } else if self.peers > 1_000_000 || self.active > 1_000_000 || self.settle > 1_000_000 {
            "too many peers or too long"
        } else if self.posts_per_minute == 0 || self.posts_per_minute > 60_000 {
            "at least one post a minute, and at most one a millisecond"
        } else if self.relays + self.all_liars() > self.peers {
            "more relays and liars than peers"
        } else if self.come_and_go(self.leaves) > self.peers.saturating_sub(self.relays + self.all_liars()) {
            "more leave than there are"
        } else {
            return Ok(self);
        };
        Err(ScenarioError::Whole(wrong))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn error(text: &str) -> ScenarioError {
        Scenario::parse("test", text).expect_err(text)
    }

    #[test]
    fn a_scenario_is_what_its_text_says() {
        let text = "# A test.\n\npeers = 7   # few\nlatency_ms = 5 300\ndirect_fails = 400\nzipf = yes\n\
                    partition = 20 90\nliars.have = 150\n";
        let scenario = Scenario::parse("test", text).expect("a scenario");
        assert_eq!((scenario.peers, scenario.direct, scenario.zipf), (7, Some(400), true));
        assert_eq!((scenario.link.least_ms, scenario.link.most_ms), (5, 300));
        assert_eq!((scenario.partition, scenario.all_liars()), (Some((20, 90)), 1));
        assert_eq!(scenario.settle, Scenario::default().settle);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        assert_eq!(error("\npeers 7"), ScenarioError::Form(2));
        assert_eq!(error("pears = 7"), ScenarioError::Key(1, "pears".to_owned()));
        assert_eq!(error("liars.good = 7"), ScenarioError::Key(1, "liars.good".to_owned()));
        assert_eq!(error("skew = 1\nskew = 1"), ScenarioError::Twice(2, "skew".to_owned()));
        assert_eq!(error("lost = 1001"), ScenarioError::Value(1, "lost".to_owned(), SHARE));
        assert_eq!(error("peers = -1"), ScenarioError::Value(1, "peers".to_owned(), NUMBER));
        assert_eq!(error("latency_ms = 9 5"), ScenarioError::Value(1, "latency_ms".to_owned(), PAIR));
        assert_eq!(error("zipf = maybe"), ScenarioError::Value(1, "zipf".to_owned(), YES));
        assert!(matches!(error("latency_ms = 0 5"), ScenarioError::Whole(_)));
        assert!(matches!(error("peers = 5\nrelays = 6"), ScenarioError::Whole(_)));
    }
}
