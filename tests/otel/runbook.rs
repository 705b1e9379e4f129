//! The run-book has exactly one section for each alert and names existing metrics and commands. The reference of settings
//! is complete.

use std::collections::BTreeSet;
use std::fs;

use crate::files::{alerts, metrics_named, root};
use crate::support::node::openrun;

fn runbook() -> String {
    fs::read_to_string(root().join("docs/operations.md")).expect("there is a run-book")
}

#[test]
fn every_alert_has_a_complete_section_in_the_run_book() {
    let text = runbook();
    let sections: Vec<&str> =
        text.split("\n### ").skip(1).filter(|part| part.starts_with("Openrun")).collect();
    let named: BTreeSet<String> =
        sections.iter().map(|section| section.lines().next().unwrap_or_default().to_owned()).collect();
    assert_eq!(named, alerts());
    for section in sections {
        for part in ["**Means**", "**Look at**", "**Do**"] {
            assert!(section.contains(part), "{part} is missing in {section}");
        }
    }
}

/// The openrun commands of the code blocks.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).filter_map(|line| line.trim().strip_prefix("openrun "));
    lines.map(|line| line.split(" #").next().unwrap_or(line).trim().to_owned()).collect()
}

/// Splits a command into words like a shell: quoted text is one word.
fn words(command: &str) -> Vec<&str> {
    let parts = command.split('"').enumerate();
    let words = parts.flat_map(|(number, part)| match number % 2 {
        0 => part.split_whitespace().collect(),
        _ => vec![part],
    });
    words.collect()
}

#[test]
fn every_command_of_the_run_book_exists() {
    let commands = commands(&runbook());
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        let words = words(&command);
        // With --help at the end, clap parses all words before it and executes nothing.
        let output = openrun(&[&words[..], &["--help"]].concat()).output().expect("openrun starts");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "openrun {command}: {stderr}");
        assert!(stderr.is_empty(), "openrun {command}: {stderr}");
    }
}

#[test]
fn the_reference_explains_every_setting_of_serve() {
    let reference = fs::read_to_string(root().join("docs/configuration.md")).expect("there is a reference");
    let help = openrun(&["serve", "--help"]).output().expect("openrun starts");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let rest = reference.split("\n## Settings\n").nth(1).expect("there is a section of settings");
    let section = rest.split("\n## ").next().expect("a section");
    let settings: BTreeSet<&str> = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let settings: Vec<_> = settings.into_iter().filter(|word| word.starts_with("OPENRUN_")).collect();
    assert!(settings.len() > 10, "{settings:?}");
    for setting in settings {
        assert!(section.contains(&format!("`{setting}`")), "{setting} is not in docs/configuration.md");
    }
}

#[test]
fn the_metrics_of_the_run_book_are_in_the_source() {
    let source: String = ["metrics", "coupons", "pipeline"]
        .map(|file| {
            fs::read_to_string(root().join(format!("src/telemetry/{file}.rs"))).expect("the file exists")
        })
        .concat();
    for name in metrics_named(&runbook()) {
        let short = name.trim_start_matches("openrun_");
        let short = ["_bucket", "_sum", "_count"].iter().fold(short, |name, end| name.trim_end_matches(end));
        assert!(source.contains(&format!("\"{short}\"")), "{name} is not exported");
    }
}
