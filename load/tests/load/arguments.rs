//! Wrong arguments: one line on standard error, and exit code 2.

use std::process::{Command, Output};

fn openrun_load(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openrun-load"));
    command.env_remove("OPENRUN_BIN").env_remove("OPENRUN_DATABASE_URL").args(arguments);
    command.output().expect("it starts")
}

#[track_caller]
fn assert_refused(arguments: &[&str], words: &str) {
    let output = openrun_load(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
    assert!(errors.contains(words), "{arguments:?}: {errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

#[test]
fn a_wrong_argument_of_a_run_is_one_line() {
    let unused = "http://127.0.0.1:9";
    assert_refused(&["run", "sustained", "--target", unused], "start openrun there");
    assert_refused(&["run", "burst", "--target", unused, "--rate", "5"], "a burst has no rate");
    assert_refused(&["run", "sustained", "--rate", "-1"], "unexpected argument");
    assert_refused(
        &["run", "sustained", "--target", unused, "--rate", "nan"],
        "a rate is a number of members a second",
    );
    assert_refused(&["run", "sustained", "--seconds", "0"], "from 0.01 to 86400 seconds");
    assert_refused(&["run", "stampede"], "possible values: burst, sustained, double-click, sold-out, mixed");
    assert_refused(
        &["run", "sustained", "--target", unused, "--database-url", "postgres://nobody@127.0.0.1:9/none"],
        "the rows cannot be read",
    );
}

#[test]
fn a_wrong_argument_of_a_bench_is_one_line() {
    assert_refused(&["bench", "--variant", "fast"], "is no variant");
    assert_refused(&["bench", "--openrun", "/no/such/openrun", "--engines", "embedded"], "/no/such/openrun");
    assert_refused(&["bench", "--participants", "1,2"], "--growth");
    assert_refused(
        &["bench", "--openrun", "/bin/true", "--growth", "--participants", "1"],
        "few and many are two numbers",
    );
    assert_refused(&["bench", "--openrun", "/bin/true", "--burst", "1000000"], "raise `ulimit -n`");
}

#[test]
fn a_bare_handler_names_the_missing_resource() {
    assert_refused(&["bare", "--kind", "evalsha", "--redis-url", "redis://127.0.0.1:9"], "nothing is served");
    assert_refused(&["bare", "--kind", "fixed", "--answer", "/no/such/file"], "/no/such/file cannot be read");
}
