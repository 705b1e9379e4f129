//! Child processes that never outlive their owner.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(20);
const LOG_TAIL_LINES: usize = 40;

/// Reads process groups until its input ends with the owner's process; then kills them, unmounts and removes the
/// folder.
const WATCHDOG: &str = r#"
trap '' INT TERM HUP
groups=
while read -r group; do groups="$groups -$group"; done
for group in $groups; do kill -s KILL -- "$group" 2>/dev/null; done
for mounted in "$1"/*.mounted; do if [ -d "$mounted" ]; then umount -l -- "$mounted" 2>/dev/null; fi; done
rm -rf -- "$1"
"#;

#[derive(Clone, Copy, Debug)]
pub enum Signal {
    /// Like Ctrl-C.
    Interrupt,
    Terminate,
    Kill,
    Stop,
    Continue,
}

impl Signal {
    fn flag(self) -> &'static str {
        match self {
            Self::Interrupt => "-INT",
            Self::Terminate => "-TERM",
            Self::Kill => "-KILL",
            Self::Stop => "-STOP",
            Self::Continue => "-CONT",
        }
    }
}

/// A shell that waits for the end of its input. The kernel closes the input when the owner's process ends, even by
/// SIGKILL.
#[derive(Debug)]
pub struct Watchdog {
    shell: Child,
}

impl Watchdog {
    /// Watches over `directory`, which is removed after the owner's process has ended. File systems mounted in it, at
    /// names with the suffix `.mounted`, are unmounted before.
    pub fn over(directory: &Path) -> Self {
        let shell = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh starts");
        Self { shell }
    }

    /// Closes the pipe, as the kernel does when the owner's process ends.
    pub fn lose_owner(&mut self) {
        drop(self.shell.stdin.take());
    }

    fn watch(&mut self, group: u32) {
        let input = self.shell.stdin.as_mut().expect("the watchdog was started with a pipe");
        writeln!(input, "{group}").expect("the watchdog reads");
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // The owner cleans up by itself.
        self.shell.kill().ok();
        self.shell.wait().ok();
    }
}

/// A child process, the leader of a process group of its own.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; its output replaces the content of `log`.
    pub fn spawn(command: &mut Command, log: &Path, watchdog: &mut Watchdog) -> Self {
        let name = format!("{:?}", command.get_program());
        let output = File::create(log).expect("the log can be created");
        let errors = output.try_clone().expect("a file handle can be cloned");
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{name} does not start: {error}; run ./scripts/test, which installs it")
            });
        watchdog.watch(child.id());
        Self { child, name, log: log.to_owned() }
    }

    /// Process id, which is the id of its group as well.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until the log contains `line`. Panics with the end of the log if the process ends or the bound is
    /// exceeded.
    pub async fn until_logged(&mut self, line: &str, bound: Duration) {
        let deadline = Instant::now() + bound;
        while !self.logged().contains(line) {
            assert!(self.is_running(), "{} ended before it was ready:\n{}", self.name, self.log_tail());
            assert!(
                Instant::now() < deadline,
                "{} was not ready within {bound:?}:\n{}",
                self.name,
                self.log_tail()
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until the process has ended. Panics after `bound`.
    pub async fn until_ended(&mut self, bound: Duration) {
        let deadline = Instant::now() + bound;
        while self.is_running() {
            assert!(
                Instant::now() < deadline,
                "{} still runs after {bound:?}:\n{}",
                self.name,
                self.log_tail()
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// The exit code; `None` while the process runs, or if a signal ended it.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.try_wait().ok().flatten()?.code()
    }

    /// Signals the process alone, for a graceful end.
    pub fn signal(&self, signal: Signal) {
        send(signal, &[self.id()]);
    }

    /// Signals the process and all its descendants, also those that have left its group, as PostgreSQL's do.
    pub fn signal_tree(&self, signal: Signal) {
        send(signal, &tree(self.id()));
    }

    /// Kills the process and all its descendants at once, as a power failure would.
    pub fn kill_tree(&mut self) {
        // Frozen first, so that no child is forked between listing and killing.
        self.signal_tree(Signal::Stop);
        let mut ids = tree(self.id());
        send(Signal::Kill, &ids);
        self.child.wait().ok();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !ids.is_empty() && Instant::now() < deadline {
            let alive = parents();
            ids.retain(|id| alive.contains_key(id));
            std::thread::yield_now();
        }
        assert!(ids.is_empty(), "{} left processes behind after SIGKILL: {ids:?}", self.name);
    }

    #[must_use]
    pub fn logged(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = self.logged();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            self.kill_tree();
        }
    }
}

fn send(signal: Signal, ids: &[u32]) {
    // A process that has ended already is no error.
    Command::new("kill")
        .arg(signal.flag())
        .arg("--")
        .args(ids.iter().map(u32::to_string))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("kill starts");
}

/// Ids of a process and its descendants, its own first.
fn tree(root: u32) -> Vec<u32> {
    let parents = parents();
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        let parent_id = found[next];
        found.extend(parents.iter().filter(|(_, parent)| **parent == parent_id).map(|(id, _)| *id));
        next += 1;
    }
    found
}

/// The parent of every running process, without zombies.
fn parents() -> HashMap<u32, u32> {
    let listing = Command::new("ps").args(["-A", "-o", "pid=,ppid=,stat="]).output().expect("ps starts");
    String::from_utf8_lossy(&listing.stdout)
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let id = fields.next()?.parse().ok()?;
            let parent = fields.next()?.parse().ok()?;
            (!fields.next()?.starts_with('Z')).then_some((id, parent))
        })
        .collect()
}

/// A command that runs as `user` if this process is root, and as the caller otherwise.
pub fn command_as(user: &str, program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--init-groups"]).arg(program);
    command
}

/// Changes the owner of a path and everything below it, if this process is root.
pub fn give_to(user: &str, path: &Path) {
    if is_root() {
        run(Command::new("chown").arg("-R").arg(format!("{user}:")).arg(path));
    }
}

/// Runs a command to its end. Panics with its error output if it fails.
pub fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {}\n{errors}", output.status);
}

#[must_use]
pub fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id starts");
    output.stdout.trim_ascii() == b"0"
}
