//! Very many connections held at once: failures, and memory for each connection.
//!
//! The number of open files in a process is limited. If the limit is too low, several nodes share the
//! connections, and several processes hold them.

use std::time::Duration;

use serde::Serialize;

use super::config::{BenchConfig, EMBEDDED};
use super::hold::ConnectionHolder;
use super::server::Server;
use super::services::BenchServices;
use super::{BenchError, bench_error, files};
use crate::admin_client::AdminClient;

/// A sold-out coupon, whose requests cost least.
pub(super) const COUPON: &str = "idle";
/// Connections that warm a node up: the lasting memory of the first requests is no cost of idle connections.
const WARM_UP_CONNECTIONS: u64 = 64;
/// A pause before memory is read.
const SETTLE_TIME: Duration = Duration::from_secs(2);

/// The result for one engine.
#[derive(Clone, Debug, Serialize)]
pub struct Idle {
    pub engine: String,
    /// Connections that were held at once.
    pub connections: u64,
    /// Nodes that shared the connections.
    pub nodes: usize,
    /// Requests without the expected answer: the first over each connection, and one more while all are held.
    pub failures: u64,
    /// The memory of the nodes without the connections.
    pub before_bytes: u64,
    /// The memory of the nodes with all connections.
    pub with_all_bytes: u64,
    pub bytes_per_connection: f64,
}

/// Holds connections to nodes of each engine.
pub async fn run(
    config: &BenchConfig,
    connections: u64,
    on_progress: impl Fn(&str),
) -> Result<Vec<Idle>, BenchError> {
    let shares = share_out(connections, files::max_connections()?);
    let needs_all = config.engines.iter().any(|engine| engine != EMBEDDED);
    let mut services = BenchServices::prepare(&config.openrun, needs_all, needs_all).await?;
    let mut results = Vec::new();
    for engine in &config.engines {
        let servers = Server::nodes(config, &mut services, engine, shares.len()).await?;
        let idle = hold(config, engine, &servers, &shares).await?;
        for server in servers {
            server.stop().await;
        }
        on_progress(&format!(
            "{engine}: {connections} connections held by {} nodes, {} failures, {:.1} KiB each",
            idle.nodes,
            idle.failures,
            idle.bytes_per_connection / 1_024.0
        ));
        results.push(idle);
    }
    services.clear().await?;
    Ok(results)
}

/// The number of connections for each node.
fn share_out(connections: u64, max_connections: u64) -> Vec<u64> {
    let nodes = connections.div_ceil(max_connections.max(1)).max(1);
    (0..nodes).map(|nth| connections / nodes + u64::from(nth < connections % nodes)).collect()
}

async fn hold(
    config: &BenchConfig,
    engine: &str,
    servers: &[Server],
    shares: &[u64],
) -> Result<Idle, BenchError> {
    for server in servers {
        let mut admin = AdminClient::new(server.target.clone(), None);
        admin.create_sold_out_coupon(COUPON).await.map_err(bench_error)?;
        ConnectionHolder::start(&config.openrun_load, &server.target, WARM_UP_CONNECTIONS)
            .await?
            .stop()
            .await?;
    }
    tokio::time::sleep(SETTLE_TIME).await;
    let before_bytes = memory_bytes(servers)?;
    let mut holders = Vec::new();
    let mut failures = 0;
    for (server, share) in servers.iter().zip(shares) {
        let holder = ConnectionHolder::start(&config.openrun_load, &server.target, *share).await?;
        failures += holder.failures;
        holders.push(holder);
    }
    tokio::time::sleep(SETTLE_TIME).await;
    let with_all_bytes = memory_bytes(servers)?;
    // All connections are held until the last has been used again.
    for holder in &mut holders {
        failures += holder.repeat_requests().await?;
    }
    for holder in holders {
        holder.stop().await?;
    }
    let connections: u64 = shares.iter().sum();
    let added_bytes = with_all_bytes.saturating_sub(before_bytes);
    Ok(Idle {
        engine: engine.to_owned(),
        connections,
        nodes: servers.len(),
        failures,
        before_bytes,
        with_all_bytes,
        bytes_per_connection: added_bytes as f64 / connections.max(1) as f64,
    })
}

fn memory_bytes(servers: &[Server]) -> Result<u64, BenchError> {
    let each = servers.iter().map(Server::memory_bytes).sum::<Option<u64>>();
    each.ok_or_else(|| BenchError("the system does not report the memory of a process".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::share_out;

    #[test]
    fn connections_are_shared_out_if_the_file_limit_requires_it() {
        assert_eq!(share_out(50_000, 100_000), [50_000]);
        assert_eq!(share_out(50_000, 19_400), [16_667, 16_667, 16_666]);
        assert_eq!(share_out(5, 0), [1; 5]);
    }
}
