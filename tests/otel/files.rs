//! The rules and dashboards of the repository.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The sorted paths and texts of the files in `folder` with this extension.
pub(crate) fn files(folder: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(root().join(folder)).expect("the folder can be read");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    paths.sort();
    assert!(!paths.is_empty(), "there is no .{extension} in {folder}");
    let read = |path: PathBuf| (path.clone(), fs::read_to_string(&path).expect("a text file"));
    paths.into_iter().map(read).collect()
}

pub(crate) fn rules() -> Vec<(PathBuf, String)> {
    files("otel/rules", "yml")
}

pub(crate) fn rule_tests() -> Vec<(PathBuf, String)> {
    files("otel/rules/tests", "yml")
}

pub(crate) fn dashboards() -> Vec<(PathBuf, String)> {
    files("otel/grafana/dashboards", "json")
}

/// The names of all alerts.
pub(crate) fn alerts() -> BTreeSet<String> {
    let texts = rules().into_iter().map(|(_, text)| text);
    let named = |text: String| -> Vec<String> {
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
        names.map(str::to_owned).collect()
    };
    let all: Vec<String> = texts.flat_map(named).collect();
    let alerts: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(alerts.len(), all.len(), "two alerts have one name: {all:?}");
    assert!(!alerts.is_empty(), "there is no alert");
    alerts
}

/// The metrics of openrun in `text`.
pub(crate) fn metrics_named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_part(c));
    words.filter(|word| word.starts_with("openrun_")).map(str::to_owned).collect()
}
