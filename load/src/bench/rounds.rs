//! The rounds: each contender in turn, in a new process, with another first contender in each round.

use std::path::Path as FilePath;
use std::time::Duration;

use super::config::BenchConfig;
use super::contender::{self, Contender, Kind};
use super::figures::{BenchReport, Path, Sample};
use super::measurement::{self, Measurement};
use super::peers::PeerStack;
use super::server::Server;
use super::services::BenchServices;
use super::{BenchError, bench_error, wrk};
use crate::admin_client::AdminClient;
use crate::bare::stock_key;
use crate::format::thousands;
use crate::rows::IssuanceTable;

/// The coupon that is sold out.
const SOLD_OUT: &str = "sold-out";
/// The coupon whose stock does not run out.
const AMPLE: &str = "plenty";
/// More than any measurement issues.
pub(super) const STOCK: u32 = 50_000_000;
/// The limit on the time that rows take to arrive after the last answer.
const ARRIVAL_BOUND: Duration = Duration::from_secs(300);

struct Bench<'a> {
    config: &'a BenchConfig,
    services: BenchServices,
    peers: Option<PeerStack>,
    /// Holds openrun's "sold out" body for the bare handler.
    answer: tempfile::NamedTempFile,
    report: BenchReport,
}

pub async fn run(config: &BenchConfig, on_progress: impl Fn(&str)) -> Result<BenchReport, BenchError> {
    let contenders = contender::list(config);
    let needs = |need: fn(&Contender) -> bool| contenders.iter().any(need);
    let mut services =
        BenchServices::prepare(&config.openrun, needs(Contender::needs_redis), needs(Contender::needs_all))
            .await?;
    let peers =
        if config.peers { Some(PeerStack::prepare(&config.openrun_load, &on_progress).await?) } else { None };
    let answer = sold_out_answer(config, &mut services).await?;
    let report = BenchReport {
        rounds: config.rounds,
        seconds: config.duration.as_secs_f64(),
        connections: config.connections,
        processors: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        ..BenchReport::default()
    };
    let mut bench = Bench { config, services, peers, answer, report };
    for round in 1..=config.rounds {
        for index in 0..contenders.len() {
            let contender = &contenders[(index + round as usize - 1) % contenders.len()];
            for sample in bench.measure_contender(contender).await? {
                on_progress(&progress_line(round, config.rounds, &sample));
                bench.report.samples.push(Sample { round, ..sample });
            }
        }
    }
    bench.services.clear().await?;
    bench.report.summarize();
    Ok(bench.report)
}

fn progress_line(round: u32, rounds: u32, sample: &Sample) -> String {
    let path = if sample.path == Path::SoldOut { "sold out" } else { "issuing" };
    let rows = sample
        .rows_per_second
        .map_or_else(String::new, |rows| format!(", {} rows/s", thousands(rows as u64)));
    let per_second = thousands(sample.per_second as u64);
    format!("round {round} of {rounds}: {:<24} {path:<8} {per_second:>9}/s{rows}", sample.contender)
}

/// Writes openrun's "sold out" body into a file.
pub(super) async fn sold_out_answer(
    config: &BenchConfig,
    services: &mut BenchServices,
) -> Result<tempfile::NamedTempFile, BenchError> {
    let server = Server::openrun(config, services, super::config::EMBEDDED, &[]).await?;
    let body = AdminClient::new(server.target.clone(), None)
        .create_sold_out_coupon(SOLD_OUT)
        .await
        .map_err(bench_error)?;
    server.stop().await;
    let file = tempfile::NamedTempFile::new().map_err(bench_error)?;
    std::fs::write(file.path(), body).map_err(bench_error)?;
    Ok(file)
}

