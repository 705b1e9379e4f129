//! The rounds: everybody in turn, each in a fresh life, beginning with another one each time.

use std::path::Path as FilePath;
use std::time::Duration;

use super::config::BenchConfig;
use super::contender::{self, Contender, Kind};
use super::figures::{BenchReport, Path, Sample};
use super::ground::Ground;
use super::peers::Peers;
use super::server::Server;
use super::window::{self, Measured};
use super::{BenchError, sentence, wrk};
use crate::admin_client::AdminClient;
use crate::bare::stock_key;
use crate::format::thousands;
use crate::rows::Rows;

/// The coupon of which none is left.
const SOLD_OUT: &str = "sold-out";
/// The one that does not run out.
const PLENTY: &str = "plenty";
/// More than anybody asks for.
pub(super) const STOCK: u32 = 50_000_000;
/// How long rows may take to arrive after the last answer.
const ARRIVAL_BOUND: Duration = Duration::from_secs(300);

struct Bench<'a> {
    config: &'a BenchConfig,
    ground: Ground,
    peers: Option<Peers>,
    /// What the service says when it is sold out, for the bare handler to say the same.
    answer: tempfile::NamedTempFile,
    report: BenchReport,
}

/// Runs all rounds.
///
/// # Errors
/// [`BenchError`] says why this machine cannot run it.
pub async fn run(config: &BenchConfig, say: impl Fn(&str)) -> Result<BenchReport, BenchError> {
    let contenders = contender::all(config);
    let needs = |need: fn(&Contender) -> bool| contenders.iter().any(need);
    let mut ground =
        Ground::prepare(&config.openrun, needs(Contender::needs_redis), needs(Contender::needs_all)).await?;
    let peers = if config.peers { Some(Peers::prepare(&config.openrun_load, &say).await?) } else { None };
    let answer = sold_out_answer(config, &mut ground).await?;
    let report = BenchReport {
        rounds: config.rounds,
        seconds: config.lasts.as_secs_f64(),
        connections: config.connections,
        processors: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        ..BenchReport::default()
    };
    let mut bench = Bench { config, ground, peers, answer, report };
    for round in 1..=config.rounds {
        for turn in 0..contenders.len() {
            let contender = &contenders[(turn + round as usize - 1) % contenders.len()];
            for sample in bench.live(contender).await? {
                say(&line(round, config.rounds, &sample));
                bench.report.samples.push(Sample { round, ..sample });
            }
        }
    }
    bench.ground.clear().await?;
    bench.report.conclude();
    Ok(bench.report)
}

fn line(round: u32, rounds: u32, sample: &Sample) -> String {
    let path = if sample.path == Path::SoldOut { "sold out" } else { "issuing" };
    let rows = sample
        .rows_per_second
        .map_or_else(String::new, |rows| format!(", {} rows/s", thousands(rows as u64)));
    let per_second = thousands(sample.per_second as u64);
    format!("round {round} of {rounds}: {:<24} {path:<8} {per_second:>9}/s{rows}", sample.contender)
}

/// The very bytes that the service says, in a file.
pub(super) async fn sold_out_answer(
    config: &BenchConfig,
    ground: &mut Ground,
) -> Result<tempfile::NamedTempFile, BenchError> {
    let server = Server::openrun(config, ground, super::config::EMBEDDED, &[]).await?;
    let body = AdminClient::new(server.target.clone(), None)
        .create_sold_out_coupon(SOLD_OUT)
        .await
        .map_err(sentence)?;
    server.stop().await;
    let file = tempfile::NamedTempFile::new().map_err(sentence)?;
    std::fs::write(file.path(), body).map_err(sentence)?;
    Ok(file)
}

