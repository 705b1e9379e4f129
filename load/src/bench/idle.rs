//! Very many connections held at once: that none fails, and what each costs in memory.
//!
//! One process may open only so many files. Where that is less than is asked for, several nodes share the connections,
//! and several processes hold them.

use std::time::Duration;

use serde::Serialize;

use super::config::{BenchConfig, EMBEDDED};
use super::ground::Ground;
use super::hold::Holder;
use super::server::Server;
use super::{BenchError, files, sentence};
use crate::admin_client::AdminClient;

/// The coupon that is asked for: the cheapest question there is.
pub(super) const COUPON: &str = "idle";
/// Connections by which a node is warmed up: what the first requests cost for ever is no matter of connections.
const FIRST: u64 = 64;
/// How long the nodes may come to rest before their memory is read.
const REST: Duration = Duration::from_secs(2);

/// What holding them was like.
#[derive(Clone, Debug, Serialize)]
pub struct Idle {
    /// Who.
    pub engine: String,
    /// How many connections were held at once.
    pub connections: u64,
    /// How many nodes shared them.
    pub nodes: usize,
    /// Questions without a true answer: the first over each connection, and one more while all are held.
    pub failures: u64,
    /// The memory of the nodes without them.
    pub before_bytes: u64,
    /// With all of them.
    pub with_all_bytes: u64,
    /// What one costs.
    pub bytes_per_connection: f64,
}

/// Holds so many connections to nodes of each engine.
///
/// # Errors
/// [`BenchError`] says why this machine cannot run it.
pub async fn run(
    config: &BenchConfig,
    connections: u64,
    say: impl Fn(&str),
) -> Result<Vec<Idle>, BenchError> {
    let shares = shares(connections, files::room()?);
    let needs_all = config.engines.iter().any(|engine| engine != EMBEDDED);
    let mut ground = Ground::prepare(&config.openrun, needs_all, needs_all).await?;
    let mut found = Vec::new();
    for engine in &config.engines {
        let servers = Server::nodes(config, &mut ground, engine, shares.len()).await?;
        let idle = hold(config, engine, &servers, &shares).await?;
        for server in servers {
            server.stop().await;
        }
        say(&format!(
            "{engine}: {connections} connections held by {} nodes, {} failures, {:.1} KiB each",
            idle.nodes,
            idle.failures,
            idle.bytes_per_connection / 1_024.0
        ));
        found.push(idle);
    }
    ground.clear().await?;
    Ok(found)
}

/// How many connections each node gets, where one process has room for so many.
fn shares(connections: u64, room: u64) -> Vec<u64> {
    let nodes = connections.div_ceil(room.max(1)).max(1);
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
        admin.create_sold_out_coupon(COUPON).await.map_err(sentence)?;
        Holder::start(&config.openrun_load, &server.target, FIRST).await?.end().await?;
    }
    tokio::time::sleep(REST).await;
    let before_bytes = memory_bytes(servers)?;
    let (mut holders, mut failures) = (Vec::new(), 0);
    for (server, share) in servers.iter().zip(shares) {
        let holder = Holder::start(&config.openrun_load, &server.target, *share).await?;
        failures += holder.failures;
        holders.push(holder);
    }
    tokio::time::sleep(REST).await;
    let with_all_bytes = memory_bytes(servers)?;
    // Nobody lets go before all have asked again.
    for holder in &mut holders {
        failures += holder.ask_again().await?;
    }
    for holder in holders {
        holder.end().await?;
    }
    let connections: u64 = shares.iter().sum();
    let more = with_all_bytes.saturating_sub(before_bytes);
    Ok(Idle {
        engine: engine.to_owned(),
        connections,
        nodes: servers.len(),
        failures,
        before_bytes,
        with_all_bytes,
        bytes_per_connection: more as f64 / connections.max(1) as f64,
    })
}

fn memory_bytes(servers: &[Server]) -> Result<u64, BenchError> {
    let each = servers.iter().map(Server::memory_bytes).sum::<Option<u64>>();
    each.ok_or_else(|| BenchError("the system does not tell what memory a process holds".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn connections_are_shared_out_as_far_as_files_demand() {
        assert_eq!(shares(50_000, 100_000), [50_000]);
        assert_eq!(shares(50_000, 19_400), [16_667, 16_667, 16_666]);
        assert_eq!(shares(5, 0), [1; 5]);
    }
}
