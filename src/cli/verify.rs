//! `openrun verify`: the promises, proven on the data at rest without changing it.

use std::io::{self, Write};
use std::process::ExitCode;

use super::args::VerifyArgs;
use super::bar::CompareBar;
use super::data_location::write_placed;
use super::failure::Failure;
use super::runtime;
use super::table::{write_settled, write_written_off, written};
use crate::actors::reconcile::{self, ProofReport};
use crate::bootstrap::{self, Inspection, InspectionSettings};
use crate::domain::counted;

pub(super) fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    args.place.begin_logging()?;
    let settings = args.place.settings(false)?;
    runtime::run(async {
        let inspection = Inspection::connect(&settings).await?;
        let mut bar = CompareBar::new();
        let proven = reconcile::verify(&inspection.parts, args.place.coupon.as_ref(), &mut bar).await;
        bar.clear();
        inspection.close().await;
        let mut report = proven.map_err(Failure::operator)?;
        let url = args.amqp_url.clone().filter(|url| !url.is_empty());
        if let (InspectionSettings::Stack { .. }, Some(url)) = (&settings, url) {
            match bootstrap::dead_letters(url.into(), &args.amqp_namespace).await? {
                Ok(counted) => report.dead_letters = counted,
                // The promises are proven without the broker, perhaps because it is the broker that is broken.
                Err(why) => report.dead_letters_not_counted = Some(why),
            }
        }
        let out = &mut io::stdout().lock();
        written(write_placed(out, &settings, args.place.json, &report, write_text))?;
        Ok(if report.broken + report.unproven == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn write_text(out: &mut impl Write, report: &ProofReport) -> io::Result<()> {
    for coupon in &report.coupons {
        writeln!(out, "{} ({})", coupon.coupon_id, counted(coupon.rows, "row", "rows"))?;
        for promise in &coupon.invariants {
            let word = match promise.held {
                Some(true) => "held      ",
                Some(false) => "BROKEN    ",
                None => "not proven",
            };
            writeln!(out, "  {word}  {}", promise.promise)?;
            for offender in &promise.offenders {
                writeln!(out, "                {offender}")?;
            }
            if promise.more > 0 {
                writeln!(out, "                and {} more", promise.more)?;
            }
        }
    }
    let coupons = || report.coupons.iter();
    write_settled(out, coupons().map(|coupon| (coupon.coupon_id.as_str(), coupon.settled)))?;
    write_written_off(out, coupons().map(|coupon| (coupon.coupon_id.as_str(), coupon.written_off)))?;
    match report.dead_letters {
        // They are no broken promise: whoever they belong to may have the coupon by now.
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
            "What could not be looked at is not proven: {unproven}. Ask again when the coupons are open; if they stay \
             closed, see `openrun lost-numbers list`."
        )?;
    }
    match (report.broken, report.unproven) {
        (0, 0) => writeln!(out, "Every promise is held."),
        (0, _) => writeln!(out, "No promise is known to be broken."),
        (broken, _) => writeln!(out, "{}.", counted(broken, "promise is broken", "promises are broken")),
    }
}
