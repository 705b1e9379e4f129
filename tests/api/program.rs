//! Runs the program to its end, as in a terminal.

use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::timeout;

pub(crate) use crate::support::ended::Ended;
use crate::support::node::openrun;

/// Limit of the run of a command.
const END_BOUND: Duration = Duration::from_secs(60);

impl Ended {
    /// The only line on standard error that is not a log line. Log lines are JSON.
    #[track_caller]
    pub(crate) fn one_line(&self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:#?}");
        let lines: Vec<&str> = self.stderr.lines().filter(|line| !line.starts_with('{')).collect();
        let [line] = lines.as_slice() else { panic!("not one line but {}: {self:#?}", lines.len()) };
        let text = line.strip_prefix("openrun: ").unwrap_or_else(|| panic!("unsigned: {self:#?}"));
        assert!(!self.stderr.contains("panicked") && !self.stderr.contains("backtrace"), "{self:#?}");
        text.to_owned()
    }
}

/// Runs `openrun` with these arguments and settings, and its log as JSON.
pub(crate) async fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Ended {
    let mut command = openrun(arguments);
    command.env("OPENRUN_LOG_FORMAT", "json").envs(settings.iter().copied());
    ended(command).await
}

/// Waits until the command has ended.
pub(crate) async fn ended(mut command: Command) -> Ended {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let id = child.id();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output());
    let Ok(output) = timeout(END_BOUND, output).await else {
        Command::new("kill").args(["-KILL", &id.to_string()]).status().expect("kill starts");
        panic!("{command:?} still runs after {END_BOUND:?}");
    };
    let output = output.expect("no panic").expect("the program can be waited for");
    output.into()
}
