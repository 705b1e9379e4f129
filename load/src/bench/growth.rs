//! Whether issuing costs the same however many have taken part before, and however many coupons are open.

use serde::Serialize;

use super::config::{BenchConfig, EMBEDDED};
use super::figures::{Path, median};
use super::ground::Ground;
use super::rounds::{STOCK, compare};
use super::server::Server;
use super::window::{self, Measured};
use super::{BenchError, sentence};
use crate::admin_client::AdminClient;
use crate::drive::{self, Arrivals, Counts, Plan, StatusOnly};
use crate::rows::Rows;

/// How many ask at the same time while a coupon is filled.
const FILLING_CONNECTIONS: usize = 256;
/// What those who fill it are called; those who are measured are called otherwise.
const FILLER: &str = "filler-";

/// How far it grows.
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

/// Few against many.
#[derive(Clone, Debug, Serialize)]
pub struct Growth {
    /// Who.
    pub engine: String,
    /// What there were few or many of.
    pub of: &'static str,
    /// How many few and many are.
    pub sizes: (u64, u64),
    /// Issued a second with few, the median.
    pub few_per_second: f64,
    /// Issued a second with many.
    pub many_per_second: f64,
    /// Many in parts of few.
    pub ratio: f64,
    /// Each round: few, many.
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
///
/// # Errors
/// [`BenchError`] says why this machine cannot run it, or what contradicts what members were told.
pub async fn run(config: &BenchConfig, sizes: Sizes, say: impl Fn(&str)) -> Result<Vec<Growth>, BenchError> {
    let needs_all = config.engines.iter().any(|engine| engine != EMBEDDED);
    let mut ground = Ground::prepare(&config.openrun, needs_all, needs_all).await?;
    let mut growths = Vec::new();
    for engine in &config.engines {
        say(&format!("{engine}: {} against {} participants", sizes.participants.0, sizes.participants.1));
        let rounds = participants(config, &mut ground, engine, sizes.participants, &say).await?;
        growths.push(Growth::of(engine, "participants in one coupon", sizes.participants, rounds));
        say(&format!("{engine}: {} against {} coupons", sizes.coupons.0, sizes.coupons.1));
        let rounds = coupons(config, &mut ground, engine, sizes.coupons, &say).await?;
        let counts = (sizes.coupons.0 as u64, sizes.coupons.1 as u64);
        growths.push(Growth::of(engine, "coupons open at once", counts, rounds));
    }
    ground.clear().await?;
    Ok(growths)
}

/// A node that is measured, and what it writes to.
struct Life {
    engine: String,
    server: Server,
    admin: AdminClient,
    rows: Option<Rows>,
}

impl Life {
    async fn begin(config: &BenchConfig, ground: &mut Ground, engine: &str) -> Result<Self, BenchError> {
        let server = Server::openrun(config, ground, engine, &[]).await?;
        let admin = AdminClient::new(server.target.clone(), None);
        let rows = match &server.database_url {
            Some(url) => Some(Rows::connect(url).await.map_err(sentence)?),
            None => None,
        };
        Ok(Self { engine: engine.to_owned(), server, admin, rows })
    }

    /// Makes a coupon that so many hold already; gives what they were told.
    async fn filled(&mut self, coupon: &str, members: u64) -> Result<Counts, BenchError> {
        self.admin.create_coupon(coupon, STOCK).await.map_err(sentence)?;
        let mut plan = Plan::new(self.server.target.clone(), coupon, Arrivals::Once { members });
        FILLER.clone_into(&mut plan.member_prefix);
        plan.connections = FILLING_CONNECTIONS;
        let filled = drive::run(plan, || StatusOnly, |_| {}, std::future::pending()).await;
        let all = filled.map_err(sentence)?.0.all;
        self.settled(coupon, all).await?;
        Ok(all)
    }

    /// Nothing that is still under way may slow down what is measured next.
    async fn settled(&self, coupon: &str, all: Counts) -> Result<(), BenchError> {
        let found = compare(&self.server, &self.engine, coupon, self.rows.as_ref(), all).await?;
        found.into_iter().next().map_or(Ok(()), |sentence| Err(BenchError(sentence)))
    }

    async fn measure(
        &self,
        config: &BenchConfig,
        coupons: Vec<String>,
        round: u32,
    ) -> Result<Measured, BenchError> {
        let mut plan = window::plan(config, &self.server, coupons);
        plan.member_prefix = format!("round-{round}-");
        window::measure(&self.server, plan, &self.engine, Path::Issuing, None).await
    }
}

async fn participants(
    config: &BenchConfig,
    ground: &mut Ground,
    engine: &str,
    (few, many): (u64, u64),
    say: &impl Fn(&str),
) -> Result<Vec<(f64, f64)>, BenchError> {
    let mut life = Life::begin(config, ground, engine).await?;
    let mut large = life.filled("large", many).await?;
    let mut rounds = Vec::new();
    for round in 1..=config.rounds {
        // A new one each time: the measurement itself makes many of few.
        let small_id = format!("small-{round}");
        let mut small = life.filled(&small_id, few).await?;
        let with_few = life.measure(config, vec![small_id.clone()], round).await?;
        small.issued += with_few.all.issued;
        life.settled(&small_id, small).await?;
        let with_many = life.measure(config, vec!["large".to_owned()], round).await?;
        large.issued += with_many.all.issued;
        life.settled("large", large).await?;
        rounds.push(noted(config, round, &with_few, &with_many, say));
    }
    life.server.stop().await;
    Ok(rounds)
}

async fn coupons(
    config: &BenchConfig,
    ground: &mut Ground,
    engine: &str,
    (few, many): (usize, usize),
    say: &impl Fn(&str),
) -> Result<Vec<(f64, f64)>, BenchError> {
    let mut rounds = Vec::new();
    for round in 1..=config.rounds {
        let mut measured = Vec::new();
        for count in [few, many] {
            let mut life = Life::begin(config, ground, engine).await?;
            let ids: Vec<String> = (1..=count).map(|nth| format!("coupon-{nth}")).collect();
            for id in &ids {
                life.admin.create_coupon(id, STOCK).await.map_err(sentence)?;
            }
            measured.push(life.measure(config, ids.clone(), round).await?);
            for id in &ids {
                drained(&mut life, id).await?;
            }
            life.server.stop().await;
        }
        if let [with_few, with_many] = &measured[..] {
            rounds.push(noted(config, round, with_few, with_many, say));
        }
    }
    Ok(rounds)
}

/// Waits until what the service counts is in the database.
async fn drained(life: &mut Life, coupon: &str) -> Result<(), BenchError> {
    let issued = u64::from(life.admin.fetch_coupon(coupon).await.map_err(sentence)?.issued);
    life.settled(coupon, Counts { issued, ..Counts::default() }).await
}

fn noted(
    config: &BenchConfig,
    round: u32,
    few: &Measured,
    many: &Measured,
    say: &impl Fn(&str),
) -> (f64, f64) {
    let (few, many) = (few.sample.per_second, many.sample.per_second);
    say(&format!("round {round} of {}: few {few:.0}/s, many {many:.0}/s", config.rounds));
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
