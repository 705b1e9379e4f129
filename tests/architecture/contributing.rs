//! The lists of CONTRIBUTING.md ("How to add ...") name files that exist.

use std::fs;
use std::path::Path;

/// The topics of the lists.
const LISTS: [&str; 6] =
    ["a command", "a setting", "a metric", "an alert", "an engine", "a field of an issuance"];
/// A list with fewer paths says too little.
const MIN_PATHS: usize = 3;
/// Endings of files that are named without a folder.
const EXTENSIONS: [&str; 8] = [".rs", ".md", ".toml", ".yml", ".yaml", ".lua", ".sql", ".example"];

#[test]
fn the_lists_of_files_to_touch_name_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("CONTRIBUTING.md")).expect("CONTRIBUTING.md is there");
    let faults = faults(&text, &|path| root.join(path).exists());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_missing_file_a_short_list_and_a_missing_list_are_faults() {
    let list = |topic: &str, paths: &str| format!("## How to add {topic}\n\n1. In {paths}.\n\n");
    let complete = |topic| list(topic, "`src/a.rs`, `lua` or `src/b.rs` (`Command`), `a.md`");
    let text = LISTS.map(complete).concat();
    let only_known = |path: &str| ["src/a.rs", "src/b.rs", "a.md"].contains(&path);
    assert_eq!(faults(&text, &only_known), Vec::<String>::new());
    let wrong = text.replacen("src/b.rs", "src/c.rs", 1);
    assert_eq!(faults(&wrong, &only_known), ["How to add a command: src/c.rs does not exist"]);
    let short = text.replacen(", `a.md`", "", 1);
    assert_eq!(faults(&short, &only_known), ["How to add a command: 2 paths, fewer than 3"]);
    let lacking = text.replacen("## How to add a command", "## Commands", 1);
    assert_eq!(faults(&lacking, &only_known), ["How to add a command: there is no such section"]);
}

fn faults(text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    LISTS.iter().flat_map(|topic| faults_of_list(text, topic, exists)).collect()
}

fn faults_of_list(text: &str, topic: &str, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let title = format!("How to add {topic}");
    let Some((_, rest)) = text.split_once(&format!("## {title}\n")) else {
        return vec![format!("{title}: there is no such section")];
    };
    let section = rest.split("\n## ").next().unwrap_or(rest);
    let paths: Vec<&str> = section.split('`').skip(1).step_by(2).filter(|token| is_path(token)).collect();
    let missing = paths.iter().filter(|path| !exists(path));
    let mut faults: Vec<String> = missing.map(|path| format!("{title}: {path} does not exist")).collect();
    if paths.len() < MIN_PATHS {
        faults.push(format!("{title}: {} paths, fewer than {MIN_PATHS}", paths.len()));
    }
    faults
}

fn is_path(token: &str) -> bool {
    token.contains('/') || EXTENSIONS.iter().any(|extension| token.ends_with(extension))
}
