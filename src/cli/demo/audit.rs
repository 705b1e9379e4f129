//! Compares the rows in the database after the race with the answers that the members received.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use openrun_load::{RaceReport, format};

use crate::bootstrap::Backend;
use crate::cli::args::DemoArgs;
use crate::cli::failure::Failure;
use crate::domain::{CouponId, IssuedCoupon, Sequence};
use crate::ports::StoreError;

/// How long the audit waits until the database has every answered issuance.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const PAGE_ROWS: u32 = 5_000;
/// Differences that are listed one by one; further ones are counted.
const LISTED_MAX: usize = 5;

pub(super) struct Audit {
    pub(super) rows: Vec<IssuedCoupon>,
    /// Time from the last answer until the database had every answered issuance.
    arrived_after: Duration,
}

impl Audit {
    /// Waits until the answered issuances are in the database or the timeout passes, then reads every row.
    pub(super) async fn of(backend: &Backend, coupon: &CouponId, race: &RaceReport) -> Result<Self, Failure> {
        let last: Sequence = race.issued_answers.iter().map(|answer| answer.sequence).max().unwrap_or(0);
        let start = Instant::now();
        let unreadable = |error: StoreError| {
            Failure::Refused(format!("the database cannot be read after the race: {error}"))
        };
        let mut watermark = 0;
        while watermark < last && start.elapsed() < ARRIVAL_TIMEOUT {
            watermark = backend.store.watermark(coupon, watermark).await.map_err(unreadable)?;
            if watermark < last {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
        let arrived_after = start.elapsed();
        let mut rows: Vec<IssuedCoupon> = Vec::new();
        loop {
            let after = rows.last().map_or(0, |row| row.sequence);
            let page = backend.store.list(coupon, after, PAGE_ROWS).await.map_err(unreadable)?;
            if page.is_empty() {
                return Ok(Self { rows, arrived_after });
            }
            rows.extend(page);
        }
    }

    pub(super) fn distinct_members(&self) -> usize {
        self.rows.iter().map(|row| &row.member_id).collect::<HashSet<_>>().len()
    }

    /// Rows beyond the stock.
    pub(super) fn oversold(&self, stock: u32) -> usize {
        self.rows.len().saturating_sub(stock as usize)
    }

    /// Rows beyond one per member.
    pub(super) fn duplicates(&self) -> usize {
        self.rows.len() - self.distinct_members()
    }

    /// Every broken invariant, as a sentence.
    pub(super) fn violations(&self, args: &DemoArgs, race: &RaceReport) -> Vec<String> {
        let mut found = Vec::new();
        let (oversold, duplicates) = (self.oversold(args.stock), self.duplicates());
        if oversold > 0 {
            found.push(format!("{oversold} rows more than coupons exist"));
        }
        if duplicates > 0 {
            found.push(format!("{duplicates} rows more than one per member"));
        }
        let expected = u64::from(args.stock).min(args.members);
        if (self.rows.len() as u64) < expected && race.gave_up == 0 {
            let rows = self.rows.len();
            found.push(format!(
                "only {rows} of {expected} coupons were issued, although members requested them all"
            ));
        }
        let dense = (1..).zip(&self.rows).all(|(expected, row): (Sequence, _)| row.sequence == expected);
        if !dense {
            found.push("the sequences in the database have gaps".to_owned());
        }
        found.extend(self.differences(race));
        found
    }

    /// Answers that have no row with the same sequence and code.
    fn differences(&self, race: &RaceReport) -> Vec<String> {
        let rows: HashMap<&str, &IssuedCoupon> =
            self.rows.iter().map(|row| (row.member_id.as_str(), row)).collect();
        let differs = |answer: &&openrun_load::IssuedAnswer| {
            let row = rows.get(answer.member_id.as_str());
            !row.is_some_and(|row| row.sequence == answer.sequence && row.code.as_str() == answer.code)
        };
        let lost: Vec<_> = race.issued_answers.iter().filter(differs).collect();
        let sentence = |answer: &&openrun_load::IssuedAnswer| {
            format!("{} received coupon {}, which the database lacks", answer.member_id, answer.sequence)
        };
        let mut found: Vec<String> = lost.iter().take(LISTED_MAX).map(sentence).collect();
        if lost.len() > LISTED_MAX {
            found.push(format!("and {} more of these", lost.len() - LISTED_MAX));
        }
        found
    }

    pub(super) fn write(&self, out: &mut impl io::Write, stock: u32) -> io::Result<()> {
        let count = |count: usize| format::thousands(count as u64);
        writeln!(out, "\nThe database says ({} after the last answer):", format::human(self.arrived_after))?;
        writeln!(out, "{:>13}  issued of {}", count(self.rows.len()), format::thousands(u64::from(stock)))?;
        writeln!(out, "{:>13}  oversold", count(self.oversold(stock)))?;
        writeln!(out, "{:>13}  duplicates\n", count(self.duplicates()))
    }
}
