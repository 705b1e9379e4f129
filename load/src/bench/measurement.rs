//! One measurement: a load on one server, and the server's use of resources in the same period.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::config::BenchConfig;
use super::figures::{Path, Sample};
use super::server::{Server, own_cpu};
use super::{BenchError, bench_error};
use crate::drive::{self, Arrivals, Counts, Plan, StatusReader, Tally};
use crate::rows::IssuanceTable;

const POLL: Duration = Duration::from_millis(5);

/// Readings at the beginning and at the end of the measured period.
struct Reading {
    at: Instant,
    ended: u64,
    cpu: Option<Duration>,
    /// Of this process, which generates the load.
    own_cpu: Option<Duration>,
    rows: Option<u64>,
}

/// A sample, and the counts of the whole load.
pub(super) struct Measurement {
    pub(super) sample: Sample,
    pub(super) all: Counts,
}

/// A closed loop with a warm-up.
pub(super) fn plan(config: &BenchConfig, server: &Server, coupons: Vec<String>) -> Plan {
    let mut plan = Plan::new(server.target.clone(), "", Arrivals::Closed { duration: config.duration });
    plan.coupons = coupons;
    plan.warm_up = config.warm_up;
    plan.connections = config.connections;
    plan.threads = config.threads.min(config.connections);
    plan
}

/// Runs the load; also counts the rows of a coupon if `rows` is given.
pub(super) async fn measure(
    server: &Server,
    plan: Plan,
    name: &str,
    path: Path,
    rows: Option<(&IssuanceTable, &str)>,
) -> Result<Measurement, BenchError> {
    let warm_up = plan.warm_up;
    let ended_at_warm_up = OnceLock::new();
    let watch = |progress: drive::LoadProgress| {
        if progress.elapsed >= warm_up {
            let _only_the_first_is_kept = ended_at_warm_up.set(progress.ended);
        }
    };
    let load = async {
        let result = drive::run(plan, || StatusReader, watch, std::future::pending()).await;
        let (tally, _) = result.map_err(bench_error)?;
        // The measurement ends with the load: later rows do not count.
        let ended = tally.all.requests();
        // In case that the load ended before the first progress report.
        let _only_the_first_is_kept = ended_at_warm_up.set(ended);
        Ok::<_, BenchError>((tally, take_reading(server, ended, rows).await?))
    };
    let start = async {
        loop {
            if let Some(ended) = ended_at_warm_up.get() {
                return take_reading(server, *ended, rows).await;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let ((tally, end), start) = tokio::try_join!(load, start)?;
    Ok(Measurement { sample: compute_sample(name, path, &tally, &start, &end), all: tally.all })
}

async fn take_reading(
    server: &Server,
    ended: u64,
    rows: Option<(&IssuanceTable, &str)>,
) -> Result<Reading, BenchError> {
    let at = Instant::now();
    let cpu = server.cpu();
    let own_cpu = own_cpu();
    let rows = match rows {
        Some((rows, coupon)) => Some(rows.count(coupon).await.map_err(bench_error)?),
        None => None,
    };
    Ok(Reading { at, ended, cpu, own_cpu, rows })
}

fn compute_sample(name: &str, path: Path, tally: &Tally, start: &Reading, end: &Reading) -> Sample {
    let seconds = (end.at - start.at).as_secs_f64().max(1e-9);
    let requests = end.ended.saturating_sub(start.ended).max(1) as f64;
    let each_us = |end: Option<Duration>, start: Option<Duration>| {
        let used = end.zip(start).map(|(end, start)| end.saturating_sub(start));
        used.map(|used| used.as_secs_f64() * 1e6 / requests)
    };
    let rows = end.rows.zip(start.rows).map(|(end, start)| end.saturating_sub(start));
    Sample {
        contender: name.to_owned(),
        path,
        round: 0,
        per_second: tally.per_second(),
        latency_ms: tally.latency.ms(),
        errors: tally.all.errors(),
        cpu_us_per_request: each_us(end.cpu, start.cpu),
        load_us_per_request: each_us(end.own_cpu, start.own_cpu),
        rows_per_second: rows.map(|rows| rows as f64 / seconds),
        wrk_per_second: None,
    }
}
