//! What an operator mistypes is one line and exit code 2.

use std::process::{Command, Output};

fn openrun_load(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openrun-load"));
    command.env_remove("OPENRUN_BIN").env_remove("OPENRUN_DATABASE_URL").args(arguments);
    command.output().expect("it starts")
}

#[track_caller]
fn refused(arguments: &[&str], words: &str) {
    let output = openrun_load(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
    assert!(errors.contains(words), "{arguments:?}: {errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

#[test]
fn a_mistake_of_a_run_is_told_in_one_line() {
    let nobody = "http://127.0.0.1:9";
    refused(&["run", "sustained", "--target", nobody], "start openrun there");
    refused(&["run", "burst", "--target", nobody, "--rate", "5"], "a burst has no rate");
    refused(&["run", "sustained", "--rate", "-1"], "unexpected argument");
    refused(
        &["run", "sustained", "--target", nobody, "--rate", "nan"],
        "a rate is a number of members a second",
    );
    refused(&["run", "sustained", "--seconds", "0"], "from 0.01 to 86400 seconds");
    refused(&["run", "stampede"], "possible values: burst, sustained, double-click, sold-out, mixed");
    refused(
        &["run", "sustained", "--target", nobody, "--database-url", "postgres://nobody@127.0.0.1:9/none"],
        "the rows cannot be read",
    );
}

#[test]
fn a_mistake_of_a_bench_is_told_in_one_line() {
    refused(&["bench", "--variant", "fast"], "is no variant");
    refused(&["bench", "--openrun", "/no/such/openrun", "--engines", "embedded"], "/no/such/openrun");
    refused(&["bench", "--participants", "1,2"], "--growth");
    refused(
        &["bench", "--openrun", "/bin/true", "--growth", "--participants", "1"],
        "few and many are two numbers",
    );
    refused(&["bench", "--openrun", "/bin/true", "--burst", "1000000"], "raise `ulimit -n`");
}

#[test]
fn a_bare_handler_says_what_it_lacks() {
    refused(&["bare", "--kind", "evalsha", "--redis-url", "redis://127.0.0.1:9"], "nothing is served");
    refused(&["bare", "--kind", "fixed", "--answer", "/no/such/file"], "/no/such/file cannot be read");
}
