//! The command `chaos` with wrong arguments: one line on standard error, and exit code 2.

use std::process::{Command, Output};

fn chaos(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openrun-load"));
    command.env_remove("OPENRUN_BIN").arg("chaos").args(arguments).output().expect("it starts")
}

#[track_caller]
fn refused(arguments: &[&str], words: &str) {
    let output = chaos(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
    assert!(errors.contains(words), "{arguments:?}: {errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

#[test]
fn a_wrong_argument_is_one_line_and_exit_code_2() {
    refused(&["--openrun", "/no/such/openrun"], "/no/such/openrun cannot be run");
    // A program other than openrun.
    refused(&["--openrun", "/bin/false"], "/bin/false --version fails");
    refused(&["--openrun", "/bin/true", "--faults", "redis-on-fire"], "there is no fault redis-on-fire");
    refused(&["--openrun", "/bin/true", "--planted", "heisenbug"], "there is no bug heisenbug");
    refused(
        &["--openrun", "/bin/true", "--planted", "ack-before-commit"],
        "without the feature planted-bugs",
    );
    refused(&["--minutes", "soon"], "from 0.05 to 10000 minutes");
}

#[test]
fn all_faults_and_bugs_are_listed() {
    let output = chaos(&["--list-faults"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout);
    for name in ["redis-killed", "rabbitmq-memory-alarm", "postgres-disk-full", "abort-committed", "everysec"]
    {
        assert!(
            text.lines().any(|line| line.split_whitespace().next() == Some(name)),
            "{name} is not in {text}"
        );
    }
}
