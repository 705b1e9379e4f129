//! Plain words: how many vague pronouns the comments and the documents have.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const VAGUE_WORDS: [&str; 17] = [
    "who",
    "whom",
    "whose",
    "whoever",
    "whomever",
    "what",
    "whatever",
    "whichever",
    "nobody",
    "nobody's",
    "somebody",
    "somebody's",
    "everybody",
    "everybody's",
    "anybody",
    "anybody's",
    "someone",
];
const IN_COMMENTS_MAX: usize = 3;
const IN_DOCUMENTS_MAX: usize = 5;
/// Lists the words that are not used, among them the vague ones.
const EXEMPT: &str = "GLOSSARY.md";

/// Words of a text, and the vague ones among them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    words: usize,
    vague: usize,
}

#[test]
fn comments_are_in_plain_words() {
    for (folder, extension, marker) in [("src", "rs", "//"), ("load", "rs", "//"), ("lua", "lua", "--")] {
        let files = files_below(&root().join(folder), extension);
        let counts: BTreeMap<String, Count> = files
            .iter()
            .map(|path| (shown(path), count(read(path).lines().filter_map(|line| comment(line, marker)))))
            .collect();
        assert_plain(folder, &counts, IN_COMMENTS_MAX);
    }
}

#[test]
fn documents_are_in_plain_words() {
    let folders = ["", "docs", "docs/internals", "deploy"];
    let files: Vec<PathBuf> =
        folders.iter().flat_map(|folder| files_in(&root().join(folder), "md")).collect();
    assert!(files.len() > 10, "{} documents: they are not found any more", files.len());
    for path in files.iter().filter(|path| !path.ends_with(EXEMPT)) {
        let counts = BTreeMap::from([(shown(path), count(read(path).lines()))]);
        assert_plain(&shown(path), &counts, IN_DOCUMENTS_MAX);
    }
}

#[test]
fn vague_words_are_counted_in_comments_only() {
    let text =
        "//! Who asks.\nlet what = \"nobody // told\"; // Tells somebody's name.\nlet url = \"http://who\";";
    let comments = text.lines().filter_map(|line| comment(line, "//"));
    assert_eq!(count(comments), Count { words: 5, vague: 2 });
    let script = "-- Whoever calls.\nlocal what = 1 -- Somewhat later.";
    assert_eq!(count(script.lines().filter_map(|line| comment(line, "--"))), Count { words: 4, vague: 1 });
}

/// The comment of a line of code, if it has one: a marker at the start or after a space, outside a string.
fn comment<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    line.match_indices(marker).find_map(|(at, _)| {
        let before = &line[..at];
        let is_outside = before.matches('"').count().is_multiple_of(2);
        let begins = before.is_empty() || before.ends_with(char::is_whitespace);
        (is_outside && begins).then(|| &line[at + marker.len()..])
    })
}

fn count<'a>(lines: impl Iterator<Item = &'a str>) -> Count {
    let mut count = Count::default();
    for word in lines.flat_map(|line| line.split(|c: char| !c.is_ascii_alphabetic() && c != '\'')) {
        count.words += usize::from(!word.is_empty());
        count.vague += usize::from(VAGUE_WORDS.contains(&word.to_ascii_lowercase().as_str()));
    }
    count
}

fn assert_plain(place: &str, counts: &BTreeMap<String, Count>, max: usize) {
    let words: usize = counts.values().map(|count| count.words).sum();
    let vague: usize = counts.values().map(|count| count.vague).sum();
    assert!(words > 0, "{place}: no words: they are not found any more");
    let mut worst: Vec<(&String, &Count)> = counts.iter().filter(|(_, count)| count.vague > 0).collect();
    worst.sort_by_key(|(_, count)| std::cmp::Reverse(count.vague));
    let worst: Vec<String> =
        worst.iter().take(10).map(|(path, count)| format!("  {path}: {}", count.vague)).collect();
    assert!(
        vague * 1_000 <= words * max,
        "{place}: {vague} vague words (such as `{}`) of {words}, more than {max} per 1,000:\n{}",
        VAGUE_WORDS[..6].join("`, `"),
        worst.join("\n")
    );
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = files_in(folder, extension);
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the folder is readable").path();
        if path.is_dir() && !path.ends_with("target") {
            files.extend(files_below(&path, extension));
        }
    }
    files
}

/// The files of a folder that have that extension, without those of folders below it.
pub(crate) fn files_in(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is readable");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder is readable").path())
        .filter(|path| path.is_file() && path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}
