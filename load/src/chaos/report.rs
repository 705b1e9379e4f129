//! The report of a run, as text and JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::checker::Judgement;
use super::config::Config;
use super::history::Tally;
use super::injector::Injected;
use crate::format::thousands;

/// Upper limit of violations printed in full.
const NAMED: usize = 20;

/// The longest time, and its fault.
#[derive(Clone, Debug, Serialize)]
pub struct Slowest {
    pub fault: &'static str,
    pub ms: u64,
}

/// Figures of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Seed of the order of faults.
    pub seed: u64,
    pub nodes: usize,
    /// From the first request to the end of the checks.
    pub seconds: u64,
    /// Number of injected faults of each kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Skipped faults, with reasons.
    pub skipped: BTreeMap<&'static str, String>,
    /// Requests of members and operators.
    pub operations: u64,
    /// Requests with a definite outcome.
    pub answered: u64,
    /// Requests with an unknown outcome. Each was repeated, at the latest at the end.
    pub unknown: u64,
    /// Issuances in the database at the end.
    pub rows: usize,
    /// Longest time until every node served again.
    pub slowest_recovery: Option<Slowest>,
    /// Longest time until every issuance was in the database.
    pub slowest_arrival: Option<Slowest>,
    /// Result of the checker, and violations found during the run.
    pub judgement: Judgement,
    /// Every fault, in order.
    pub injected: Vec<Injected>,
    /// Folder of history and logs, if they were kept.
    pub kept: Option<PathBuf>,
}

impl Report {
    pub(super) fn new(
        config: &Config,
        tally: &Tally,
        injected: Vec<Injected>,
        rows: usize,
        judgement: Judgement,
        took: Duration,
    ) -> Self {
        let (mut faults, mut skipped) = (BTreeMap::new(), BTreeMap::new());
        for done in &injected {
            match &done.skipped {
                Some(why) => drop(skipped.insert(done.fault, why.clone())),
                None => *faults.entry(done.fault).or_default() += 1,
            }
        }
        Self {
            seed: config.seed,
            nodes: config.nodes,
            seconds: took.as_secs(),
            faults,
            skipped,
            operations: tally.operations,
            answered: tally.answered,
            unknown: tally.open,
            rows,
            slowest_recovery: slowest(&injected, |done| done.recovery_ms),
            slowest_arrival: slowest(&injected, |done| done.arrival_ms),
            judgement,
            injected,
            kept: None,
        }
    }

    /// Whether no invariant was violated.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.judgement.violations.is_empty()
    }

    /// Writes the report as text.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let count: u64 = self.faults.values().sum();
        writeln!(out, "seed {}, {} nodes, {} s", self.seed, self.nodes, self.seconds)?;
        let kinds: Vec<_> = self.faults.iter().map(|(fault, count)| format!("{fault} {count}")).collect();
        writeln!(out, "faults injected   {count} ({})", kinds.join(", "))?;
        for (fault, why) in &self.skipped {
            writeln!(out, "skipped           {fault}: {why}")?;
        }
        let troubled = self.injected.iter().filter_map(|done| Some((done.fault, done.trouble.as_ref()?)));
        for (fault, why) in troubled {
            writeln!(out, "trouble           {fault}: {why}")?;
        }
        writeln!(out, "operations        {}", thousands(self.operations))?;
        writeln!(out, "answered          {}", thousands(self.answered))?;
        writeln!(out, "unknown outcomes  {} (each requested again)", thousands(self.unknown))?;
        writeln!(out, "rows              {}", thousands(self.rows as u64))?;
        let liveness = self.judgement.sold_out_during_faults;
        writeln!(
            out,
            "sold out during faults  {} rejected; {} not now, {} no answer",
            thousands(liveness.sold_out),
            thousands(liveness.not_now),
            thousands(liveness.no_answer)
        )?;
        line(out, "slowest recovery  ", self.slowest_recovery.as_ref())?;
        line(out, "slowest arrival   ", self.slowest_arrival.as_ref())?;
        self.write_violations(out)
    }

    fn write_violations(&self, out: &mut impl Write) -> io::Result<()> {
        let violations = &self.judgement.violations;
        writeln!(out, "violations        {}", violations.len())?;
        let mut promises: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for violation in violations {
            promises.entry(violation.promise).or_default().push(&violation.what);
        }
        // A few of each invariant, so that a thousand violations of one do not hide the others.
        let each = NAMED.div_ceil(promises.len().max(1));
        for (promise, broken) in &promises {
            writeln!(out, "  {promise}: {}", broken.len())?;
            for what in broken.iter().take(each) {
                writeln!(out, "    {what}")?;
            }
        }
        if let Some(kept) = &self.kept {
            writeln!(out, "history and logs are in {}", kept.display())?;
        }
        Ok(())
    }
}

fn line(out: &mut impl Write, name: &str, slowest: Option<&Slowest>) -> io::Result<()> {
    match slowest {
        Some(Slowest { fault, ms }) => writeln!(out, "{name}{:.1} s, after {fault}", *ms as f64 / 1e3),
        None => writeln!(out, "{name}not measured"),
    }
}

fn slowest(injected: &[Injected], time: impl Fn(&Injected) -> Option<u64>) -> Option<Slowest> {
    let done = injected.iter().filter(|done| done.skipped.is_none());
    let times = done.filter_map(|done| Some(Slowest { fault: done.fault, ms: time(done)? }));
    times.max_by_key(|slowest| slowest.ms)
}
