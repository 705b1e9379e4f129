//! The first documents stay short, and prose is wrapped, so that a change of a sentence is a change of a line.

use std::fs;
use std::path::{Path, PathBuf};

use crate::words::files_in;

const MAX_LINES: [(&str, usize); 4] =
    [("README.md", 180), ("README.ko.md", 180), ("ARCHITECTURE.md", 200), ("CHANGELOG.md", 40)];
const MAX_COLUMNS: usize = 120;

#[test]
fn the_first_documents_are_short() {
    for (path, max) in MAX_LINES {
        let text = fs::read_to_string(root().join(path)).expect("the document is there");
        let lines = text.lines().count();
        assert!(lines <= max, "{path} has {lines} lines, more than {max}: move a part to docs/");
    }
}

#[test]
fn prose_is_wrapped() {
    let mut faults = Vec::new();
    for path in documents() {
        let text = fs::read_to_string(&path).expect("the document is readable");
        let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        faults.extend(long_lines(&text).into_iter().map(|line| format!("{name}:{line}")));
    }
    assert!(faults.is_empty(), "longer than {MAX_COLUMNS} columns:\n{}", faults.join("\n"));
}

#[test]
fn tables_code_and_single_links_may_be_long() {
    let long = "word ".repeat(30);
    let link = format!("[a link](https://example.com/{})", "x".repeat(100));
    let text = format!("{long}\n| {long} |\n```\n{long}\n```\n{link}\nshort\n    {long}");
    assert_eq!(long_lines(&text), [1, 8]);
}

/// The lines of prose, counted from 1, that are too long. Tables, blocks of code and lines without a space stay as they
/// are.
fn long_lines(text: &str) -> Vec<usize> {
    let mut is_code = false;
    let mut faults = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let start = line.trim_start();
        if start.starts_with("```") {
            is_code = !is_code;
        }
        let is_table = start.starts_with('|');
        let is_one_link =
            start.starts_with(['[', '!']) && start.ends_with(')') && start.matches("](").count() == 1;
        if !is_code && !is_table && !is_one_link && line.chars().count() > MAX_COLUMNS {
            faults.push(at + 1);
        }
    }
    faults
}

fn documents() -> Vec<PathBuf> {
    let mut documents: Vec<PathBuf> =
        ["README.md", "README.ko.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
            .iter()
            .map(|name| root().join(name))
            .collect();
    documents.extend(files_in(&root().join("docs"), "md"));
    documents.extend(files_in(&root().join("docs/internals"), "md"));
    documents
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
