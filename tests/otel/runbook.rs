//! The run-book has one section per alert and names existing metrics and commands; the reference of settings is complete.

use std::collections::BTreeSet;
use std::fs;

use crate::files::{alerts, metrics_named, root};
use crate::support::node::openrun;

fn runbook() -> String {
    fs::read_to_string(root().join("docs/operations.md")).expect("the run-book can be read")
}

#[test]
fn every_alert_has_a_section_with_meaning_symptoms_and_remedy() {
    let text = runbook();
    let sections: Vec<&str> =
        text.split("\n### ").skip(1).filter(|part| part.starts_with("Openrun")).collect();
    let titles: BTreeSet<String> =
        sections.iter().map(|section| section.lines().next().unwrap_or_default().to_owned()).collect();
    assert_eq!(titles, alerts());
    for section in sections {
        for part in ["**Means**", "**Look at**", "**Do**"] {
            assert!(section.contains(part), "{part} is missing in {section}");
        }
    }
}

/// The openrun commands in the code blocks, without comments.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).filter_map(|line| line.trim().strip_prefix("openrun "));
    lines.map(|line| line.split(" #").next().unwrap_or(line).trim().to_owned()).collect()
}

/// Splits a command like a shell: a quoted text is one word.
fn words(command: &str) -> Vec<&str> {
    let parts = command.split('"').enumerate();
    let words = parts.flat_map(|(number, part)| match number % 2 {
        0 => part.split_whitespace().collect(),
        _ => vec![part],
    });
    words.collect()
}

#[test]
fn every_command_of_the_run_book_is_valid() {
    let commands = commands(&runbook());
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        let words = words(&command);
        // Before it prints the help, clap checks the arguments in front of `--help`.
        let output = openrun(&[&words[..], &["--help"]].concat()).output().expect("it starts");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "openrun {command}: {errors}");
        assert!(errors.is_empty(), "openrun {command}: {errors}");
    }
}

#[test]
fn the_reference_explains_every_setting_of_serve() {
    let reference =
        fs::read_to_string(root().join("docs/configuration.md")).expect("the reference can be read");
    let help = openrun(&["serve", "--help"]).output().expect("it starts");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let rest = reference.split("\n## Settings\n").nth(1).expect("it has a section of settings");
    let section = rest.split("\n## ").next().unwrap_or(rest);
    let settings: BTreeSet<&str> = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let settings: Vec<_> = settings.into_iter().filter(|word| word.starts_with("OPENRUN_")).collect();
    assert!(settings.len() > 10, "{settings:?}");
    for setting in settings {
        assert!(section.contains(&format!("`{setting}`")), "{setting} is not in docs/configuration.md");
    }
}

#[test]
fn the_metrics_of_the_run_book_exist_in_the_source() {
    let source: String = ["metrics", "coupons", "pipeline"]
        .map(|file| fs::read_to_string(root().join(format!("src/telemetry/{file}.rs"))).expect("it is there"))
        .concat();
    for name in metrics_named(&runbook()) {
        let short = name.trim_start_matches("openrun_");
        let short = ["_bucket", "_sum", "_count"].iter().fold(short, |name, end| name.trim_end_matches(end));
        assert!(source.contains(&format!("\"{short}\"")), "{name} is not exported");
    }
}
