//! The scenario `outage`: members arrive at a steady rate, PostgreSQL is stopped for minutes, and the members' answers
//! during the outage are compared with those before.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::config::Config;
use super::run::ChaosError;
use super::testbed::TestBed;
use super::truth;
use crate::api::{Answer, IssueRequests};
use crate::connection::Connection;
use crate::latency::{Latency, LatencyMs};
use crate::target::Target;

const COUPON: &str = "outage";
/// More than all members together request.
const TOTAL: u32 = 50_000_000;
/// Connections that share the rate.
const CONNECTIONS: u32 = 32;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(250);
/// Bound of waiting for all issuances to arrive.
const ARRIVAL_BOUND: Duration = Duration::from_secs(600);
/// Permitted time to write the backlog after the database is back.
const WRITTEN_WITHIN: Duration = Duration::from_secs(60);
/// Before, during and after the outage.
const PHASES: usize = 3;

/// Settings of a run.
#[derive(Clone, Debug)]
pub struct OutageConfig {
    pub openrun: std::path::PathBuf,
    pub rate: u32,
    /// Duration of the outage.
    pub outage: Duration,
    /// Duration of the time before and of the time after.
    pub calm: Duration,
    pub nodes: usize,
}

/// The answers of one phase. Latencies count from the scheduled time of the request.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Phase {
    pub issued: u64,
    /// Members with another answer, or none.
    pub others: u64,
    pub latency_ms: LatencyMs,
}

/// Result of a run.
#[derive(Clone, Debug, Serialize)]
pub struct OutageReport {
    pub before: Phase,
    pub during: Phase,
    pub after: Phase,
    /// Issuances that were not in the database when it came back.
    pub backlog: u64,
    /// Time until they were, in seconds.
    pub written_after_s: f64,
    /// Issued answers without their row at the end.
    pub lost: u64,
    pub rows: u64,
}

impl OutageReport {
    /// Whether no issuance was lost, every member got a coupon, and the backlog was written in time.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.during.others == 0 && self.written_after_s <= WRITTEN_WITHIN.as_secs_f64()
    }
}

/// State shared by all connections.
struct Shared {
    phase: AtomicUsize,
    over: AtomicBool,
    next_member: AtomicU64,
    phases: Mutex<[(u64, u64, Latency); PHASES]>,
    /// Sequence and code by member.
    issued: Mutex<HashMap<u64, (u32, String)>>,
}

impl Shared {
    fn count_issued(&self) -> u64 {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    fn record(&self, phase: usize, took: Duration, issued: Option<(u64, u32, String)>) {
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        let (issues, others, latency) = &mut phases[phase];
        latency.record(took);
        let Some((member, sequence, code)) = issued else {
            *others += 1;
            return;
        };
        *issues += 1;
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).insert(member, (sequence, code));
    }

    fn report(&self, phase: usize) -> Phase {
        let phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        let (issued, others, latency) = &phases[phase];
        Phase { issued: *issued, others: *others, latency_ms: latency.ms() }
    }
}

/// Runs the scenario.
///
/// # Errors
/// [`ChaosError`] names the reason for which this machine cannot run it.
pub async fn run(config: &OutageConfig, say: impl Fn(&str)) -> Result<OutageReport, ChaosError> {
    let mut fleet = Config::new(config.openrun.clone(), 1);
    fleet.nodes = config.nodes;
    fleet.small_disk = false;
    let mut testbed = TestBed::start(&fleet).await.map_err(ChaosError::Surroundings)?;
    create_coupon(&testbed).await.map_err(ChaosError::Surroundings)?;
    let shared = Arc::new(Shared {
        phase: AtomicUsize::new(0),
        over: AtomicBool::new(false),
        next_member: AtomicU64::new(0),
        phases: Mutex::default(),
        issued: Mutex::default(),
    });
    let mut connections = JoinSet::new();
    for index in 0..CONNECTIONS {
        let node = testbed.nodes[index as usize % testbed.nodes.len()].address();
        connections.spawn(drive(Arc::clone(&shared), Target::from(node), index, config.rate));
    }
    say("members arrive; all services run");
    tokio::time::sleep(config.calm).await;
    say("PostgreSQL is stopped: outage begins");
    testbed.postgres.stop().await;
    shared.phase.store(1, Ordering::SeqCst);
    tokio::time::sleep(config.outage).await;
    say("PostgreSQL is restarted: outage ends");
    testbed.postgres.restart().await;
    let back = Instant::now();
    shared.phase.store(2, Ordering::SeqCst);
    let issued = shared.count_issued();
    let backlog = issued.saturating_sub(rows(&testbed).await.map_err(ChaosError::Surroundings)?);
    let written_after_s =
        until_rows(&testbed, issued, back).await.map_err(ChaosError::Surroundings)?.as_secs_f64();
    say(&format!("the backlog of {backlog} issuances was written after {written_after_s:.1} s"));
    tokio::time::sleep(config.calm.saturating_sub(back.elapsed())).await;
    shared.over.store(true, Ordering::SeqCst);
    while connections.join_next().await.is_some() {}
    until_rows(&testbed, shared.count_issued(), Instant::now()).await.map_err(ChaosError::Surroundings)?;
    let (rows, lost) = compare(&testbed, &shared).await.map_err(ChaosError::Surroundings)?;
    let [before, during, after] = [0, 1, 2].map(|phase| shared.report(phase));
    Ok(OutageReport { before, during, after, backlog, written_after_s, lost, rows })
}

