//! A run from beginning to end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::RwLock;

use super::checker::{CLOCK_SLACK_MS, Evidence, Violation, judge};
use super::clients::{self, Clients};
use super::clock::Clock;
use super::config::{Config, Length};
use super::history::History;
use super::injector::{Injected, inject};
use super::operator::Operator;
use super::planted;
use super::recovery::Probe;
use super::report::Report;
use super::schedule::Schedule;
use super::testbed::TestBed;
use super::{end, faults, probe, settle, truth};
use crate::fleet::services::missing_programs;
use crate::target::Target;

/// Time without a fault, before the first one and between two.
const REST: Duration = Duration::from_millis(800);
/// The fault that needs durable queues.
const NEEDS_DURABLE_QUEUES: &str = "rabbitmq-killed";

/// Reason for which there was no run, as one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ChaosError {
    /// A program is not installed.
    #[error("not installed here: {0}; scripts/test installs what it needs")]
    Missing(String),
    #[error("there is no fault {0}: see --list-faults")]
    NoSuchFault(String),
    /// Services or nodes cannot be started.
    #[error("{0}")]
    Surroundings(String),
    /// Writing a file failed.
    #[error("{path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
}

/// Runs the scenario. `tell` gets a line for each step.
///
/// # Errors
/// [`ChaosError`] if the run is impossible. Violations are no error: they are in the report.
///
/// # Panics
/// If a service does not start or stop, which is no fault of openrun.
pub async fn run(config: Config, tell: impl Fn(&str)) -> Result<Report, ChaosError> {
    let missing = missing_programs();
    if !missing.is_empty() {
        return Err(ChaosError::Missing(missing.join(", ")));
    }
    let faults = faults::named(&config.faults).map_err(ChaosError::NoSuchFault)?;
    probe::is_openrun(&config.openrun).await.map_err(ChaosError::Surroundings)?;
    if config.settings.iter().any(|(name, _)| name == planted::SETTING) {
        probe::plants(&config.openrun).await.map_err(ChaosError::Surroundings)?;
    }
    let folder = Folder::open(config.keep.as_deref())?;
    tell("starting services and nodes");
    let mut testbed = TestBed::start(&config).await.map_err(ChaosError::Surroundings)?;
    let mut stage = Stage::set(&config, &testbed, &folder)?;
    testbed.clients = Some(Arc::clone(&stage.clients));
    if !stage.operator.create_first().await {
        return Err(ChaosError::Surroundings("the first coupons cannot be created".to_owned()));
    }
    if faults.iter().any(|fault| fault.name == NEEDS_DURABLE_QUEUES) {
        testbed.make_queues_durable().await;
    }
    let mut probe = Probe::new(Arc::clone(&stage.clients), config.patience);
    if probe.until_all_serve().await.is_none() {
        return Err(ChaosError::Surroundings("the nodes do not serve before the first fault".to_owned()));
    }
    let report = stage.play(&config, &mut testbed, Schedule::new(faults, config.seed), probe, &tell).await?;
    if !report.judgement.violations.is_empty() || config.keep.is_some() {
        testbed.keep_logs(&folder.path);
        let path = folder.keep();
        return Ok(Report { kept: Some(path), ..report });
    }
    Ok(report)
}

/// The participants of a run.
struct Stage {
    clients: Arc<Clients>,
    operator: Operator,
    calm: Arc<RwLock<()>>,
}

impl Stage {
    fn set(config: &Config, testbed: &TestBed, folder: &Folder) -> Result<Self, ChaosError> {
        let path = folder.path.join("history.jsonl");
        let history = History::create(&path).map_err(|source| ChaosError::File { path, source })?;
        let targets = testbed.nodes.iter().map(|node| Target::from(node.address())).collect();
        let clients = Arc::new(Clients::new(Clock::start(), Arc::new(history), targets, config.think));
        let calm = Arc::<RwLock<()>>::default();
        let operator = Operator::new(Arc::clone(&clients), config.seed, Arc::clone(&calm));
        Ok(Self { clients, operator, calm })
    }

