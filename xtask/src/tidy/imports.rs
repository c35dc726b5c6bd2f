//! Which module may use which (`docs/architecture.md`): an order in `core`, no circle anywhere, and single importers.
//!
//! Reads paths that begin with `crate`, `super` or the crate's own name, in `use` and elsewhere, and looks at the
//! top-level folders and files of each crate's `src`. The crate's root and its binaries may use everything.

use std::collections::{BTreeMap, BTreeSet};

use super::lexer::{self, Token};
use super::{Finding, Source};

/// The modules of `core`; each uses only those before it.
const CORE: [&str; 15] = [
    "base", "crypto", "event", "invite", "wire", "store", "trust", "admit", "gossip", "sync", "overlay",
    "media", "view", "node", "sim",
];

/// Modules of `core` that only `node` joins.
const SIBLINGS: [&str; 4] = ["gossip", "sync", "overlay", "media"];

/// A library, the crate, and the one folder of it that may name the library or its family.
const SINGLE_IMPORTERS: [(&str, &str, &str); 2] = [("libp2p", "web", "net"), ("rexie", "web", "storage")];

/// A module of a crate, the modules it must not use.
const FORBIDDEN: [(&str, &str, &[&str]); 1] = [("web", "pages", &["net", "storage"])];

/// One use of a module of the same crate.
struct Use<'a> {
    source: &'a Source,
    line: usize,
    from: String,
    to: String,
}

/// All findings in all crates.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut uses: BTreeMap<&str, Vec<Use<'_>>> = BTreeMap::new();
    for source in sources {
        let Some((package, path)) = source.path.split_once("/src/") else { continue };
        let Some(path) = path.strip_suffix(".rs").filter(|_| !package.contains('/')) else { continue };
        let code = lexer::code(source.text());
        let tokens = lexer::tokens(&code);
        findings.extend(single_importers(source, package, path, &tokens));
        let module = module_of(path);
        let Some(from) = module.first().map(|name| (*name).to_owned()) else { continue };
        let found = references(&tokens, &module, &format!("chanterelle_{package}"));
        let used =
            found.into_iter().map(|(to, line)| Use { source, line, from: from.clone(), to: to.to_owned() });
        uses.entry(package).or_default().extend(used.filter(|used| used.from != used.to));
    }
    for (package, uses) in &uses {
        for used in uses {
            let complaint = if *package == "core" { core_order(used) } else { None };
            let complaint = complaint.or_else(|| forbidden(package, used));
            findings.extend(complaint.map(|message| Finding::new(used.source, used.line, message)));
        }
        if *package != "core" {
            findings.extend(circle(uses));
        }
    }
    findings
}

/// The module path of a file below `src`, empty for roots: `gossip/mod` and `gossip` are `[gossip]`.
fn module_of(path: &str) -> Vec<&str> {
    if matches!(path, "lib" | "main") || path.starts_with("bin/") {
        return Vec::new();
    }
    path.strip_suffix("/mod").unwrap_or(path).split('/').collect()
}

