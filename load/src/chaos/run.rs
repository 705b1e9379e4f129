//! One run from beginning to end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::RwLock;

use super::arena::Arena;
use super::checker::{CLOCK_SLACK_MS, Evidence, Violation, judge};
use super::clock::Clock;
use super::config::{Config, Length};
use super::crowd::{self, Crowd};
use super::history::History;
use super::injector::{Injected, inject};
use super::operator::Operator;
use super::planted;
use super::recovery::Probe;
use super::report::Report;
use super::schedule::Schedule;
use super::{end, faults, probe, settle, truth};
use crate::fleet::services::missing_programs;
use crate::target::Target;

/// Members ask undisturbed for this long before the first fault and between two.
const REST: Duration = Duration::from_millis(800);
/// The fault after which RabbitMQ must have had time to write down its queues.
const NEEDS_SETTLED_QUEUES: &str = "rabbitmq-killed";

/// Why there was no run. Each is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ChaosError {
    /// The machine lacks something.
    #[error("not installed here: {0}; scripts/test installs what it needs")]
    Missing(String),
    /// There is no such fault.
    #[error("there is no fault {0}: see --list-faults")]
    NoSuchFault(String),
    /// The surroundings are wrong.
    #[error("{0}")]
    Surroundings(String),
    /// A file cannot be written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Runs it, and says what was seen. `tell` is given a line whenever there is news.
///
/// # Errors
/// [`ChaosError`] if it cannot be run. Broken promises are no error: they are in the report.
///
/// # Panics
/// When a service does not start or stop, which is no matter of openrun's.
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
    tell("services and nodes are starting");
    let mut arena = Arena::start(&config).await.map_err(ChaosError::Surroundings)?;
    let mut stage = Stage::set(&config, &arena, &folder)?;
    arena.crowd = Some(Arc::clone(&stage.crowd));
    if !stage.operator.begin().await {
        return Err(ChaosError::Surroundings("the first coupons cannot be created".to_owned()));
    }
    if faults.iter().any(|fault| fault.name == NEEDS_SETTLED_QUEUES) {
        arena.let_the_queues_settle().await;
    }
    let mut probe = Probe::new(Arc::clone(&stage.crowd), config.patience);
    if probe.until_all_serve().await.is_none() {
        return Err(ChaosError::Surroundings("the nodes do not serve, with nothing broken yet".to_owned()));
    }
    let report = stage.play(&config, &mut arena, Schedule::new(faults, config.seed), probe, &tell).await?;
    if !report.judgement.violations.is_empty() || config.keep.is_some() {
        arena.keep_logs(&folder.path);
        let path = folder.keep();
        return Ok(Report { kept: Some(path), ..report });
    }
    Ok(report)
}

/// Who acts in a run.
struct Stage {
    crowd: Arc<Crowd>,
    operator: Operator,
    calm: Arc<RwLock<()>>,
}

impl Stage {
    fn set(config: &Config, arena: &Arena, folder: &Folder) -> Result<Self, ChaosError> {
        let path = folder.path.join("history.jsonl");
        let history = History::create(&path).map_err(|source| ChaosError::File { path, source })?;
        let targets = arena.nodes.iter().map(|node| Target::from(node.address())).collect();
        let crowd = Arc::new(Crowd::new(Clock::start(), Arc::new(history), targets, config.think));
        let calm = Arc::<RwLock<()>>::default();
        let operator = Operator::new(Arc::clone(&crowd), config.seed, Arc::clone(&calm));
        Ok(Self { crowd, operator, calm })
    }

    async fn play(
        self,
        config: &Config,
        arena: &mut Arena,
        mut schedule: Schedule,
        mut probe: Probe,
        tell: &impl Fn(&str),
    ) -> Result<Report, ChaosError> {
        let Self { crowd, operator, calm } = self;
        let mut clients = crowd::start(&crowd, config.clients, config.seed);
        let operating = tokio::spawn(operator.run());
        let begun = Instant::now();
        let mut injected = Vec::new();
        loop {
            tokio::time::sleep(REST).await;
            let is_over = match config.length {
                Length::Once => injected.len() >= schedule.len(),
                Length::For(time) => begun.elapsed() >= time,
            };
            let Some(turn) = schedule.next().filter(|_| !is_over) else { break };
            tell(&format!("{}: {}", turn.fault.name, turn.fault.about));
            let done = inject(arena, turn, &mut probe, &calm, config.patience).await;
            tell(&news(&done, &crowd));
            injected.push(done);
        }
        crowd.stop();
        while clients.join_next().await.is_some() {}
        let _operated = operating.await;
        tell("nobody asks any more; what is open is asked again, and everything has to arrive");
        let mut violations = end::ask_again(&crowd, config.patience).await;
        settle::until_still(arena, config.settle_limit).await;
        violations.append(&mut arena.seen);
        violations.extend(slow(config, &injected));
        let evidence = evidence(arena, &crowd, &injected, config.settle_limit).await;
        let evidence = evidence.map_err(ChaosError::Surroundings)?;
        let mut judgement = judge(&evidence);
        violations.append(&mut judgement.violations);
        judgement.violations = violations;
        if let Some(warning) = strayed(evidence.strayed_ms) {
            tell(&warning);
        }
        Ok(Report::new(
            config,
            &crowd.history.tally(),
            injected,
            evidence.rows.len(),
            judgement,
            begun.elapsed(),
        ))
    }
}

fn news(done: &Injected, crowd: &Crowd) -> String {
    let seconds = |ms: Option<u64>| ms.map_or("never".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1e3));
    let tally = crowd.history.tally();
    match (&done.skipped, &done.trouble) {
        (Some(why), _) => format!("  skipped: {why}"),
        (None, trouble) => format!(
            "  broken for {:.1} s; all serve after {}, all arrived after {}; {} operations, {} open{}",
            (done.to_us - done.from_us) as f64 / 1e6,
            seconds(done.recovery_ms),
            seconds(done.arrival_ms),
            tally.operations,
            tally.open,
            trouble.as_ref().map(|why| format!("; trouble: {why}")).unwrap_or_default()
        ),
    }
}

/// Recoveries that took too long, or never came.
fn slow(config: &Config, injected: &[Injected]) -> Vec<Violation> {
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

/// A step of the calendar, if it was larger than what two clocks may differ by anyhow.
fn strayed(by_ms: u64) -> Option<String> {
    let what = "somebody set the clock of this computer, and questions that hang on less were left open";
    (by_ms > CLOCK_SLACK_MS).then(|| format!("by {by_ms} ms {what}"))
}

async fn evidence(
    arena: &Arena,
    crowd: &Crowd,
    injected: &[Injected],
    bound: Duration,
) -> Result<Evidence, String> {
    let (conflicts, dead_letters) = truth::put_aside(arena, bound).await?;
    Ok(Evidence {
        ops: crowd.history.ops(),
        started_at_ms: crowd.clock.started_at_ms(),
        strayed_ms: crowd.clock.strayed_ms(),
        rows: truth::rows(arena).await?,
        conflicts,
        dead_letters,
        planted_conflicts: arena.planted.conflicts.clone(),
        planted_poison: arena.planted.poison.clone(),
        faults_us: injected.iter().map(|done| (done.from_us, done.to_us)).collect(),
    })
}

/// Where the history goes: a folder that was named, or one that is removed unless something was broken.
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
