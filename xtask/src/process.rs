//! Child processes: shown before they run, their output never swallowed.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Runs a command to its end, with its output where ours goes.
///
/// # Errors
/// If it cannot be started or does not succeed; the text names the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs a command to its end and says how it ended.
///
/// # Errors
/// If it cannot be started.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    show(command);
    command.status().with_context(|| format!("cannot start `{}`", shown(command)))
}

/// The standard output of a command that is quick and not worth showing; its errors go where ours go.
///
/// # Errors
/// If it cannot be started or does not succeed.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !output.status.success() {
        bail!("`{}` failed ({})", shown(command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command, shows its standard output line by line and hands each line to `on_line`.
///
/// A command that is still running after `limit` is killed; `None` is returned then.
///
/// # Errors
/// If it cannot be started or waited for.
pub(crate) fn follow(
    command: &mut Command,
    limit: Duration,
    mut on_line: impl FnMut(&str),
) -> Result<Option<ExitStatus>> {
    show(command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    let stdout = child.stdout.take().context("the child's output is piped")?;
    let (sender, lines) = mpsc::channel();
    // Detached on purpose: a grandchild may hold the pipe open after the child was killed.
    thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    let end = Instant::now() + limit;
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                println!("{line}");
                on_line(&line);
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(Some(child.wait()?)),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
        }
    }
}

/// The first program of this name on `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(program)).find(|path| path.is_file())
}

/// Puts directories in front of the command's `PATH`.
///
/// # Errors
/// If a directory's name cannot stand in `PATH`.
pub(crate) fn prepend_path(command: &mut Command, dirs: &[&Path]) -> Result<()> {
    let set =
        command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value.map(Into::into));
    let path = set.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    let dirs = dirs.iter().map(|dir| dir.to_path_buf()).chain(std::env::split_paths(&path));
    command.env("PATH", std::env::join_paths(dirs).context("a directory name with a `:` cannot be used")?);
    Ok(())
}

fn show(command: &Command) {
    eprintln!("$ {}", shown(command));
}

/// The command as a person would type it: programs without their directory, words with spaces quoted.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    for word in command.get_args() {
        let word = word.to_string_lossy();
        let quote = if word.is_empty() || word.contains(char::is_whitespace) { "'" } else { "" };
        let _ = write!(line, " {quote}{word}{quote}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_a_command_as_typed() {
        assert_eq!(shown(Command::new("/usr/bin/cargo").args(["test", "a b"])), "cargo test 'a b'");
    }

    #[test]
    fn follows_lines_and_the_exit_code() {
        let mut lines = Vec::new();
        let status = follow(
            Command::new("sh").args(["-c", "echo one; echo two; exit 3"]),
            Duration::from_secs(60),
            |line| {
                lines.push(line.to_owned());
            },
        );
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(status.unwrap().unwrap().code(), Some(3));
    }

    #[test]
    fn kills_what_does_not_end() {
        let status = follow(Command::new("sleep").arg("600"), Duration::ZERO, |_| {});
        assert!(status.unwrap().is_none());
    }

    #[test]
    fn a_failure_names_the_command() {
        let error = run(Command::new("sh").args(["-c", "exit 1"])).unwrap_err().to_string();
        assert!(error.contains("sh -c 'exit 1'"), "{error}");
    }
}
