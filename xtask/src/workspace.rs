//! Where things are: the checkout, cargo's target directory and the cache of tools.
//!
//! The page goes to `dist` in the target directory, where the relay's build looks for it. Bench results go to
//! `target/bench` of the checkout even when `CARGO_TARGET_DIR` points elsewhere: other programs look for them there.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// The directories of this checkout and of its tools, all absolute.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    cache: PathBuf,
}

impl Workspace {
    /// Finds the checkout that this program was started from.
    ///
    /// # Errors
    /// If cargo cannot read the workspace, or there is no home directory to keep the tools in.
    pub(crate) fn locate() -> Result<Self> {
        let package = std::env::var_os("CARGO_MANIFEST_DIR").context("start this as `cargo xtask`")?;
        let root = Path::new(&package).parent().context("xtask stands in the workspace root")?.to_owned();
        let mut metadata = cargo();
        metadata.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(&root);
        let metadata: serde_json::Value = serde_json::from_str(&process::capture(&mut metadata)?)?;
        let target =
            metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
        Ok(Workspace {
            root,
            target: target.into(),
            cache: cache(|name| std::env::var_os(name).map(PathBuf::from))?,
        })
    }

    /// The checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target directory.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Tools of this project, shared by all checkouts.
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// The built page, which the relay embeds.
    pub(crate) fn dist(&self) -> PathBuf {
        self.target.join("dist")
    }

    /// Results of benches.
    pub(crate) fn bench(&self) -> PathBuf {
        self.root.join("target/bench")
    }

    /// The relay, once built.
    pub(crate) fn relay_binary(&self) -> PathBuf {
        self.target.join("release/chanterelle")
    }

    /// What begins the path of a source on this machine, and nothing else: none of it belongs into what is built.
    pub(crate) fn private_paths(&self) -> Vec<PathBuf> {
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        private_paths(&self.root, variable("HOME"), variable("CARGO_HOME"))
    }

    /// A cargo command for native code in the checkout.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root);
        command
    }
}

/// The cargo that started this program, without what it told only this program: some build scripts start over when
/// these variables change, and a plain `cargo build` does not have them.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let told = |prefix: &str| name.to_str().is_some_and(|name| name.starts_with(prefix));
        if told("CARGO_PKG_") || told("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// A directory at the root, such as `/root` or `/src`, is a word that paths of others hold too.
fn private_paths(root: &Path, home: Option<PathBuf>, cargo: Option<PathBuf>) -> Vec<PathBuf> {
    let cargo = cargo.or_else(|| home.as_ref().map(|home| home.join(".cargo")));
    let sources = cargo.iter().flat_map(|cargo| [cargo.join("registry"), cargo.join("git")]);
    let named = [Some(root.to_owned()), home].into_iter().flatten();
    named.filter(|path| path.is_absolute() && path.components().count() > 2).chain(sources).collect()
}

fn cache(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf> {
    let named = |name| variable(name).filter(|path| !path.as_os_str().is_empty());
    let cache = if let Some(path) = named("CHANTERELLE_CACHE") {
        path
    } else if let Some(path) = named("XDG_CACHE_HOME") {
        path.join("chanterelle")
    } else if let Some(path) = named("HOME") {
        path.join(".cache/chanterelle")
    } else {
        bail!("no place for the tools: set CHANTERELLE_CACHE to a directory");
    };
    Ok(std::path::absolute(cache)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_here_does_not_say_where() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        // But for the root, which stands a line above.
        for path in private_paths(Path::new("/"), variable("HOME"), variable("CARGO_HOME")) {
            let path = format!("{}/", path.display());
            let holds = program.windows(path.len()).any(|part| part == path.as_bytes());
            assert!(!holds || root.starts_with(&path), "{path}");
        }
    }

    #[test]
    fn a_directory_at_the_root_is_no_sign() {
        let paths = |root: &str, home: &str, cargo: Option<&str>| -> Vec<String> {
            let paths = private_paths(root.as_ref(), Some(home.into()), cargo.map(PathBuf::from));
            paths.iter().map(|path| path.display().to_string()).collect()
        };
        assert_eq!(paths("/src", "/me", None), ["/me/.cargo/registry", "/me/.cargo/git"]);
        assert_eq!(
            paths("/u/ann/mushroom", "/u/ann", Some("/cargo")),
            ["/u/ann/mushroom", "/u/ann", "/cargo/registry", "/cargo/git"]
        );
    }

    #[test]
    fn the_cache_is_where_the_person_says() {
        let with = |set: &[(&str, &str)]| {
            let set: Vec<(String, PathBuf)> = set.iter().map(|(n, v)| ((*n).to_owned(), v.into())).collect();
            cache(move |name| set.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()))
        };
        assert_eq!(with(&[("CHANTERELLE_CACHE", "/c"), ("HOME", "/h")]).unwrap(), Path::new("/c"));
        assert_eq!(with(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]).unwrap(), Path::new("/x/chanterelle"));
        assert_eq!(
            with(&[("XDG_CACHE_HOME", ""), ("HOME", "/h")]).unwrap(),
            Path::new("/h/.cache/chanterelle")
        );
        assert!(with(&[]).is_err());
    }
}