/// The top-level modules that the code names, with the lines.
fn references<'a>(tokens: &[Token<'a>], module: &[&str], own_name: &str) -> Vec<(&'a str, usize)> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut found = Vec::new();
    // Depths of braces at which inline modules were opened: `super` inside them means one step less.
    let mut inline: Vec<usize> = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while at < tokens.len() {
        match text(at) {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                inline.pop_if(|opened| *opened == depth);
            }
            "mod" if text(at + 2) == "{" => inline.push(depth),
            "super" if text(at + 1) == "::" => {
                let mut steps = 1;
                while text(at + 2 * steps) == "super" && text(at + 2 * steps + 1) == "::" {
                    steps += 1;
                }
                at += 2 * steps - 1;
                if steps >= module.len() + inline.len() {
                    found.extend(names_at(tokens, at + 1));
                }
            }
            word if (word == "crate" || word == own_name) && text(at + 1) == "::" => {
                found.extend(names_at(tokens, at + 2));
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The first names of the path or the group of paths that begins here.
fn names_at<'a>(tokens: &[Token<'a>], at: usize) -> Vec<(&'a str, usize)> {
    let Some(first) = tokens.get(at) else { return Vec::new() };
    if first.text != "{" {
        return vec![(first.text, first.line)];
    }
    let mut names = Vec::new();
    let mut depth = 0_usize;
    let mut begins = false;
    for token in &tokens[at..] {
        match token.text {
            "{" => (depth, begins) = (depth + 1, depth == 0),
            "}" if depth == 1 => break,
            "}" => depth -= 1,
            "," if depth == 1 => begins = true,
            name => {
                if begins {
                    names.push((name, token.line));
                }
                begins = false;
            }
        }
    }
    names
}

fn core_order(used: &Use<'_>) -> Option<String> {
    let place = |name: &str| CORE.iter().position(|module| *module == name);
    let (from, to) = (used.from.as_str(), used.to.as_str());
    let Some(from_place) = place(from) else {
        return Some(format!(
            "`{from}` has no place in the order of core's modules; give it one in xtask/src/tidy"
        ));
    };
    let Some(to_place) = place(to) else {
        return Some(format!("`{to}` is no module of core: name it by the module that defines it"));
    };
    if SIBLINGS.contains(&from) && SIBLINGS.contains(&to) {
        return Some(format!("`{from}` uses `{to}`; only `node` joins the two"));
    }
    (to_place > from_place)
        .then(|| format!("`{from}` uses `{to}`, which stands after it: {}", CORE.join(", ")))
}

fn forbidden(package: &str, used: &Use<'_>) -> Option<String> {
    let (.., modules) = FORBIDDEN.iter().find(|(of, from, _)| *of == package && *from == used.from)?;
    modules.contains(&used.to.as_str()).then(|| format!("`{}` uses `{}`", used.from, used.to))
}

fn single_importers(source: &Source, package: &str, path: &str, tokens: &[Token<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (library, of, folder) in SINGLE_IMPORTERS {
        if package != of || path == folder || path.starts_with(&format!("{folder}/")) {
            continue;
        }
        let family = format!("{library}_");
        for token in tokens.iter().filter(|token| token.text == library || token.text.starts_with(&family)) {
            let message = format!("`{}` outside {of}/src/{folder}, its only importer", token.text);
            findings.push(Finding::new(source, token.line, message));
        }
    }
    findings
}

/// The first circle of modules that use each other, found from the first module in order.
fn circle(uses: &[Use<'_>]) -> Option<Finding> {
    let modules: BTreeSet<&str> = uses.iter().map(|used| used.from.as_str()).collect();
    let next = |from: &str| -> BTreeSet<&str> {
        uses.iter()
            .filter(|used| used.from == from && modules.contains(used.to.as_str()))
            .map(|used| used.to.as_str())
            .collect()
    };
    let mut done = BTreeSet::new();
    for start in &modules {
        let mut path = Vec::new();
        if let Some(circle) = walk(start, &next, &mut path, &mut done) {
            let [from, to] = [circle[0], circle[1]];
            let used = uses.iter().find(|used| used.from == from && used.to == to)?;
            return Some(Finding::new(used.source, used.line, format!("a circle: {}", circle.join(" → "))));
        }
    }
    None
}

fn walk<'a>(
    module: &'a str,
    next: &impl Fn(&str) -> BTreeSet<&'a str>,
    path: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) -> Option<Vec<&'a str>> {
    if let Some(at) = path.iter().position(|seen| *seen == module) {
        return Some(path[at..].iter().copied().chain([module]).collect());
    }
    if done.contains(module) {
        return None;
    }
    path.push(module);
    let found = next(module).into_iter().find_map(|to| walk(to, next, path, done));
    path.pop();
    done.insert(module);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        check(&sources).iter().map(Finding::to_string).collect()
    }

    fn is_found(files: &[(&str, &str)], part: &str) {
        let found = found(files);
        assert!(found.len() == 1 && found[0].contains(part), "{found:?}");
    }

    #[test]
    fn core_uses_only_what_stands_above() {
        assert!(found(&[("core/src/sync/mod.rs", "use crate::{base::EventId, store::Index};")]).is_empty());
        is_found(&[("core/src/store/a.rs", "use crate::{base::{A, B}, sync::C};")], "`store` uses `sync`");
        is_found(&[("core/src/admit.rs", "fn a() { crate::node::b() }")], "`admit` uses `node`");
        is_found(&[("core/src/store/a.rs", "use super::super::view::A;")], "`store` uses `view`");
        is_found(&[("core/src/store/mod.rs", "use super::view::A;")], "`store` uses `view`");
        is_found(&[("core/src/store/a.rs", "mod b {} use super::super::view::A;")], "`store` uses `view`");
        assert!(found(&[("core/src/store/a.rs", "use super::view::A;")]).is_empty());
        is_found(
            &[("core/src/gossip/a.rs", "use super::b::C; mod tests { use super::super::super::node::A; }")],
            "`gossip` uses `node`",
        );
        assert!(
            found(&[("core/src/gossip/a.rs", "mod tests { use super::node; use super::super::node; }")])
                .is_empty()
        );
    }

    #[test]
    fn only_node_joins_the_protocols() {
        is_found(&[("core/src/sync/a.rs", "use crate::gossip::A;")], "only `node`");
        assert!(found(&[("core/src/node.rs", "use crate::{gossip::A, sync::B};")]).is_empty());
    }

    #[test]
    fn core_has_no_unknown_module() {
        is_found(&[("core/src/extra.rs", "use crate::base::A;")], "no place");
        is_found(&[("core/src/node.rs", "use crate::Reexported;")], "no module");
        assert!(found(&[("core/src/lib.rs", "pub use crate::node::Node;")]).is_empty());
    }

    #[test]
    fn pages_know_neither_network_nor_storage() {
        is_found(&[("web/src/pages/home.rs", "use crate::storage::A;")], "`pages` uses `storage`");
        is_found(&[("web/src/pages/mod.rs", "use super::net::A;")], "`pages` uses `net`");
        is_found(&[("web/src/pages/mod.rs", "use chanterelle_web::net::A;")], "`pages` uses `net`");
        assert!(found(&[("web/src/bin/worker.rs", "use chanterelle_web::net::A;")]).is_empty());
    }

    #[test]
    fn libraries_have_a_single_importer() {
        is_found(&[("web/src/app.rs", "use libp2p::Swarm;")], "libp2p");
        is_found(&[("web/src/worker/a.rs", "use libp2p_stream::Control;")], "libp2p_stream");
        is_found(&[("web/src/net/a.rs", "rexie::Rexie::new()")], "rexie");
        assert!(
            found(&[("web/src/net/a.rs", "use libp2p::Swarm;"), ("web/src/storage/a.rs", "use rexie::A;")])
                .is_empty()
        );
        assert!(found(&[("relay/src/net/a.rs", "use libp2p::Swarm;")]).is_empty());
    }

    #[test]
    fn a_circle_is_found() {
        let files = [("relay/src/a.rs", "use crate::b::B;"), ("relay/src/b/mod.rs", "use crate::c::C;")];
        assert!(found(&files).is_empty());
        is_found(&[files[0], files[1], ("relay/src/c.rs", "use crate::a::A;")], "a → b → c → a");
    }
}
