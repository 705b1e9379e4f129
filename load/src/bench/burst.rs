//! Latency when very many members request a coupon at the same moment, each over a connection of its own.

use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;

use super::config::{BenchConfig, EMBEDDED};
use super::contender::BARE_FIXED;
use super::rounds::{STOCK, find_contradictions, sold_out_answer};
use super::server::Server;
use super::services::BenchServices;
use super::{BenchError, bench_error};
use crate::admin_client::AdminClient;
use crate::drive::{self, Arrivals, Counts, Plan, StatusReader, Tally};
use crate::latency::{Latency, LatencyMs};
use crate::rows::IssuanceTable;

/// The number of local addresses to connect from; each has some 28,000 ports.
const SOURCES: u8 = 8;

/// Above this, connections use several local addresses. The system finds a port faster by itself than for a
/// given address, but has only some 28,000. In a burst that time would count as the server's.
const MEMBERS_OF_ONE_SOURCE: u64 = 20_000;

/// The number of members for each coupon of [`Stock::OneInTen`].
const MEMBERS_PER_COUPON: u64 = 10;

/// The stock of the coupon before the burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stock {
    #[serde(rename = "none")]
    SoldOut,
    #[serde(rename = "some")]
    OneInTen,
    /// One coupon for each member.
    #[serde(rename = "enough")]
    Ample,
}

impl Stock {
    /// For a table.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::SoldOut => "sold out",
            Self::OneInTen => "one in ten",
            Self::Ample => "issuing",
        }
    }

    /// Creates the coupon. Returns how many members it can be issued to.
    async fn create(self, admin: &mut AdminClient, coupon: &str, members: u64) -> Result<u64, BenchError> {
        let total = match self {
            Self::SoldOut => {
                admin.create_sold_out_coupon(coupon).await.map_err(bench_error)?;
                return Ok(0);
            }
            Self::OneInTen => u32::try_from((members / MEMBERS_PER_COUPON).max(1)).unwrap_or(STOCK),
            Self::Ample => STOCK,
        };
        admin.create_coupon(coupon, total).await.map_err(bench_error)?;
        Ok(total.into())
    }
}

/// The result of one engine over all rounds. Latencies count from the moment at which all requests were due.
#[derive(Clone, Debug, Serialize)]
pub struct Burst {
    pub engine: String,
    pub stock: Stock,
    /// Whether latencies include connecting; otherwise all connections are open before.
    pub connecting: bool,
    pub members: u64,
    pub latency_ms: LatencyMs,
    /// In all rounds.
    pub counts: Counts,
}

/// The loopback addresses to connect from, beginning with 127.0.0.2.
pub(super) fn sources() -> Vec<IpAddr> {
    (2..2 + SOURCES).map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))).collect()
}

/// Measures a bare handler and then every engine at each stock, with open connections and with new ones.
pub async fn run(
    config: &BenchConfig,
    members: u64,
    on_progress: impl Fn(&str),
) -> Result<Vec<Burst>, BenchError> {
    super::files::ensure_connections(members)?;
    let needs_all = config.engines.iter().any(|engine| engine != EMBEDDED);
    let mut services = BenchServices::prepare(&config.openrun, needs_all, needs_all).await?;
    let mut bursts = Vec::new();
    let answer = sold_out_answer(config, &mut services).await?;
    services.clear().await?;
    for connecting in [false, true] {
        let server = Server::bare_fixed(&config.openrun_load, answer.path()).await?;
        let load = BurstLoad { config, connecting, members };
        bursts.push(load.report(
            BARE_FIXED,
            Stock::SoldOut,
            &load.rounds(&server, None).await?,
            &on_progress,
        ));
        server.stop().await;
    }
    for engine in &config.engines {
        for stock in [Stock::SoldOut, Stock::OneInTen, Stock::Ample] {
            for connecting in [false, true] {
                let server = Server::openrun(config, &mut services, engine, &[]).await?;
                let load = BurstLoad { config, connecting, members };
                let results = load.rounds(&server, Some((engine, stock))).await?;
                server.stop().await;
                bursts.push(load.report(engine, stock, &results, &on_progress));
            }
        }
    }
    services.clear().await?;
    Ok(bursts)
}

struct BurstLoad<'a> {
    config: &'a BenchConfig,
    connecting: bool,
    members: u64,
}

impl BurstLoad<'_> {
    /// Runs all rounds on one server and adds them up. A bare handler has no coupons.
    async fn rounds(
        &self,
        server: &Server,
        coupons: Option<(&str, Stock)>,
    ) -> Result<(Latency, Counts), BenchError> {
        let mut admin = AdminClient::new(server.target.clone(), None);
        let rows = match &server.database_url {
            Some(url) => Some(IssuanceTable::connect(url).await.map_err(bench_error)?),
            None => None,
        };
        let mut latency = Latency::default();
        let mut counts = Counts::default();
        for round in 1..=self.config.rounds {
            let coupon = format!("burst-{round}");
            let stock = match coupons {
                Some((_, before)) => before.create(&mut admin, &coupon, self.members).await?,
                None => 0,
            };
            let tally = self.run_once(server, &coupon).await?;
            latency.merge(&tally.latency);
            counts.merge(&tally.all);
            if let Some((engine, _)) = coupons.filter(|_| stock > 0) {
                let expected = self.members.min(stock);
                check_answers(server, engine, &coupon, rows.as_ref(), tally.all, expected).await?;
            }
        }
        Ok((latency, counts))
    }

    async fn run_once(&self, server: &Server, coupon: &str) -> Result<Tally, BenchError> {
        let mut plan = Plan::new(server.target.clone(), coupon, Arrivals::AtOnce { members: self.members });
        plan.connections = usize::try_from(self.members).unwrap_or(usize::MAX);
        plan.threads = self.config.threads;
        plan.connect_on_demand = self.connecting;
        if self.members > MEMBERS_OF_ONE_SOURCE {
            plan.sources = sources();
        }
        let result = drive::run(plan, || StatusReader, |_| {}, std::future::pending()).await;
        Ok(result.map_err(bench_error)?.0)
    }

    fn report(
        &self,
        contender: &str,
        stock: Stock,
        (latency, counts): &(Latency, Counts),
        on_progress: &impl Fn(&str),
    ) -> Burst {
        let latency_ms = latency.ms();
        let counts = *counts;
        on_progress(&format!(
            "{contender}, {}, connecting {}: mean {:.1} ms, p50 {:.1} ms, p99 {:.1} ms",
            stock.label(),
            self.connecting,
            latency_ms.mean,
            latency_ms.p50,
            latency_ms.p99
        ));
        let Self { connecting, members, .. } = *self;
        Burst { engine: contender.to_owned(), stock, connecting, members, latency_ms, counts }
    }
}

/// Compares the answers with the state of the service. No member may be rejected while there are coupons.
async fn check_answers(
    server: &Server,
    engine: &str,
    coupon: &str,
    rows: Option<&IssuanceTable>,
    all: Counts,
    expected: u64,
) -> Result<(), BenchError> {
    let mut contradictions = find_contradictions(server, engine, coupon, rows, all).await?;
    if all.errors() == 0 && all.issued != expected {
        contradictions.push(format!("{engine}: {} members got a coupon instead of {expected}", all.issued));
    }
    match contradictions.into_iter().next() {
        Some(contradiction) => Err(BenchError(contradiction)),
        None => Ok(()),
    }
}