async fn create_coupon(testbed: &TestBed) -> Result<(), String> {
    let node = testbed.nodes.first().ok_or("there is no node")?;
    let target = Target::from(node.address());
    let body = serde_json::json!({ "id": COUPON, "total": TOTAL }).to_string();
    let request = Request::post("/v1/coupons")
        .header(HOST, target.host().clone())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(body))
        .map_err(|error| error.to_string())?;
    let reply = Connection::new(target, REQUEST_TIMEOUT).send(request).await;
    let reply = reply.map_err(|error| error.to_string())?;
    if reply.status == StatusCode::CREATED {
        Ok(())
    } else {
        Err(format!("the coupon cannot be created: {}", reply.status))
    }
}

/// Sends requests on one connection at scheduled times, regardless of late answers.
async fn drive(shared: Arc<Shared>, target: Target, index: u32, rate: u32) {
    let Ok(requests) = IssueRequests::new(&target, COUPON, "m") else { return };
    let mut connection = Connection::new(target, REQUEST_TIMEOUT);
    let period = Duration::from_secs_f64(f64::from(CONNECTIONS) / f64::from(rate.max(1)));
    let begin = tokio::time::Instant::now() + period.mul_f64(f64::from(index) / f64::from(CONNECTIONS));
    let mut moments = tokio::time::interval_at(begin, period);
    // A late request is sent at once: its delay counts as the member's latency.
    moments.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while !shared.over.load(Ordering::SeqCst) {
        let scheduled = moments.tick().await;
        let phase = shared.phase.load(Ordering::SeqCst);
        let member = shared.next_member.fetch_add(1, Ordering::SeqCst);
        let reply = connection.send(requests.for_member(member)).await;
        let issued = reply.ok().and_then(|reply| match Answer::parse(&reply) {
            Answer::Issued(issuance) | Answer::Repeated(issuance) => {
                Some((member, issuance.sequence, issuance.code.into_owned()))
            }
            _ => None,
        });
        shared.record(phase, scheduled.elapsed(), issued);
    }
}

async fn rows(testbed: &TestBed) -> Result<u64, String> {
    let count = testbed.sql(super::testbed::DATABASE, "SELECT count(*) FROM coupon_issuances").await?;
    count.parse().map_err(|_| format!("PostgreSQL counts {count:?}"))
}

/// Waits until there are `count` rows; returns the time since `since`.
async fn until_rows(testbed: &TestBed, count: u64, since: Instant) -> Result<Duration, String> {
    let deadline = Instant::now() + ARRIVAL_BOUND;
    loop {
        let there = rows(testbed).await?;
        if there >= count {
            return Ok(since.elapsed());
        }
        if Instant::now() >= deadline {
            return Err(format!("{there} of {count} issuances arrived within {ARRIVAL_BOUND:?}"));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Counts the rows, and the issued answers that have no equal row.
async fn compare(testbed: &TestBed, shared: &Shared) -> Result<(u64, u64), String> {
    let rows = truth::rows(testbed).await?;
    let held: HashMap<&str, (u32, &str)> =
        rows.iter().map(|row| (row.member.as_str(), (row.sequence, row.code.as_str()))).collect();
    let issued = shared.issued.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = |(member, (sequence, code)): (&u64, &(u32, String))| {
        held.get(format!("m{member}").as_str()) == Some(&(*sequence, code.as_str()))
    };
    let lost = issued.iter().filter(|entry| !kept(*entry)).count();
    Ok((rows.len() as u64, lost as u64))
}
