//! What the database says of the race, compared with what the members were told.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use openrun_load::{RaceReport, format};

use crate::bootstrap::Backend;
use crate::cli::args::DemoArgs;
use crate::cli::failure::Failure;
use crate::domain::{CouponId, IssuedCoupon, Sequence};
use crate::ports::StoreError;

/// How long the database is given to receive what is still on its way.
const ARRIVAL_WITHIN: Duration = Duration::from_secs(60);
/// How often it is asked meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// Rows read at a time.
const PAGE: u32 = 5_000;
/// How many of a kind of violation are named.
const NAMED: usize = 5;

/// The rows of the race.
pub(super) struct Audit {
    pub(super) rows: Vec<IssuedCoupon>,
    /// How long the database needed after the last answer.
    arrived_after: Duration,
}

impl Audit {
    /// Reads every row, once those that members were told of are there or time is up.
    pub(super) async fn of(backend: &Backend, coupon: &CouponId, race: &RaceReport) -> Result<Self, Failure> {
        let told: Sequence = race.issued_answers.iter().map(|told| told.sequence).max().unwrap_or(0);
        let begun = Instant::now();
        let unreadable = |error: StoreError| {
            Failure::Refused(format!("the database cannot be read after the race: {error}"))
        };
        let mut watermark = 0;
        while watermark < told && begun.elapsed() < ARRIVAL_WITHIN {
            watermark = backend.store.watermark(coupon, watermark).await.map_err(unreadable)?;
            if watermark < told {
                tokio::time::sleep(ASK_EVERY).await;
            }
        }
        let arrived_after = begun.elapsed();
        let mut rows: Vec<IssuedCoupon> = Vec::new();
        loop {
            let after = rows.last().map_or(0, |row| row.sequence);
            let page = backend.store.list(coupon, after, PAGE).await.map_err(unreadable)?;
            if page.is_empty() {
                return Ok(Self { rows, arrived_after });
            }
            rows.extend(page);
        }
    }

    pub(super) fn distinct_members(&self) -> usize {
        self.rows.iter().map(|row| &row.member_id).collect::<HashSet<_>>().len()
    }

    /// How many rows there are beyond the stock.
    pub(super) fn oversold(&self, stock: u32) -> usize {
        self.rows.len().saturating_sub(stock as usize)
    }

    /// How many rows there are beyond one a member.
    pub(super) fn duplicates(&self) -> usize {
        self.rows.len() - self.distinct_members()
    }

    /// What breaks the promise, each a sentence.
    pub(super) fn violations(&self, args: &DemoArgs, race: &RaceReport) -> Vec<String> {
        let mut found = Vec::new();
        let (oversold, duplicates) = (self.oversold(args.stock), self.duplicates());
        if oversold > 0 {
            found.push(format!("{oversold} rows more than coupons exist"));
        }
        if duplicates > 0 {
            found.push(format!("{duplicates} rows more than one a member"));
        }
        let wanted = u64::from(args.stock).min(args.members);
        if (self.rows.len() as u64) < wanted && race.gave_up == 0 {
            found.push(format!(
                "only {} of {wanted} coupons were issued though members asked",
                self.rows.len()
            ));
        }
        let dense = (1..).zip(&self.rows).all(|(expected, row): (Sequence, _)| row.sequence == expected);
        if !dense {
            found.push("the sequences in the database have gaps".to_owned());
        }
        found.extend(self.differences(race));
        found
    }

    /// What members were told and the database does not hold just so.
    fn differences(&self, race: &RaceReport) -> Vec<String> {
        let rows: HashMap<&str, &IssuedCoupon> =
            self.rows.iter().map(|row| (row.member_id.as_str(), row)).collect();
        let differs = |told: &&openrun_load::IssuedAnswer| {
            let row = rows.get(told.member_id.as_str());
            !row.is_some_and(|row| row.sequence == told.sequence && row.code.as_str() == told.code)
        };
        let lost: Vec<_> = race.issued_answers.iter().filter(differs).collect();
        let mut found: Vec<String> = lost
            .iter()
            .take(NAMED)
            .map(|told| {
                format!("{} was told of coupon {} which the database lacks", told.member_id, told.sequence)
            })
            .collect();
        if lost.len() > NAMED {
            found.push(format!("and {} more of these", lost.len() - NAMED));
        }
        found
    }

    /// Writes what the database says.
    pub(super) fn write(&self, out: &mut impl io::Write, stock: u32) -> io::Result<()> {
        let count = |count: usize| format::thousands(count as u64);
        writeln!(out, "\nThe database says ({} after the last answer):", format::human(self.arrived_after))?;
        writeln!(out, "{:>13}  issued of {}", count(self.rows.len()), format::thousands(u64::from(stock)))?;
        writeln!(out, "{:>13}  oversold", count(self.oversold(stock)))?;
        writeln!(out, "{:>13}  duplicates\n", count(self.duplicates()))
    }
}