    async fn play(
        self,
        config: &Config,
        testbed: &mut TestBed,
        mut schedule: Schedule,
        mut probe: Probe,
        tell: &impl Fn(&str),
    ) -> Result<Report, ChaosError> {
        let Self { clients, operator, calm } = self;
        let mut running = clients::start(&clients, config.clients, config.seed);
        let operating = tokio::spawn(operator.run());
        let started = Instant::now();
        let mut injected = Vec::new();
        loop {
            tokio::time::sleep(REST).await;
            let is_over = match config.length {
                Length::Once => injected.len() >= schedule.len(),
                Length::For(time) => started.elapsed() >= time,
            };
            let Some(turn) = schedule.next().filter(|_| !is_over) else { break };
            tell(&format!("{}: {}", turn.fault.name, turn.fault.about));
            let done = inject(testbed, turn, &mut probe, &calm, config.patience).await;
            tell(&summary(&done, &clients));
            injected.push(done);
        }
        clients.stop();
        while running.join_next().await.is_some() {}
        let _operated = operating.await;
        tell("members stop; unknown outcomes are requested again, and all issuances have to arrive");
        let mut violations = end::request_again(&clients, config.patience).await;
        settle::until_idle(testbed, config.settle_limit).await;
        violations.append(&mut testbed.violations);
        violations.extend(late_recoveries(config, &injected));
        let evidence = evidence(testbed, &clients, &injected, config.settle_limit).await;
        let evidence = evidence.map_err(ChaosError::Surroundings)?;
        let mut judgement = judge(&evidence);
        violations.append(&mut judgement.violations);
        judgement.violations = violations;
        if let Some(warning) = clock_warning(evidence.clock_step_ms) {
            tell(&warning);
        }
        Ok(Report::new(
            config,
            &clients.history.tally(),
            injected,
            evidence.rows.len(),
            judgement,
            started.elapsed(),
        ))
    }
}

fn summary(done: &Injected, clients: &Clients) -> String {
    let seconds = |ms: Option<u64>| ms.map_or("never".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1e3));
    let tally = clients.history.tally();
    match (&done.skipped, &done.trouble) {
        (Some(why), _) => format!("  skipped: {why}"),
        (None, trouble) => format!(
            "  broken for {:.1} s; all nodes serve after {}, all issuances arrived after {}; {} requests, {} unknown{}",
            (done.to_us - done.from_us) as f64 / 1e6,
            seconds(done.recovery_ms),
            seconds(done.arrival_ms),
            tally.operations,
            tally.open,
            trouble.as_ref().map(|why| format!("; trouble: {why}")).unwrap_or_default()
        ),
    }
}

/// Violations by recoveries that exceeded the limit.
fn late_recoveries(config: &Config, injected: &[Injected]) -> Vec<Violation> {
    let limit = config.recovery_limit.as_millis();
    let late = injected.iter().filter(|done| done.recovery_ms.is_none_or(|ms| u128::from(ms) > limit));
    late.map(|done| {
        let took = done.recovery_ms.map_or("not at all".to_owned(), |ms| format!("after {ms} ms"));
        let what = format!(
            "after {} at {:.1} s all nodes served again {took}",
            done.fault,
            done.from_us as f64 / 1e6
        );
        Violation::new("recovery_in_time", what)
    })
    .collect()
}

/// Warns about a step of the system clock that exceeds the usual tolerance.
fn clock_warning(step_ms: u64) -> Option<String> {
    let what = "the checker tolerates time differences up to it";
    (step_ms > CLOCK_SLACK_MS)
        .then(|| format!("the system clock was set by {step_ms} ms during the run; {what}"))
}

async fn evidence(
    testbed: &TestBed,
    clients: &Clients,
    injected: &[Injected],
    bound: Duration,
) -> Result<Evidence, String> {
    let (conflicts, dead_letters) = truth::set_aside(testbed, bound).await?;
    Ok(Evidence {
        ops: clients.history.ops(),
        started_at_ms: clients.clock.started_at_ms(),
        clock_step_ms: clients.clock.clock_step_ms(),
        rows: truth::rows(testbed).await?,
        conflicts,
        dead_letters,
        planted_conflicts: testbed.planted.conflicts.clone(),
        planted_poison: testbed.planted.poison.clone(),
        faults_us: injected.iter().map(|done| (done.from_us, done.to_us)).collect(),
    })
}

/// Folder of the history: a given one, or a temporary one that is kept after a violation.
struct Folder {
    path: PathBuf,
    temporary: Option<tempfile::TempDir>,
}

impl Folder {
    fn open(named: Option<&Path>) -> Result<Self, ChaosError> {
        let file = |path: &Path, source| ChaosError::File { path: path.to_owned(), source };
        if let Some(path) = named {
            std::fs::create_dir_all(path).map_err(|source| file(path, source))?;
            return Ok(Self { path: path.to_owned(), temporary: None });
        }
        let temporary = tempfile::Builder::new().prefix("openrun-chaos-").tempdir();
        let temporary = temporary.map_err(|source| file(&std::env::temp_dir(), source))?;
        Ok(Self { path: temporary.path().to_owned(), temporary: Some(temporary) })
    }

    fn keep(self) -> PathBuf {
        self.temporary.map_or(self.path, tempfile::TempDir::keep)
    }
}
