//! `openrun verify`: checks the invariants on data at rest, read-only.

use std::io::{self, Write};
use std::process::ExitCode;

use super::args::VerifyArgs;
use super::bar::CompareBar;
use super::data_location::write_located;
use super::failure::Failure;
use super::runtime;
use super::table::{write_exempt, written};
use crate::actors::reconcile::{self, ProofReport};
use crate::bootstrap::{DeadLetterCount, Inspection, InspectionSettings, count_dead_letters};
use crate::domain::counted;

pub(super) fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    args.inspect.begin_logging()?;
    let settings = args.inspect.settings(false)?;
    runtime::run(async {
        let inspection = Inspection::connect(&settings).await?;
        let mut bar = CompareBar::new();
        let verified = reconcile::verify(&inspection.deps, args.inspect.coupon.as_ref(), &mut bar).await;
        bar.clear();
        inspection.close().await;
        let mut report = verified.map_err(Failure::operator)?;
        if matches!(settings, InspectionSettings::Stack { .. })
            && let Some(url) = args.amqp_url.clone().filter(|url| !url.is_empty())
        {
            match count_dead_letters(url.into(), &args.amqp_namespace).await? {
                DeadLetterCount::Counted(count) => report.dead_letters = Some(count),
                DeadLetterCount::NoQueue => {}
                // No failure: the invariants do not depend on the broker, and its outage may be the reason for this run.
                DeadLetterCount::Unreachable(why) => report.dead_letters_not_counted = Some(why),
            }
        }
        let out = &mut io::stdout().lock();
        written(write_located(out, &settings, args.inspect.json, &report, write_text))?;
        Ok(if report.broken + report.unproven == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn write_text(out: &mut impl Write, report: &ProofReport) -> io::Result<()> {
    for coupon in &report.coupons {
        writeln!(out, "{} ({})", coupon.coupon_id, counted(coupon.rows, "row", "rows"))?;
        for invariant in &coupon.invariants {
            let state = match invariant.held {
                Some(true) => "held      ",
                Some(false) => "BROKEN    ",
                None => "not proven",
            };
            writeln!(out, "  {state}  {}", invariant.promise)?;
            for offender in &invariant.offenders {
                writeln!(out, "                {offender}")?;
            }
            if invariant.more > 0 {
                writeln!(out, "                and {} more", invariant.more)?;
            }
        }
    }
    for coupon in &report.coupons {
        write_exempt(out, &coupon.coupon_id, coupon.settled, coupon.written_off)?;
    }
    match report.dead_letters {
        // Dead letters break no invariant: their members may have the coupon in the meantime.
        Some(letters) if letters > 0 => {
            let wait = counted(letters, "dead letter waits", "dead letters wait");
            writeln!(out, "{wait}, copies counted: see `openrun dead-letters list`")?;
        }
        Some(_) => writeln!(out, "0 dead letters wait.")?,
        None => {}
    }
    if let Some(why) = &report.dead_letters_not_counted {
        writeln!(out, "The dead letters were not counted: {why}.")?;
    }
    if report.unproven > 0 {
        let unproven = report.unproven;
        writeln!(
            out,
            "Invariants that could not be checked: {unproven}. Run this again when the coupons are open; if they stay \
             closed, see `openrun lost-numbers list`."
        )?;
    }
    match (report.broken, report.unproven) {
        (0, 0) => writeln!(out, "Every promise is held."),
        (0, _) => writeln!(out, "No promise is known to be broken."),
        (broken, _) => writeln!(out, "{}.", counted(broken, "promise is broken", "promises are broken")),
    }
}
