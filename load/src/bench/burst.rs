//! How long members wait when very many ask at the same moment, each over a connection of their own.

use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;

use super::config::{BenchConfig, EMBEDDED};
use super::contender::BARE_FIXED;
use super::ground::Ground;
use super::rounds::{STOCK, compare, sold_out_answer};
use super::server::Server;
use super::{BenchError, sentence};
use crate::admin_client::AdminClient;
use crate::drive::{self, Arrivals, Counts, Plan, StatusOnly, Tally};
use crate::latency::{Latency, LatencyMs};
use crate::rows::Rows;

/// Addresses that connections come from: each has some 28,000 ports.
const SOURCES: u8 = 8;

/// The system finds a port faster by itself than for a given address, and has some 28,000 without being told any. In a
/// burst that time would count as the server's.
const MEMBERS_OF_ONE_SOURCE: u64 = 20_000;

/// So many members come for one coupon where there are fewer coupons than members.
const MEMBERS_A_COUPON: u64 = 10;

/// What there is when all come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stock {
    /// Nothing any more.
    None,
    /// A coupon for one member in ten.
    Some,
    /// A coupon for everybody.
    Enough,
}

impl Stock {
    /// In words, for a table.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::None => "sold out",
            Self::Some => "one in ten",
            Self::Enough => "issuing",
        }
    }

    /// Makes the coupon; how many of it there are to be had, at most.
    async fn create(self, admin: &mut AdminClient, coupon: &str, members: u64) -> Result<u64, BenchError> {
        let total = match self {
            Self::None => {
                admin.create_sold_out_coupon(coupon).await.map_err(sentence)?;
                return Ok(0);
            }
            Self::Some => u32::try_from((members / MEMBERS_A_COUPON).max(1)).unwrap_or(STOCK),
            Self::Enough => STOCK,
        };
        admin.create_coupon(coupon, total).await.map_err(sentence)?;
        Ok(total.into())
    }
}

/// What one engine made of it, over all rounds. Latencies count from the moment at which all meant to ask.
#[derive(Clone, Debug, Serialize)]
pub struct Burst {
    /// Who.
    pub engine: String,
    /// What there was to be had.
    pub stock: Stock,
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

/// Measures a bare handler and then every engine at both paths, with connections that are open and with such that are not.
///
/// # Errors
/// [`BenchError`] says why this machine cannot run it, or what contradicts what members were told.
pub async fn run(config: &BenchConfig, members: u64, say: impl Fn(&str)) -> Result<Vec<Burst>, BenchError> {
    super::files::enough_for(members)?;
    let needs_all = config.engines.iter().any(|engine| engine != EMBEDDED);
    let mut ground = Ground::prepare(&config.openrun, needs_all, needs_all).await?;
    let mut bursts = Vec::new();
    let answer = sold_out_answer(config, &mut ground).await?;
    ground.clear().await?;
    for connecting in [false, true] {
        let server = Server::bare_fixed(&config.openrun_load, answer.path()).await?;
        let crowd = Crowd { config, connecting, members };
        bursts.push(crowd.of(BARE_FIXED, Stock::None, &crowd.rounds(&server, None).await?, &say));
        server.stop().await;
    }
    for engine in &config.engines {
        for stock in [Stock::None, Stock::Some, Stock::Enough] {
            for connecting in [false, true] {
                let server = Server::openrun(config, &mut ground, engine, &[]).await?;
                let crowd = Crowd { config, connecting, members };
                let seen = crowd.rounds(&server, Some((engine, stock))).await?;
                server.stop().await;
                bursts.push(crowd.of(engine, stock, &seen, &say));
            }
        }
    }
    ground.clear().await?;
    Ok(bursts)
}

/// Those who come.
struct Crowd<'a> {
    config: &'a BenchConfig,
    connecting: bool,
    members: u64,
}

impl Crowd<'_> {
    /// All rounds on one server, added up. A bare handler has no coupons.
    async fn rounds(
        &self,
        server: &Server,
        coupons: Option<(&str, Stock)>,
    ) -> Result<(Latency, Counts), BenchError> {
        let mut admin = AdminClient::new(server.target.clone(), None);
        let rows = match &server.database_url {
            Some(url) => Some(Rows::connect(url).await.map_err(sentence)?),
            None => None,
        };
        let (mut latency, mut counts) = (Latency::default(), Counts::default());
        for round in 1..=self.config.rounds {
            let coupon = format!("burst-{round}");
            let there_are = match coupons {
                Some((_, stock)) => stock.create(&mut admin, &coupon, self.members).await?,
                None => 0,
            };
            let tally = self.come(server, &coupon).await?;
            latency.merge(&tally.latency);
            counts.merge(&tally.all);
            if let Some((engine, _)) = coupons.filter(|_| there_are > 0) {
                let wanted = self.members.min(there_are);
                verdict(server, engine, &coupon, rows.as_ref(), tally.all, wanted).await?;
            }
        }
        Ok((latency, counts))
    }

    async fn come(&self, server: &Server, coupon: &str) -> Result<Tally, BenchError> {
        let mut plan = Plan::new(server.target.clone(), coupon, Arrivals::Once { members: self.members });
        plan.connections = usize::try_from(self.members).unwrap_or(usize::MAX);
        plan.threads = self.config.threads;
        plan.connect_late = self.connecting;
        if self.members > MEMBERS_OF_ONE_SOURCE {
            plan.sources = sources();
        }
        let done = drive::run(plan, || StatusOnly, |_| {}, std::future::pending()).await;
        Ok(done.map_err(sentence)?.0)
    }

    fn of(
        &self,
        who: &str,
        stock: Stock,
        (latency, counts): &(Latency, Counts),
        say: &impl Fn(&str),
    ) -> Burst {
        let (latency_ms, counts) = (latency.ms(), *counts);
        say(&format!(
            "{who}, {}, connecting {}: mean {:.1} ms, p50 {:.1} ms, p99 {:.1} ms",
            stock.words(),
            self.connecting,
            latency_ms.mean,
            latency_ms.p50,
            latency_ms.p99
        ));
        let Self { connecting, members, .. } = *self;
        Burst { engine: who.to_owned(), stock, connecting, members, latency_ms, counts }
    }
}

/// Compares what members were told with what there is. Nobody is to be turned away as long as there are coupons.
async fn verdict(
    server: &Server,
    engine: &str,
    coupon: &str,
    rows: Option<&Rows>,
    all: Counts,
    wanted: u64,
) -> Result<(), BenchError> {
    let mut found = compare(server, engine, coupon, rows, all).await?;
    if all.errors() == 0 && all.issued != wanted {
        found.push(format!("{engine}: {} members were told a coupon instead of {wanted}", all.issued));
    }
    match found.into_iter().next() {
        Some(broken) => Err(BenchError(broken)),
        None => Ok(()),
    }
}
