//! A process that holds connections: it sends a request over each, prints the number of failures, and repeats
//! that on demand.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tokio::task::JoinSet;

use super::burst::sources;
use super::idle::COUPON;
use super::{BenchError, bench_error};
use crate::api::IssueRequests;
use crate::connection::{Connection, REQUEST_TIMEOUT};
use crate::target::Target;

/// The number of connections that are opened and used at the same time.
const GROUPS: usize = 64;

/// The bench's side of the process.
pub(super) struct ConnectionHolder {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
    /// Requests of the first pass without the expected answer.
    pub(super) failures: u64,
}

impl ConnectionHolder {
    /// Starts the process, and waits until it has sent a request over each of its connections.
    pub(super) async fn start(program: &Path, target: &Target, connections: u64) -> Result<Self, BenchError> {
        let mut child = Command::new(program)
            .args(["hold", "--target", &target.to_string(), "--connections", &connections.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(bench_error)?;
        let input = child.stdin.take();
        let output = child.stdout.take().map(BufReader::new);
        let mut holder = Self { child, input, output, failures: 0 };
        holder.failures = holder.read_failures().await?;
        Ok(holder)
    }

    /// Reads the next number that the process prints.
    async fn read_failures(&mut self) -> Result<u64, BenchError> {
        let ended_early =
            || BenchError("a process that holds connections ended before it printed its failures".to_owned());
        let mut output = self.output.take().ok_or_else(ended_early)?;
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            output.read_line(&mut line).map(|_| (output, line))
        });
        let (output, line) = reading.await.map_err(bench_error)?.map_err(bench_error)?;
        self.output = Some(output);
        line.trim().parse().map_err(|_| ended_early())
    }

    /// Sends a request over each connection once more. Returns how many had no expected answer, or had to
    /// connect again.
    pub(super) async fn repeat_requests(&mut self) -> Result<u64, BenchError> {
        if let Some(input) = &mut self.input {
            writeln!(input).map_err(bench_error)?;
        }
        self.read_failures().await
    }

    /// Ends the process by closing its standard input.
    pub(super) async fn stop(mut self) -> Result<(), BenchError> {
        drop(self.input.take());
        let ended = tokio::task::spawn_blocking(move || self.child.wait());
        ended.await.map_err(bench_error)?.map_err(bench_error).map(drop)
    }
}

/// The main loop of the process: sends a request over each connection and prints the number of failures, once
/// at the start and again for every line on standard input, until that ends.
pub async fn hold(target: &Target, connections: u64) -> Result<(), BenchError> {
    let _as_many_as_allowed = super::files::max_connections()?;
    let mut connections = create_groups(target, connections);
    loop {
        let failures;
        (connections, failures) = send_all(target, connections).await?;
        let mut out = std::io::stdout();
        writeln!(out, "{failures}").and_then(|()| out.flush()).map_err(bench_error)?;
        let next_line = tokio::task::spawn_blocking(|| std::io::stdin().lock().read_line(&mut String::new()));
        if next_line.await.map_err(bench_error)?.map_err(bench_error)? == 0 {
            return Ok(());
        }
    }
}

/// Creates connections that are not open yet, spread over the groups.
fn create_groups(target: &Target, connections: u64) -> Vec<Vec<Connection>> {
    let sources = sources();
    let mut groups: Vec<Vec<Connection>> = (0..GROUPS).map(|_| Vec::new()).collect();
    for nth in 0..connections as usize {
        let source = Some(sources[nth % sources.len()]);
        groups[nth % GROUPS]
            .push(Connection::new(target.clone(), REQUEST_TIMEOUT).with_source_address(source));
    }
    groups
}

/// Sends one request over each connection. Returns the connections, and how many of them had no expected
/// answer or had to be opened again.
async fn send_all(
    target: &Target,
    groups: Vec<Vec<Connection>>,
) -> Result<(Vec<Vec<Connection>>, u64), BenchError> {
    let mut groups_in_use = JoinSet::new();
    for (group, mut connections) in groups.into_iter().enumerate() {
        let requests = IssueRequests::new(target, COUPON, &format!("idle-{group}-")).map_err(bench_error)?;
        groups_in_use.spawn(async move {
            let mut failures = 0;
            for (number, connection) in connections.iter_mut().enumerate() {
                let reply = connection.send(requests.for_member(number as u64)).await;
                let is_expected = reply.is_ok_and(|reply| reply.status.as_u16() == 409);
                failures += u64::from(!is_expected || connection.open_count() != 1);
            }
            (connections, failures)
        });
    }
    let mut held = Vec::new();
    let mut failures = 0;
    while let Some(group) = groups_in_use.join_next().await {
        let (connections, failed) = group.map_err(bench_error)?;
        held.push(connections);
        failures += failed;
    }
    Ok((held, failures))
}
