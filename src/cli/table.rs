//! Tables and JSON on standard output.

use std::io::{self, Write};

use serde::Serialize;

use super::failure::Failure;

/// Writes `value` as JSON for programs.
pub(super) fn write_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// Writes columns side by side; all but the first are numbers and stand to the right.
pub(super) fn write_table<const N: usize>(out: &mut impl Write, rows: &[[String; N]]) -> io::Result<()> {
    let width = |place: usize| rows.iter().map(|row| row[place].chars().count()).max().unwrap_or(0);
    for row in rows {
        let cells = row.iter().enumerate().map(|(place, text)| match (place, width(place)) {
            (0, width) => format!("{text:<width$}"),
            (_, width) => format!("{text:>width$}"),
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// Says of which coupons contradictions were settled, and how many: they are not counted as wrong.
pub(super) fn write_settled<'a>(
    out: &mut impl Write,
    coupons: impl Iterator<Item = (&'a str, u64)>,
) -> io::Result<()> {
    for (coupon, settled) in coupons.filter(|(_, settled)| *settled > 0) {
        let which = format!("`openrun conflicts list --coupon {coupon} --settled`");
        writeln!(out, "\n{coupon}: contradictions that are settled and not counted: {settled}; see {which}")?;
    }
    Ok(())
}

/// Says of which coupons numbers were written off, and how many: rows that are no member's.
pub(super) fn write_written_off<'a>(
    out: &mut impl Write,
    coupons: impl Iterator<Item = (&'a str, u64)>,
) -> io::Result<()> {
    for (coupon, count) in coupons.filter(|(_, count)| *count > 0) {
        writeln!(out, "\n{coupon}: numbers written off, which nobody holds: {count}")?;
    }
    Ok(())
}

/// Whoever reads may have seen enough, such as `head`; anything else is a mistake of the surroundings.
pub(super) fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| Failure::operator(format!("the result cannot be written: {error}"))),
    }
}
