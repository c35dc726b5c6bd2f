//! Reads `docs/interfaces.md`, so that a test can hold the product to what is written there and to nothing else.

use std::collections::BTreeMap;

use crate::place;

/// The document.
#[derive(Clone, Debug)]
pub struct Contract {
    text: String,
}

/// What a place of the page has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Roles with names, in the order they are written, such as `button "Post"`.
    pub elements: Vec<(String, String)>,
    /// Attributes and roles in code marks.
    pub codes: Vec<String>,
}

impl Contract {
    /// Reads it.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn read() -> Contract {
        let file = place::root().join("docs/interfaces.md");
        let text = std::fs::read_to_string(&file);
        Contract { text: text.unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display())) }
    }

    /// The text under a heading, up to the next one.
    ///
    /// # Panics
    /// When there is no such heading.
    #[must_use]
    pub fn section(&self, heading: &str) -> &str {
        let line = format!("\n## {heading}\n");
        let (_, rest) = self.text.split_once(&line).unwrap_or_else(|| panic!("no section {heading:?}"));
        rest.split_once("\n## ").map_or(rest, |(section, _)| section)
    }

    /// The rows of the table under a heading, by their first cell.
    ///
    /// # Panics
    /// When there is no table.
    #[must_use]
    pub fn table(&self, heading: &str) -> BTreeMap<String, Row> {
        let lines = self.section(heading).lines().filter(|line| line.starts_with('|')).skip(2);
        let rows: BTreeMap<String, Row> = lines.filter_map(row).collect();
        assert!(!rows.is_empty(), "no table under {heading:?}");
        rows
    }
}

fn row(line: &str) -> Option<(String, Row)> {
    let mut cells = line.trim_matches('|').splitn(2, '|').map(str::trim);
    let (place, cell) = (cells.next()?, cells.next()?);
    Some((place.to_owned(), Row { elements: elements(cell), codes: codes(cell) }))
}

/// The roles that are named; "input" is an input for files, which has no role of its own.
const ROLES: [&str; 12] = [
    "button", "combobox", "dialog", "form", "heading", "image", "input", "link", "list", "status", "switch",
    "textbox",
];

/// Every `role "Name"`, and with it `roles "Name" and "Name"`. What else stands in quotation marks is an example.
fn elements(cell: &str) -> Vec<(String, String)> {
    let mut role = None;
    let mut found = Vec::new();
    // Between quotation marks, names and what leads to them take turns.
    let parts: Vec<&str> = cell.split('"').collect();
    for pair in parts.chunks_exact(2) {
        let word = pair[0].split_whitespace().last().unwrap_or_default();
        if !["and", "or", ","].contains(&word) {
            role = ROLES.into_iter().find(|role| word == *role || word.strip_suffix('s') == Some(role));
        }
        found.extend(role.map(|role| (role.to_owned(), pair[1].to_owned())));
    }
    found
}

/// What stands in code marks.
#[must_use]
pub fn codes(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{Contract, codes, elements};

    #[test]
    fn elements_are_read() {
        let pair = |role: &str, name: &str| (role.to_owned(), name.to_owned());
        assert_eq!(
            elements(
                "button \"New thread\"; form \"Reply\" with textbox \"Comment\", link `>>` and 8 digits"
            ),
            [pair("button", "New thread"), pair("form", "Reply"), pair("textbox", "Comment")]
        );
        assert_eq!(
            elements("textbox \"Comment\", file input \"Attach files\", button \"Post\""),
            [pair("textbox", "Comment"), pair("input", "Attach files"), pair("button", "Post")]
        );
        assert_eq!(
            elements("with buttons \"Yes\" and \"No\""),
            [pair("button", "Yes"), pair("button", "No")]
        );
        assert_eq!(
            elements("status \"Network\", always there: text such as \"3 peers, 1 relay\""),
            [pair("status", "Network")]
        );
        assert_eq!(codes("`data-id`, text in `[data-part]`"), ["data-id", "[data-part]"]);
    }

    #[test]
    fn sections_and_tables_are_found() {
        let text =
            "# T\n\n## A\none\n\n| where | what |\n|---|---|\n| home | list \"Boards\" |\n\n## B\ntwo\n"
                .to_owned();
        let contract = Contract { text };
        assert_eq!(contract.section("B"), "two\n");
        let table = contract.table("A");
        assert_eq!(table["home"].elements, [("list".to_owned(), "Boards".to_owned())]);
    }
}
