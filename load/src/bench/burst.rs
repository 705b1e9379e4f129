//! How long members wait when very many ask at the same moment, each over a connection of their own.

use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;

use super::config::{BenchConfig, EMBEDDED};
use super::figures::Path;
use super::ground::Ground;
use super::rounds::{STOCK, compare};
use super::server::Server;
use super::{BenchError, sentence};
use crate::drive::{self, Arrivals, Counts, Plan, StatusOnly};
use crate::latency::{Latency, LatencyMs};
use crate::operator::Operator;
use crate::rows::Rows;

/// Addresses that connections come from: each has some 28,000 ports.
const SOURCES: u8 = 8;

/// The system finds a port faster by itself than for a given address, and has some 28,000 without being told any. In a
/// burst that time would count as the server's.
const MEMBERS_OF_ONE_SOURCE: u64 = 20_000;

/// What one engine made of it, over all rounds. Latencies count from the moment at which all meant to ask.
#[derive(Clone, Debug, Serialize)]
pub struct Burst {
    /// Who.
    pub engine: String,
    /// What was asked for.
    pub path: Path,
    /// Whether connecting is a part of it; otherwise all connections were open before.
    pub connecting: bool,
    /// How many asked at once.
    pub members: u64,
    /// How long they waited.
    pub latency_ms: LatencyMs,
    /// How requests ended, in all rounds.
    pub counts: Counts,
}

/// The loopback addresses from which connections come: 127.0.0.2 and following.
pub(super) fn sources() -> Vec<IpAddr> {
    (2..2 + SOURCES).map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))).collect()
}

/// Measures every engine at both paths, with connections that are open and with such that are not.
///
/// # Errors
/// [`BenchError`] says why this machine cannot run it, or what contradicts what members were told.
pub async fn run(config: &BenchConfig, members: u64, say: impl Fn(&str)) -> Result<Vec<Burst>, BenchError> {
    super::files::enough_for(members)?;
    let needs_all = config.engines.iter().any(|engine| engine != EMBEDDED);
    let mut ground = Ground::prepare(&config.openrun, needs_all, needs_all).await?;
    let mut bursts = Vec::new();
    for engine in &config.engines {
        for path in [Path::SoldOut, Path::Issuing] {
            for connecting in [false, true] {
                let server = Server::openrun(config, &mut ground, engine, &[]).await?;
                let (latency, counts) = rounds(config, engine, &server, path, connecting, members).await?;
                server.stop().await;
                let latency_ms = latency.ms();
                say(&format!(
                    "{engine}, {path:?}, connecting {connecting}: mean {:.1} ms, p50 {:.1} ms, p99 {:.1} ms",
                    latency_ms.mean, latency_ms.p50, latency_ms.p99
                ));
                bursts.push(Burst { engine: engine.clone(), path, connecting, members, latency_ms, counts });
            }
        }
    }
    ground.clear().await?;
    Ok(bursts)
}

/// All rounds on one node, added up.
async fn rounds(
    config: &BenchConfig,
    engine: &str,
    server: &Server,
    path: Path,
    connecting: bool,
    members: u64,
) -> Result<(Latency, Counts), BenchError> {
    let mut operator = Operator::new(server.target.clone(), None);
    let rows = match &server.database_url {
        Some(url) => Some(Rows::connect(url).await.map_err(sentence)?),
        None => None,
    };
    let (mut latency, mut counts) = (Latency::default(), Counts::default());
    for round in 1..=config.rounds {
        let coupon = format!("burst-{round}");
        match path {
            Path::SoldOut => operator.create_sold_out(&coupon).await.map(drop),
            Path::Issuing => operator.create(&coupon, STOCK).await,
        }
        .map_err(sentence)?;
        let mut plan = Plan::new(server.target.clone(), coupon.clone(), Arrivals::Once { members });
        plan.connections = usize::try_from(members).unwrap_or(usize::MAX);
        plan.threads = config.threads;
        plan.connect_late = connecting;
        if members > MEMBERS_OF_ONE_SOURCE {
            plan.sources = sources();
        }
        let done = drive::run(plan, || StatusOnly, |_| {}, std::future::pending()).await;
        let (tally, _) = done.map_err(sentence)?;
        latency.merge(&tally.latency);
        counts.merge(&tally.all);
        if path == Path::Issuing
            && let Some(found) = compare(server, engine, &coupon, rows.as_ref(), tally.all).await?.first()
        {
            return Err(BenchError(found.clone()));
        }
    }
    Ok((latency, counts))
}
