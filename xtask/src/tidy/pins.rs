//! Versions that are named in several places are the same everywhere.
//!
//! `wasm-bindgen` refuses the work of any other version of itself, so a half-done upgrade fails late and unclearly.

use super::{Finding, Source};
use crate::setup::WASM_BINDGEN_VERSION;

/// Where `wasm-bindgen` is named, and the text that comes before its version.
const PLACES: [(&str, &str); 3] = [
    ("Cargo.toml", "\nwasm-bindgen = \"="),
    ("Cargo.lock", "\nname = \"wasm-bindgen\"\nversion = \""),
    ("Trunk.toml", "\nwasm_bindgen = \""),
];

/// All findings in the files that name the version.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, before) in PLACES {
        let Some(source) = sources.iter().find(|source| source.path == path) else { continue };
        let version = source.text().split_once(before).and_then(|(_, rest)| rest.split('"').next());
        if version != Some(WASM_BINDGEN_VERSION) {
            let found = version.unwrap_or("no version");
            let message = format!("names {found} of wasm-bindgen, xtask/src/setup {WASM_BINDGEN_VERSION}");
            findings.push(Finding::new(source, 0, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_found() {
        for (path, before) in PLACES {
            let file = |version: &str| [Source::new(path, &format!("[a]{before}{version}\"\n"))];
            assert!(check(&file(WASM_BINDGEN_VERSION)).is_empty());
            assert_eq!(check(&file("0.2.1")).len(), 1);
            assert_eq!(check(&[Source::new(path, "[a]\n")]).len(), 1);
        }
    }
}
