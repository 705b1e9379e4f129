//! Whether the cost of issuing depends on the number of participants before, or on the number of open
//! coupons.

use serde::Serialize;

use super::config::{BenchConfig, EMBEDDED};
use super::figures::{Path, median};
use super::measurement::{self, Measurement};
use super::rounds::{STOCK, find_contradictions};
use super::server::Server;
use super::services::BenchServices;
use super::{BenchError, bench_error};
use crate::admin_client::AdminClient;
use crate::drive::{self, Arrivals, Counts, Plan, StatusReader};
use crate::rows::IssuanceTable;

const FILLING_CONNECTIONS: usize = 256;
/// Differs from the members that are measured.
const FILLER_PREFIX: &str = "filler-";

/// The two sizes of each comparison.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Participants of one coupon: few and many.
    pub participants: (u64, u64),
    /// Coupons open at once: few and many.
    pub coupons: (usize, usize),
}

impl Default for Sizes {
    fn default() -> Self {
        Self { participants: (1_000, 1_000_000), coupons: (1, 1_000) }
    }
}

/// The comparison of few with many.
#[derive(Clone, Debug, Serialize)]
pub struct Growth {
    pub engine: String,
    /// The thing that is few or many.
    pub of: &'static str,
    pub sizes: (u64, u64),
    /// Median rate of issuing.
    pub few_per_second: f64,
    /// Median rate of issuing.
    pub many_per_second: f64,
    /// The rate with many to the rate with few.
    pub ratio: f64,
    /// For each round, the rate with few and with many.
    pub rounds: Vec<(f64, f64)>,
}

impl Growth {
    fn of(engine: &str, of: &'static str, sizes: (u64, u64), rounds: Vec<(f64, f64)>) -> Self {
        let few_per_second = median(rounds.iter().map(|round| round.0));
        let many_per_second = median(rounds.iter().map(|round| round.1));
        let ratio = many_per_second / few_per_second.max(f64::MIN_POSITIVE);
        Self { engine: engine.to_owned(), of, sizes, few_per_second, many_per_second, ratio, rounds }
    }
}

/// Measures every engine, with few and with many in turn.
pub async fn run(
    config: &BenchConfig,
    sizes: Sizes,
    on_progress: impl Fn(&str),
) -> Result<Vec<Growth>, BenchError> {
    let needs_all = config.engines.iter().any(|engine| engine != EMBEDDED);
    let mut services = BenchServices::prepare(&config.openrun, needs_all, needs_all).await?;
    let mut growths = Vec::new();
    for engine in &config.engines {
        on_progress(&format!(
            "{engine}: {} against {} participants",
            sizes.participants.0, sizes.participants.1
        ));
        let rounds =
            compare_participants(config, &mut services, engine, sizes.participants, &on_progress).await?;
        growths.push(Growth::of(engine, "participants in one coupon", sizes.participants, rounds));
        on_progress(&format!("{engine}: {} against {} coupons", sizes.coupons.0, sizes.coupons.1));
        let rounds = compare_coupons(config, &mut services, engine, sizes.coupons, &on_progress).await?;
        let counts = (sizes.coupons.0 as u64, sizes.coupons.1 as u64);
        growths.push(Growth::of(engine, "coupons open at once", counts, rounds));
    }
    services.clear().await?;
    Ok(growths)
}

/// A node under measurement.
struct MeasuredNode {
    engine: String,
    server: Server,
    admin: AdminClient,
    rows: Option<IssuanceTable>,
}

impl MeasuredNode {
    async fn start(
        config: &BenchConfig,
        services: &mut BenchServices,
        engine: &str,
    ) -> Result<Self, BenchError> {
        let server = Server::openrun(config, services, engine, &[]).await?;
        let admin = AdminClient::new(server.target.clone(), None);
        let rows = match &server.database_url {
            Some(url) => Some(IssuanceTable::connect(url).await.map_err(bench_error)?),
            None => None,
        };
        Ok(Self { engine: engine.to_owned(), server, admin, rows })
    }

    /// Creates a coupon and issues it to `members` members. Returns the counts of their answers.
    async fn create_filled_coupon(&mut self, coupon: &str, members: u64) -> Result<Counts, BenchError> {
        self.admin.create_coupon(coupon, STOCK).await.map_err(bench_error)?;
        let mut plan = Plan::new(self.server.target.clone(), coupon, Arrivals::AtOnce { members });
        FILLER_PREFIX.clone_into(&mut plan.member_prefix);
        plan.connections = FILLING_CONNECTIONS;
        let result = drive::run(plan, || StatusReader, |_| {}, std::future::pending()).await;
        let all = result.map_err(bench_error)?.0.all;
        self.wait_until_settled(coupon, all).await?;
        Ok(all)
    }

