//! The words after a command: `--name value`, `--name=value`, `--switch` and free words.
//!
//! Deliberately small: a command takes what it knows and then calls [`Args::finish`] or [`Args::free`], which refuse
//! whatever is left, so a misspelt option never passes silently.

use std::fmt;
use std::str::FromStr;

use anyhow::Result;

/// A command line that cannot be followed. The text says what is wrong; `main` adds where to find help.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The words not yet taken, in their order.
pub(crate) struct Args(Vec<String>);

impl Args {
    /// Takes the words after the command's name.
    pub(crate) fn new(words: Vec<String>) -> Self {
        Args(words)
    }

    /// All words as they are, for a command that hands them on.
    pub(crate) fn into_words(self) -> Vec<String> {
        self.0
    }

    /// Takes `--name` if it is there.
    pub(crate) fn switch(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|word| word != name);
        self.0.len() != before
    }

    /// Takes `--name value` or `--name=value`.
    ///
    /// # Errors
    /// [`Usage`] when the value is missing, does not parse, or the option is given twice.
    pub(crate) fn option<T: FromStr>(&mut self, name: &str, expected: &str) -> Result<Option<T>>
    where
        T::Err: fmt::Display,
    {
        let Some(text) = self.take(name)? else { return Ok(None) };
        if self.take(name)?.is_some() {
            return Err(Usage(format!("{name} is given twice")).into());
        }
        match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(Usage(format!("{name} {text}: {error}; expected {expected}")).into()),
        }
    }

    fn take(&mut self, name: &str) -> Result<Option<String>> {
        let joined = format!("{name}=");
        let Some(at) = self.0.iter().position(|word| word == name || word.starts_with(&joined)) else {
            return Ok(None);
        };
        let word = self.0.remove(at);
        if let Some(value) = word.strip_prefix(&joined) {
            return Ok(Some(value.to_owned()));
        }
        if self.0.get(at).is_none_or(|next| next.starts_with("--")) {
            return Err(Usage(format!("{name} needs a value")).into());
        }
        Ok(Some(self.0.remove(at)))
    }

    /// Takes the one free word that may be left.
    ///
    /// # Errors
    /// [`Usage`] for an unknown option or a second free word.
    pub(crate) fn free(mut self) -> Result<Option<String>> {
        if let Some(word) = self.0.iter().find(|word| word.starts_with('-')) {
            return Err(Usage(format!("there is no option `{word}` here")).into());
        }
        if let Some(word) = self.0.get(1) {
            return Err(Usage(format!("`{word}` is one word too many")).into());
        }
        Ok(self.0.pop())
    }

    /// Ends the parsing.
    ///
    /// # Errors
    /// [`Usage`] if any word is left.
    pub(crate) fn finish(self) -> Result<()> {
        match self.free()? {
            None => Ok(()),
            Some(word) => Err(Usage(format!("`{word}` means nothing here")).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args::new(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn takes_options_in_both_spellings() {
        let mut words = args("--port 9 --data=here");
        assert_eq!(words.option::<u16>("--port", "a port").unwrap(), Some(9));
        assert_eq!(words.option::<String>("--data", "a directory").unwrap().as_deref(), Some("here"));
        words.finish().unwrap();
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert!(args("--prot 9").finish().unwrap_err().to_string().contains("--prot"));
        assert!(args("one two").free().unwrap_err().to_string().contains("two"));
        assert!(args("left").finish().is_err());
    }

    #[test]
    fn says_what_is_wrong_with_a_value() {
        let wrong = args("--port 70000").option::<u16>("--port", "a port").unwrap_err().to_string();
        assert!(wrong.contains("70000") && wrong.contains("a port"), "{wrong}");
        assert!(args("--port").option::<u16>("--port", "a port").is_err());
        assert!(args("--data --port 1").option::<String>("--data", "a directory").is_err());
        assert!(args("--port 1 --port 2").option::<u16>("--port", "a port").is_err());
    }

    #[test]
    fn takes_a_switch_once() {
        let mut words = args("--all");
        assert!(words.switch("--all"));
        assert!(!words.switch("--all"));
        words.finish().unwrap();
    }
}
