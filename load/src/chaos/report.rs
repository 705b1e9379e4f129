//! What a run was like, for a person and for a program.

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

/// How many broken promises are told in full.
const NAMED: usize = 20;

/// A time, and the fault after which it was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Slowest {
    /// The fault's name.
    pub fault: &'static str,
    /// Milliseconds.
    pub ms: u64,
}

/// The figures of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// By which the faults were chosen.
    pub seed: u64,
    /// How many nodes there were.
    pub nodes: usize,
    /// From the first question to the last fault's end, and what came after.
    pub seconds: u64,
    /// How many faults of each kind were done.
    pub faults: BTreeMap<&'static str, u64>,
    /// Faults that could not be done here, and why.
    pub skipped: BTreeMap<&'static str, String>,
    /// Questions of members and operators.
    pub operations: u64,
    /// Those with an answer.
    pub answered: u64,
    /// Those whose outcome stayed open: each was asked again, at the latest at the end.
    pub unknown: u64,
    /// Issuances in the database at the end.
    pub rows: usize,
    /// Until every node served again.
    pub slowest_recovery: Option<Slowest>,
    /// Until everything that had been told was in the database.
    pub slowest_arrival: Option<Slowest>,
    /// What the checker says, and what was seen on the way.
    pub judgement: Judgement,
    /// Every fault, in order.
    pub injected: Vec<Injected>,
    /// Where history and logs are, if they were kept.
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

    /// Whether every promise was kept.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.judgement.violations.is_empty()
    }

    /// Writes it for a person.
    ///
    /// # Errors
    /// Of the writer.
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
        writeln!(out, "unknown outcomes  {} (each asked again)", thousands(self.unknown))?;
        writeln!(out, "rows              {}", thousands(self.rows as u64))?;
        let heard = self.judgement.sold_out_during_faults;
        writeln!(
            out,
            "sold out, said during faults  {}; not now {}, no answer {}",
            thousands(heard.sold_out),
            thousands(heard.not_now),
            thousands(heard.no_answer)
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
        // The first of each, so that one promise broken a thousand times hides no other.
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
        None => writeln!(out, "{name}none was measured"),
    }
}

fn slowest(injected: &[Injected], time: impl Fn(&Injected) -> Option<u64>) -> Option<Slowest> {
    let done = injected.iter().filter(|done| done.skipped.is_none());
    let times = done.filter_map(|done| Some(Slowest { fault: done.fault, ms: time(done)? }));
    times.max_by_key(|slowest| slowest.ms)
}