impl Bench<'_> {
    /// Measures one contender from its start with empty services to its end.
    async fn measure_contender(&mut self, contender: &Contender) -> Result<Vec<Sample>, BenchError> {
        let server = self.start_server(contender).await?;
        let rows = match &server.database_url {
            Some(url) => Some(IssuanceTable::connect(url).await.map_err(bench_error)?),
            None => None,
        };
        let mut samples = Vec::new();
        for path in contender.paths() {
            let coupon = self.create_coupon(contender, &server, *path).await?;
            let plan = measurement::plan(self.config, &server, vec![coupon.to_owned()]);
            let counted_rows = rows.as_ref().filter(|_| *path == Path::Issuing).map(|rows| (rows, coupon));
            let Measurement { mut sample, all } =
                measurement::measure(&server, plan, &contender.name, *path, counted_rows).await?;
            if self.config.wrk && *path == Path::SoldOut {
                sample.wrk_per_second = Some(wrk::measure(self.config, &server.target, coupon).await?);
            }
            if *path == Path::Issuing && matches!(contender.kind, Kind::Openrun { .. }) {
                let contradictions =
                    find_contradictions(&server, &contender.name, coupon, rows.as_ref(), all).await?;
                self.report.violations.extend(contradictions);
            }
            samples.push(sample);
        }
        server.stop().await;
        if contender.kind == Kind::FastApi
            && let (Some(peers), Some(url)) = (&self.peers, self.services.amqp_url())
        {
            peers.clear(&url).await?;
        }
        Ok(samples)
    }

    async fn start_server(&mut self, contender: &Contender) -> Result<Server, BenchError> {
        let program: &FilePath = &self.config.openrun_load;
        match &contender.kind {
            Kind::Openrun { engine, settings } => {
                Server::openrun(self.config, &mut self.services, engine, settings).await
            }
            Kind::BareFixed => {
                self.services.clear().await?;
                Server::bare_fixed(program, self.answer.path()).await
            }
            Kind::BareEvalsha => {
                self.services.clear().await?;
                let url = self.services.redis_url().unwrap_or_default();
                Server::bare(program, "evalsha", ["--redis-url", &url]).await
            }
            Kind::FastApi => {
                self.services.clear().await?;
                let urls = self.services.redis_url().zip(self.services.amqp_url());
                match (&self.peers, urls) {
                    (Some(peers), Some((redis, amqp))) => peers.start(&redis, &amqp).await,
                    _ => Err(BenchError("the FastAPI stack is not prepared".to_owned())),
                }
            }
        }
    }

    /// Creates the coupon of a path. Returns its id.
    async fn create_coupon(
        &self,
        contender: &Contender,
        server: &Server,
        path: Path,
    ) -> Result<&'static str, BenchError> {
        let coupon = if path == Path::SoldOut { SOLD_OUT } else { AMPLE };
        let stock = if path == Path::SoldOut { 0 } else { STOCK };
        match contender.kind {
            Kind::Openrun { .. } => {
                let mut admin = AdminClient::new(server.target.clone(), None);
                match path {
                    Path::SoldOut => admin.create_sold_out_coupon(coupon).await.map(drop),
                    Path::Issuing => admin.create_coupon(coupon, STOCK).await,
                }
                .map_err(bench_error)?;
            }
            Kind::BareFixed => {}
            Kind::BareEvalsha => {
                self.services.run_redis(redis::cmd("SET").arg(stock_key(coupon)).arg(stock)).await?;
            }
            Kind::FastApi => {
                self.services
                    .run_redis(redis::cmd("SET").arg(PeerStack::stock_key(coupon)).arg(stock))
                    .await?;
            }
        }
        Ok(coupon)
    }
}

/// Waits until all issuances are in the database. Returns contradictions to the answers, each a sentence.
pub(super) async fn find_contradictions(
    server: &Server,
    name: &str,
    coupon: &str,
    rows: Option<&IssuanceTable>,
    all: crate::drive::Counts,
) -> Result<Vec<String>, BenchError> {
    let mut admin = AdminClient::new(server.target.clone(), None);
    let issued = u64::from(admin.fetch_coupon(coupon).await.map_err(bench_error)?.issued);
    let mut contradictions = Vec::new();
    if !(all.issued..=all.issued + all.unknown).contains(&issued) {
        contradictions.push(format!("{name}: {} members got a coupon, and {issued} are issued", all.issued));
    }
    if let Some(rows) = rows {
        let count = rows.wait_for_count(coupon, issued, ARRIVAL_BOUND).await.map_err(bench_error)?;
        if count != issued {
            contradictions.push(format!("{name}: {issued} are issued, and {count} are in the database"));
        }
    }
    if all.unexpected > 0 {
        contradictions.push(format!("{name}: {} answers that the contract does not define", all.unexpected));
    }
    Ok(contradictions)
}
