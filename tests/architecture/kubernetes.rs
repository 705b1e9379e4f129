//! The manifests in deploy/kubernetes use existing settings only, and every one of them is applied.
//! `scripts/check-kubernetes` checks them against Kubernetes's own schemas.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Manifests that kustomize does not apply. Secrets are created elsewhere.
const NOT_APPLIED: [&str; 2] = ["kustomization.yaml", "secret.example.yaml"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The names and texts of the files in a folder.
fn files(folder: &Path, extension: &str) -> Vec<(String, String)> {
    let entries =
        fs::read_dir(folder).expect("the folder exists").map(|entry| entry.expect("a readable entry"));
    let wanted = entries.filter(|entry| entry.path().extension().is_some_and(|found| found == extension));
    let read = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path()).expect("a text file");
        (entry.file_name().to_string_lossy().into_owned(), text)
    };
    wanted.map(read).collect()
}

/// Every `OPENRUN_...` in a text.
fn settings(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_');
    words.filter(|word| word.starts_with("OPENRUN_")).map(str::to_owned).collect()
}

#[test]
fn the_manifests_use_existing_settings_only() {
    let known: BTreeSet<String> = files(&root().join("src/cli/args"), "rs")
        .iter()
        .flat_map(|(_, text)| text.lines().filter(|line| line.contains("env = \"")).flat_map(settings))
        .collect();
    assert!(known.contains("OPENRUN_BIND"), "{known:?}");
    let manifests = files(&root().join("deploy/kubernetes"), "yaml");
    assert!(manifests.iter().any(|(_, text)| !settings(text).is_empty()), "some manifest has settings");
    for (name, text) in manifests {
        let unknown: Vec<String> = settings(&text).difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
}

#[test]
fn every_manifest_is_applied() {
    let manifests = files(&root().join("deploy/kubernetes"), "yaml");
    let (_, kustomization) =
        manifests.iter().find(|(name, _)| name == "kustomization.yaml").expect("there is a kustomization");
    for (name, _) in &manifests {
        let applied = kustomization.lines().any(|line| line.trim() == format!("- {name}"));
        assert_eq!(applied, !NOT_APPLIED.contains(&name.as_str()), "{name}");
    }
}
