//! A process that holds connections: asks once over each, says how many had no true answer, and asks again when told to.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tokio::task::JoinSet;

use super::burst::sources;
use super::idle::COUPON;
use super::{BenchError, sentence};
use crate::api::IssueRequests;
use crate::connection::{Connection, REQUEST_TIMEOUT};
use crate::target::Target;

/// How many connections are opened at the same time, and asked over at the same time.
const LANES: usize = 64;

/// The owner's side.
pub(super) struct Holder {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
    /// How many had no true answer the first time.
    pub(super) failures: u64,
}

impl Holder {
    /// Starts the process, and waits until it has asked over each of its connections.
    pub(super) async fn start(program: &Path, target: &Target, connections: u64) -> Result<Self, BenchError> {
        let mut child = Command::new(program)
            .args(["hold", "--target", &target.to_string(), "--connections", &connections.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(sentence)?;
        let (input, output) = (child.stdin.take(), child.stdout.take().map(BufReader::new));
        let mut holder = Self { child, input, output, failures: 0 };
        holder.failures = holder.listen().await?;
        Ok(holder)
    }

    /// The next number that it says.
    async fn listen(&mut self) -> Result<u64, BenchError> {
        let silent =
            || BenchError("a process that holds connections ended before it had answered".to_owned());
        let mut output = self.output.take().ok_or_else(silent)?;
        let listening = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            output.read_line(&mut line).map(|_| (output, line))
        });
        let (output, line) = listening.await.map_err(sentence)?.map_err(sentence)?;
        self.output = Some(output);
        line.trim().parse().map_err(|_| silent())
    }

    /// Has it ask once more; gives how many had no true answer, or had to connect again.
    pub(super) async fn ask_again(&mut self) -> Result<u64, BenchError> {
        if let Some(input) = &mut self.input {
            writeln!(input).map_err(sentence)?;
        }
        self.listen().await
    }

    /// Lets it go, and waits for its end.
    pub(super) async fn end(mut self) -> Result<(), BenchError> {
        drop(self.input.take());
        let ended = tokio::task::spawn_blocking(move || self.child.wait());
        ended.await.map_err(sentence)?.map_err(sentence).map(drop)
    }
}

/// The process's side: asks, says how many failed, and does so again for every line that it is given, until there are
/// no more.
///
/// # Errors
/// Nobody listens, or the parts do not make a request.
pub async fn hold(target: &Target, connections: u64) -> Result<(), BenchError> {
    let _as_many_as_allowed = super::files::room()?;
    let mut held = lanes(target, connections);
    loop {
        let (again, failures) = ask_all(target, held).await?;
        held = again;
        let mut out = std::io::stdout();
        writeln!(out, "{failures}").and_then(|()| out.flush()).map_err(sentence)?;
        let told = tokio::task::spawn_blocking(|| std::io::stdin().lock().read_line(&mut String::new()));
        if told.await.map_err(sentence)?.map_err(sentence)? == 0 {
            return Ok(());
        }
    }
}

/// Connections that are not open yet, shared out over the lanes.
fn lanes(target: &Target, connections: u64) -> Vec<Vec<Connection>> {
    let sources = sources();
    let mut lanes: Vec<Vec<Connection>> = (0..LANES).map(|_| Vec::new()).collect();
    for nth in 0..connections as usize {
        let source = Some(sources[nth % sources.len()]);
        lanes[nth % LANES].push(Connection::new(target.clone(), REQUEST_TIMEOUT).with_source_address(source));
    }
    lanes
}

/// Asks once over each connection; gives them back, and how many had no true answer or had to be opened again.
async fn ask_all(
    target: &Target,
    lanes: Vec<Vec<Connection>>,
) -> Result<(Vec<Vec<Connection>>, u64), BenchError> {
    let mut asking = JoinSet::new();
    for (lane, mut connections) in lanes.into_iter().enumerate() {
        let requests = IssueRequests::new(target, COUPON, &format!("idle-{lane}-")).map_err(sentence)?;
        asking.spawn(async move {
            let mut failures = 0;
            for (number, connection) in connections.iter_mut().enumerate() {
                let reply = connection.send(requests.for_member(number as u64)).await;
                let told = reply.is_ok_and(|reply| reply.status.as_u16() == 409);
                failures += u64::from(!told || connection.open_count() != 1);
            }
            (connections, failures)
        });
    }
    let (mut held, mut failures) = (Vec::new(), 0);
    while let Some(lane) = asking.join_next().await {
        let (connections, failed) = lane.map_err(sentence)?;
        held.push(connections);
        failures += failed;
    }
    Ok((held, failures))
}
