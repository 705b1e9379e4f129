//! Child processes that their owner can stop, freeze and kill, and that never outlive it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(20);
const LOG_TAIL_LINES: usize = 40;

/// Remembers what to kill, to unmount and to remove, and does so when the owner's process is gone, whatever ended it.
const WATCHDOG: &str = r#"
trap '' INT TERM HUP
groups=
while read -r group; do groups="$groups -$group"; done
for group in $groups; do kill -s KILL -- "$group" 2>/dev/null; done
for mounted in "$1"/*.mounted; do if [ -d "$mounted" ]; then umount -l -- "$mounted" 2>/dev/null; fi; done
rm -rf -- "$1"
"#;

/// The signals that are sent.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    /// Asks to end, as Ctrl-C does.
    Interrupt,
    /// Asks to end.
    Terminate,
    /// Ends at once.
    Kill,
    /// Freezes.
    Stop,
    /// Lets a frozen one go on.
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

/// A shell that waits for the end of its input. The kernel closes that input with the owner's process, even if that
/// one was killed and no destructor ran.
#[derive(Debug)]
pub struct Watchdog {
    shell: Child,
}

impl Watchdog {
    /// `directory` is removed when the owner's process is gone. What is mounted in it at a name that ends in
    /// `.mounted` is unmounted before.
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

    /// What the kernel does when the owner's process is gone: closes the pipe.
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
        // The owner has cleaned up by itself.
        self.shell.kill().ok();
        self.shell.wait().ok();
    }
}

/// A running child, the leader of a process group of its own.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; what it prints replaces the content of `log`.
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

    /// Its process id, and that of its group.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until the log holds `line`. Panics with the end of the log when the process ends or time runs out first.
    pub async fn until_logged(&mut self, line: &str, bound: Duration) {
        let deadline = Instant::now() + bound;
        while !self.logged().contains(line) {
            assert!(self.is_running(), "{} ended before it was ready:\n{}", self.name, self.log_tail());
            assert!(Instant::now() < deadline, "{} not ready in {bound:?}:\n{}", self.name, self.log_tail());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits for the end that a signal has asked for.
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

    /// How it ended; `None` while it runs, or if a signal ended it.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.try_wait().ok().flatten()?.code()
    }

    /// To the process itself: the way to ask for a graceful end.
    pub fn signal(&self, signal: Signal) {
        send(signal, &[self.id()]);
    }

    /// To the process and all that descend from it, which may have left its group, as those of PostgreSQL do.
    pub fn signal_tree(&self, signal: Signal) {
        send(signal, &tree(self.id()));
    }

    /// As if the power had failed: nobody in the tree gets to run another instruction.
    pub fn kill_tree(&mut self) {
        // Frozen first, so that nobody is born between listing and killing.
        self.signal_tree(Signal::Stop);
        let mut everyone = tree(self.id());
        send(Signal::Kill, &everyone);
        self.child.wait().ok();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !everyone.is_empty() && Instant::now() < deadline {
            let alive = parents();
            everyone.retain(|id| alive.contains_key(id));
            std::thread::yield_now();
        }
        assert!(everyone.is_empty(), "{} left processes behind after SIGKILL: {everyone:?}", self.name);
    }

    /// Everything it has printed so far.
    #[must_use]
    pub fn logged(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The last lines of that.
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
    // Whoever has ended in between is no error.
    Command::new("kill")
        .arg(signal.flag())
        .arg("--")
        .args(ids.iter().map(u32::to_string))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("kill starts");
}

/// A process and its descendants, itself first.
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

/// The parent of every process that runs. The dead that nobody has collected yet are left out.
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

/// A command that runs as `user` if the caller is root, and as the caller otherwise.
pub fn command_as(user: &str, program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--init-groups"]).arg(program);
    command
}

/// Hands a path and all below it to `user`, if the caller is root.
pub fn give_to(user: &str, path: &Path) {
    if is_root() {
        run(Command::new("chown").arg("-R").arg(format!("{user}:")).arg(path));
    }
}

/// Runs a command to its end, and panics with what it printed if it fails.
pub fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {}\n{errors}", output.status);
}

/// Whether this process may do everything.
#[must_use]
pub fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id starts");
    output.stdout.trim_ascii() == b"0"
}
