//! `openrun reconcile`: one run of the reconciler in this process. Nodes may be running or not.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use super::args::ReconcileArgs;
use super::bar::CompareBar;
use super::data_location::write_located;
use super::failure::Failure;
use super::runtime;
use super::table::{write_exempt, write_table, written};
use crate::actors::reconcile::{CouponReport, DriftReport, Finding, Reconciler, RepairMode};
use crate::bootstrap::Inspection;
use crate::domain::counted;
use crate::telemetry::Metrics;

pub(super) fn run(args: &ReconcileArgs) -> Result<ExitCode, Failure> {
    args.inspect.begin_logging()?;
    let settings = args.inspect.settings(!args.dry_run)?;
    runtime::run(async {
        let inspection = Inspection::connect(&settings).await?;
        let mode = if args.dry_run { RepairMode::ReportOnly } else { RepairMode::Repair };
        let reconciler = Reconciler::new(inspection.deps.clone(), Arc::new(Metrics::new()));
        let mut bar = CompareBar::new();
        let outcome = reconciler.run(args.inspect.coupon.as_ref(), mode, &mut bar).await;
        bar.clear();
        inspection.close().await;
        let report = outcome.map_err(Failure::operator)?;
        let out = &mut io::stdout().lock();
        written(write_located(out, &settings, args.inspect.json, &report, |out, report| {
            write_text(out, report, mode)
        }))?;
        Ok(if report.unrepaired == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn write_text(out: &mut impl Write, report: &DriftReport, mode: RepairMode) -> io::Result<()> {
    let header = ["COUPON", "TOTAL", "ISSUED", "PARTICIPANTS", "OUTBOX", "ROWS", "IN FLIGHT", "FINDINGS"];
    let mut table = vec![header.map(str::to_owned).to_vec()];
    table.extend(report.coupons.iter().map(cells));
    write_table(out, &table, |index| index > 0)?;
    for coupon in report.coupons.iter().filter(|coupon| !coupon.findings.is_empty()) {
        writeln!(out, "\n{}", coupon.coupon_id)?;
        for finding in &coupon.findings {
            writeln!(out, "  {}  {}", state(finding, mode), finding.sentence())?;
        }
        if coupon.unnamed > 0 {
            writeln!(out, "  and {} more", coupon.unnamed)?;
        }
    }
    for coupon in &report.coupons {
        write_exempt(out, &coupon.coupon_id, coupon.settled, coupon.written_off)?;
    }
    match (report.repaired, report.unrepaired) {
        (0, 0) => writeln!(out, "\nEngine, outbox and database agree."),
        (_, unrepaired) if mode == RepairMode::ReportOnly => {
            let findings = report.coupons.iter().flat_map(|coupon| &coupon.findings);
            let repairable = findings.filter(|finding| finding.is_repairable()).count() as u64;
            let remain = counted(unrepaired - repairable, "remains", "remain");
            writeln!(out, "\nThey disagree: {repairable} would be repaired, {remain}.")
        }
        (repaired, 0) => writeln!(out, "\nThey agree again: {repaired} repaired."),
        (repaired, unrepaired) => {
            let remain = counted(unrepaired, "remains", "remain");
            writeln!(out, "\nThey disagree: {remain}, {repaired} repaired.")
        }
    }
}

/// The state of a finding after the run, padded to a column.
fn state(finding: &Finding, mode: RepairMode) -> &'static str {
    match mode {
        RepairMode::ReportOnly if finding.is_repairable() => "would be repaired",
        RepairMode::ReportOnly => "remains          ",
        RepairMode::Repair if finding.repaired => "repaired",
        RepairMode::Repair => "remains ",
    }
}

fn cells(coupon: &CouponReport) -> Vec<String> {
    let findings = coupon.findings.len() as u64 + coupon.unnamed;
    // An incomplete count would look like a loss.
    let number = |number: u64| if coupon.compared { number.to_string() } else { "-".to_owned() };
    vec![
        coupon.coupon_id.clone(),
        coupon.total.to_string(),
        number(coupon.issued.into()),
        number(coupon.participants),
        number(coupon.outbox),
        number(coupon.rows),
        number(coupon.in_flight),
        findings.to_string(),
    ]
}
