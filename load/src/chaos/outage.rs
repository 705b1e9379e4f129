//! The scenario `outage`: members come at a steady rate, PostgreSQL is stopped for minutes in the middle, and what they
//! noticed of it is compared with the time before.

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

use super::arena::Arena;
use super::config::Config;
use super::run::ChaosError;
use super::truth;
use crate::api::{Answer, IssueRequests};
use crate::connection::Connection;
use crate::latency::{Latency, LatencyMs};
use crate::target::Target;

const COUPON: &str = "outage";
/// More than anybody asks for.
const TOTAL: u32 = 50_000_000;
/// Connections over which the rate is spread.
const LANES: u32 = 32;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(250);
/// How long everything may take to arrive until the run gives up.
const ARRIVAL_BOUND: Duration = Duration::from_secs(600);
/// The promise: what waited is written this soon after the database is back.
const WRITTEN_WITHIN: Duration = Duration::from_secs(60);
/// Before, during and after.
const PHASES: usize = 3;

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub struct OutageConfig {
    /// The binary under test.
    pub openrun: std::path::PathBuf,
    /// Members a second.
    pub rate: u32,
    /// How long PostgreSQL is away.
    pub outage: Duration,
    /// How long the time before and the time after last.
    pub calm: Duration,
    /// How many nodes there are.
    pub nodes: usize,
}

/// What members noticed in one part of the run. Latencies count from the moment at which they meant to ask.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Phase {
    /// Who was told a coupon.
    pub issued: u64,
    /// Who was told anything else, or nothing.
    pub others: u64,
    /// How long it took.
    pub latency_ms: LatencyMs,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct OutageReport {
    /// While everything was there.
    pub before: Phase,
    /// While PostgreSQL was away.
    pub during: Phase,
    /// After it was back.
    pub after: Phase,
    /// Issuances that were not in the database when it came back.
    pub backlog: u64,
    /// How long it took until they were.
    pub written_after_s: f64,
    /// Members told a coupon that is not their row at the end.
    pub lost: u64,
    /// Rows at the end.
    pub rows: u64,
}

impl OutageReport {
    /// Whether nothing was lost, nobody was sent away, and what waited was written in time.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.during.others == 0 && self.written_after_s <= WRITTEN_WITHIN.as_secs_f64()
    }
}

/// What the lanes share.
struct Road {
    phase: AtomicUsize,
    over: AtomicBool,
    next_member: AtomicU64,
    phases: Mutex<[(u64, u64, Latency); PHASES]>,
    /// Member to sequence and code.
    told: Mutex<HashMap<u64, (u32, String)>>,
}

impl Road {
    fn told_so_far(&self) -> u64 {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    fn note(&self, phase: usize, took: Duration, issued: Option<(u64, u32, String)>) {
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        let (issues, others, latency) = &mut phases[phase];
        latency.record(took);
        let Some((member, sequence, code)) = issued else {
            *others += 1;
            return;
        };
        *issues += 1;
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(member, (sequence, code));
    }

    fn report(&self, phase: usize) -> Phase {
        let phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        let (issued, others, latency) = &phases[phase];
        Phase { issued: *issued, others: *others, latency_ms: latency.ms() }
    }
}

/// Runs it to its end.
///
/// # Errors
/// [`ChaosError`] says why this machine cannot run it.
pub async fn run(config: &OutageConfig, say: impl Fn(&str)) -> Result<OutageReport, ChaosError> {
    let mut fleet = Config::new(config.openrun.clone(), 1);
    fleet.nodes = config.nodes;
    fleet.small_disk = false;
    let mut arena = Arena::start(&fleet).await.map_err(ChaosError::Surroundings)?;
    create_coupon(&arena).await.map_err(ChaosError::Surroundings)?;
    let road = Arc::new(Road {
        phase: AtomicUsize::new(0),
        over: AtomicBool::new(false),
        next_member: AtomicU64::new(0),
        phases: Mutex::default(),
        told: Mutex::default(),
    });
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let node = arena.nodes[lane as usize % arena.nodes.len()].address();
        lanes.spawn(drive(Arc::clone(&road), Target::from(node), lane, config.rate));
    }
    say("members come; everything is there");
    tokio::time::sleep(config.calm).await;
    say("PostgreSQL is stopped");
    arena.postgres.stop().await;
    road.phase.store(1, Ordering::SeqCst);
    tokio::time::sleep(config.outage).await;
    say("PostgreSQL comes back");
    arena.postgres.restart().await;
    let back = Instant::now();
    road.phase.store(2, Ordering::SeqCst);
    let told = road.told_so_far();
    let backlog = told.saturating_sub(rows(&arena).await.map_err(ChaosError::Surroundings)?);
    let written_after_s =
        until_rows(&arena, told, back).await.map_err(ChaosError::Surroundings)?.as_secs_f64();
    say(&format!("{backlog} issuances had waited, and were written after {written_after_s:.1} s"));
    tokio::time::sleep(config.calm.saturating_sub(back.elapsed())).await;
    road.over.store(true, Ordering::SeqCst);
    while lanes.join_next().await.is_some() {}
    until_rows(&arena, road.told_so_far(), Instant::now()).await.map_err(ChaosError::Surroundings)?;
    let (rows, lost) = compare(&arena, &road).await.map_err(ChaosError::Surroundings)?;
    let [before, during, after] = [0, 1, 2].map(|phase| road.report(phase));
    Ok(OutageReport { before, during, after, backlog, written_after_s, lost, rows })
}