    /// Waits until all rows are written, so that they do not slow down the next measurement.
    async fn wait_until_settled(&self, coupon: &str, all: Counts) -> Result<(), BenchError> {
        let contradictions =
            find_contradictions(&self.server, &self.engine, coupon, self.rows.as_ref(), all).await?;
        contradictions.into_iter().next().map_or(Ok(()), |contradiction| Err(BenchError(contradiction)))
    }

    async fn measure(
        &self,
        config: &BenchConfig,
        coupons: Vec<String>,
        round: u32,
    ) -> Result<Measurement, BenchError> {
        let mut plan = measurement::plan(config, &self.server, coupons);
        plan.member_prefix = format!("round-{round}-");
        measurement::measure(&self.server, plan, &self.engine, Path::Issuing, None).await
    }
}

async fn compare_participants(
    config: &BenchConfig,
    services: &mut BenchServices,
    engine: &str,
    (few, many): (u64, u64),
    on_progress: &impl Fn(&str),
) -> Result<Vec<(f64, f64)>, BenchError> {
    let mut node = MeasuredNode::start(config, services, engine).await?;
    let mut large = node.create_filled_coupon("large", many).await?;
    let mut rounds = Vec::new();
    for round in 1..=config.rounds {
        // A new coupon in each round, because the measurement itself adds many participants.
        let small_id = format!("small-{round}");
        let mut small = node.create_filled_coupon(&small_id, few).await?;
        let with_few = node.measure(config, vec![small_id.clone()], round).await?;
        small.issued += with_few.all.issued;
        node.wait_until_settled(&small_id, small).await?;
        let with_many = node.measure(config, vec!["large".to_owned()], round).await?;
        large.issued += with_many.all.issued;
        node.wait_until_settled("large", large).await?;
        rounds.push(report_round(config, round, &with_few, &with_many, on_progress));
    }
    node.server.stop().await;
    Ok(rounds)
}

async fn compare_coupons(
    config: &BenchConfig,
    services: &mut BenchServices,
    engine: &str,
    (few, many): (usize, usize),
    on_progress: &impl Fn(&str),
) -> Result<Vec<(f64, f64)>, BenchError> {
    let mut rounds = Vec::new();
    for round in 1..=config.rounds {
        let mut measurements = Vec::new();
        for count in [few, many] {
            let mut node = MeasuredNode::start(config, services, engine).await?;
            let ids: Vec<String> = (1..=count).map(|nth| format!("coupon-{nth}")).collect();
            for id in &ids {
                node.admin.create_coupon(id, STOCK).await.map_err(bench_error)?;
            }
            measurements.push(node.measure(config, ids.clone(), round).await?);
            for id in &ids {
                wait_until_persisted(&mut node, id).await?;
            }
            node.server.stop().await;
        }
        if let [with_few, with_many] = &measurements[..] {
            rounds.push(report_round(config, round, with_few, with_many, on_progress));
        }
    }
    Ok(rounds)
}

/// Waits until the database has as many rows as the service counts.
async fn wait_until_persisted(node: &mut MeasuredNode, coupon: &str) -> Result<(), BenchError> {
    let issued = u64::from(node.admin.fetch_coupon(coupon).await.map_err(bench_error)?.issued);
    node.wait_until_settled(coupon, Counts { issued, ..Counts::default() }).await
}

fn report_round(
    config: &BenchConfig,
    round: u32,
    few: &Measurement,
    many: &Measurement,
    on_progress: &impl Fn(&str),
) -> (f64, f64) {
    let few = few.sample.per_second;
    let many = many.sample.per_second;
    on_progress(&format!("round {round} of {}: few {few:.0}/s, many {many:.0}/s", config.rounds));
    (few, many)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_the_ratio_of_the_medians() {
        let growth = Growth::of("embedded", "x", (1, 9), vec![(100.0, 90.0), (200.0, 95.0), (10.0, 1_000.0)]);
        assert_eq!((growth.few_per_second, growth.many_per_second), (100.0, 95.0));
        assert!((growth.ratio - 0.95).abs() < 1e-9);
    }
}
