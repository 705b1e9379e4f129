//! One measurement: a load on one server, and what the server and its database did in the same time.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::config::BenchConfig;
use super::figures::{Path, Sample};
use super::server::{Server, own_cpu};
use super::{BenchError, sentence};
use crate::drive::{self, Arrivals, Counts, Plan, StatusOnly, Tally};
use crate::rows::Rows;

const POLL: Duration = Duration::from_millis(5);

/// What is read at the beginning and at the end of the measured time.
struct Reading {
    at: Instant,
    ended: u64,
    cpu: Option<Duration>,
    /// Of this process, which puts the load on.
    own_cpu: Option<Duration>,
    rows: Option<u64>,
}

/// Everything that came of it; the sample is a part.
pub(super) struct Measured {
    pub(super) sample: Sample,
    pub(super) all: Counts,
}

/// The load of a bench: a closed loop, warmed up.
pub(super) fn plan(config: &BenchConfig, server: &Server, coupons: Vec<String>) -> Plan {
    let mut plan = Plan::new(server.target.clone(), "", Arrivals::Closed { lasts: config.lasts });
    plan.coupons = coupons;
    plan.warm_up = config.warm_up;
    plan.connections = config.connections;
    plan.threads = config.threads.min(config.connections);
    plan
}

/// Measures; with the rows of `coupon` if they are to be counted.
pub(super) async fn measure(
    server: &Server,
    plan: Plan,
    name: &str,
    path: Path,
    rows: Option<(&Rows, &str)>,
) -> Result<Measured, BenchError> {
    let warm_up = plan.warm_up;
    let warmed = OnceLock::new();
    let watch = |standing: drive::Standing| {
        if standing.elapsed >= warm_up {
            let _only_the_first_counts = warmed.set(standing.ended);
        }
    };
    let load = async {
        let done = drive::run(plan, || StatusOnly, watch, std::future::pending()).await;
        let (tally, _) = done.map_err(sentence)?;
        // The window ends with the load: what arrives later arrives too late.
        let ended = tally.all.requests();
        // Of a load that was over before anybody looked.
        let _only_the_first_counts = warmed.set(ended);
        Ok::<_, BenchError>((tally, read(server, ended, rows).await?))
    };
    let begin = async {
        loop {
            if let Some(ended) = warmed.get() {
                return read(server, *ended, rows).await;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let ((tally, end), begin) = tokio::try_join!(load, begin)?;
    Ok(Measured { sample: sample(name, path, &tally, &begin, &end), all: tally.all })
}

async fn read(server: &Server, ended: u64, rows: Option<(&Rows, &str)>) -> Result<Reading, BenchError> {
    let (at, cpu, own_cpu) = (Instant::now(), server.cpu(), own_cpu());
    let rows = match rows {
        Some((rows, coupon)) => Some(rows.count(coupon).await.map_err(sentence)?),
        None => None,
    };
    Ok(Reading { at, ended, cpu, own_cpu, rows })
}

fn sample(name: &str, path: Path, tally: &Tally, begin: &Reading, end: &Reading) -> Sample {
    let seconds = (end.at - begin.at).as_secs_f64().max(1e-9);
    let requests = end.ended.saturating_sub(begin.ended).max(1) as f64;
    let each_us = |end: Option<Duration>, begin: Option<Duration>| {
        let used = end.zip(begin).map(|(end, begin)| end.saturating_sub(begin));
        used.map(|used| used.as_secs_f64() * 1e6 / requests)
    };
    let rows = end.rows.zip(begin.rows).map(|(end, begin)| end.saturating_sub(begin));
    Sample {
        contender: name.to_owned(),
        path,
        round: 0,
        per_second: tally.per_second(),
        latency_ms: tally.latency.ms(),
        errors: tally.all.errors(),
        cpu_us_per_request: each_us(end.cpu, begin.cpu),
        load_us_per_request: each_us(end.own_cpu, begin.own_cpu),
        rows_per_second: rows.map(|rows| rows as f64 / seconds),
        wrk_per_second: None,
    }
}