async fn create_coupon(arena: &Arena) -> Result<(), String> {
    let node = arena.nodes.first().ok_or("there is no node")?;
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

/// One lane: asks at its moments, whether or not the last answer is there in time.
async fn drive(road: Arc<Road>, target: Target, lane: u32, rate: u32) {
    let Ok(requests) = IssueRequests::new(&target, COUPON, "m") else { return };
    let mut connection = Connection::new(target, REQUEST_TIMEOUT);
    let period = Duration::from_secs_f64(f64::from(LANES) / f64::from(rate.max(1)));
    let begin = tokio::time::Instant::now() + period.mul_f64(f64::from(lane) / f64::from(LANES));
    let mut moments = tokio::time::interval_at(begin, period);
    // Who is late asks at once: the wait counts as what the member noticed.
    moments.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while !road.over.load(Ordering::SeqCst) {
        let meant = moments.tick().await;
        let phase = road.phase.load(Ordering::SeqCst);
        let member = road.next_member.fetch_add(1, Ordering::SeqCst);
        let reply = connection.send(requests.for_member(member)).await;
        let issued = reply.ok().and_then(|reply| match Answer::parse(&reply) {
            Answer::Issued(issuance) | Answer::Repeated(issuance) => {
                Some((member, issuance.sequence, issuance.code.into_owned()))
            }
            _ => None,
        });
        road.note(phase, meant.elapsed(), issued);
    }
}

async fn rows(arena: &Arena) -> Result<u64, String> {
    let count = arena.sql(super::arena::DATABASE, "SELECT count(*) FROM coupon_issuances").await?;
    count.parse().map_err(|_| format!("PostgreSQL counts {count:?}"))
}

/// Waits until so many rows are there; gives how long after `since` that was.
async fn until_rows(arena: &Arena, count: u64, since: Instant) -> Result<Duration, String> {
    let deadline = Instant::now() + ARRIVAL_BOUND;
    loop {
        let there = rows(arena).await?;
        if there >= count {
            return Ok(since.elapsed());
        }
        if Instant::now() >= deadline {
            return Err(format!("{there} of {count} issuances arrived within {ARRIVAL_BOUND:?}"));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// How many rows there are, and how many members were told something else.
async fn compare(arena: &Arena, road: &Road) -> Result<(u64, u64), String> {
    let rows = truth::rows(arena).await?;
    let held: HashMap<&str, (u32, &str)> =
        rows.iter().map(|row| (row.member.as_str(), (row.sequence, row.code.as_str()))).collect();
    let told = road.told.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = |(member, (sequence, code)): (&u64, &(u32, String))| {
        held.get(format!("m{member}").as_str()) == Some(&(*sequence, code.as_str()))
    };
    let lost = told.iter().filter(|entry| !kept(*entry)).count();
    Ok((rows.len() as u64, lost as u64))
}