impl Bench<'_> {
    /// One life of one contender, from its start on empty ground to its end.
    async fn live(&mut self, contender: &Contender) -> Result<Vec<Sample>, BenchError> {
        let server = self.start(contender).await?;
        let rows = match &server.database_url {
            Some(url) => Some(Rows::connect(url).await.map_err(sentence)?),
            None => None,
        };
        let mut samples = Vec::new();
        for path in contender.paths() {
            let coupon = self.coupon(contender, &server, *path).await?;
            let plan = window::plan(self.config, &server, vec![coupon.to_owned()]);
            let counted = rows.as_ref().filter(|_| *path == Path::Issuing).map(|rows| (rows, coupon));
            let Measured { mut sample, all } =
                window::measure(&server, plan, &contender.name, *path, counted).await?;
            if self.config.wrk && *path == Path::SoldOut {
                sample.wrk_per_second = Some(wrk::measure(self.config, &server.target, coupon).await?);
            }
            if *path == Path::Issuing && matches!(contender.kind, Kind::Openrun { .. }) {
                let found = compare(&server, &contender.name, coupon, rows.as_ref(), all).await?;
                self.report.violations.extend(found);
            }
            samples.push(sample);
        }
        server.stop().await;
        if contender.kind == Kind::FastApi
            && let (Some(peers), Some(url)) = (&self.peers, self.ground.amqp_url())
        {
            peers.clear(&url).await?;
        }
        Ok(samples)
    }

    async fn start(&mut self, contender: &Contender) -> Result<Server, BenchError> {
        let program: &FilePath = &self.config.openrun_load;
        match &contender.kind {
            Kind::Openrun { engine, settings } => {
                Server::openrun(self.config, &mut self.ground, engine, settings).await
            }
            Kind::BareFixed => {
                self.ground.clear().await?;
                Server::bare_fixed(program, self.answer.path()).await
            }
            Kind::BareEvalsha => {
                self.ground.clear().await?;
                let url = self.ground.redis_url().unwrap_or_default();
                Server::bare(program, "evalsha", ["--redis-url", &url]).await
            }
            Kind::FastApi => {
                self.ground.clear().await?;
                let urls = self.ground.redis_url().zip(self.ground.amqp_url());
                match (&self.peers, urls) {
                    (Some(peers), Some((redis, amqp))) => peers.start(&redis, &amqp).await,
                    _ => Err(BenchError("the peers are not prepared".to_owned())),
                }
            }
        }
    }

    /// Makes the coupon of a path; gives its id.
    async fn coupon(
        &self,
        contender: &Contender,
        server: &Server,
        path: Path,
    ) -> Result<&'static str, BenchError> {
        let coupon = if path == Path::SoldOut { SOLD_OUT } else { PLENTY };
        let stock = if path == Path::SoldOut { 0 } else { STOCK };
        match contender.kind {
            Kind::Openrun { .. } => {
                let mut admin = AdminClient::new(server.target.clone(), None);
                match path {
                    Path::SoldOut => admin.create_sold_out_coupon(coupon).await.map(drop),
                    Path::Issuing => admin.create_coupon(coupon, STOCK).await,
                }
                .map_err(sentence)?;
            }
            Kind::BareFixed => {}
            Kind::BareEvalsha => {
                self.ground.redis(redis::cmd("SET").arg(stock_key(coupon)).arg(stock)).await?;
            }
            Kind::FastApi => {
                self.ground.redis(redis::cmd("SET").arg(Peers::stock_key(coupon)).arg(stock)).await?;
            }
        }
        Ok(coupon)
    }
}

/// Waits until what was issued is where it belongs; gives what contradicts the answers, each a sentence.
pub(super) async fn compare(
    server: &Server,
    name: &str,
    coupon: &str,
    rows: Option<&Rows>,
    all: crate::drive::Counts,
) -> Result<Vec<String>, BenchError> {
    let mut admin = AdminClient::new(server.target.clone(), None);
    let issued = u64::from(admin.fetch_coupon(coupon).await.map_err(sentence)?.issued);
    let mut found = Vec::new();
    if !(all.issued..=all.issued + all.unknown).contains(&issued) {
        found.push(format!("{name}: {} members were told a coupon, and {issued} are issued", all.issued));
    }
    if let Some(rows) = rows {
        let there = rows.until(coupon, issued, ARRIVAL_BOUND).await.map_err(sentence)?;
        if there != issued {
            found.push(format!("{name}: {issued} are issued, and {there} are in the database"));
        }
    }
    if all.unexpected > 0 {
        found.push(format!("{name}: {} answers that the contract does not know", all.unexpected));
    }
    Ok(found)
}
