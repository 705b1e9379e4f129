//! Tables and JSON on standard output.

use std::io::{self, Write};

use serde::Serialize;

use super::failure::Failure;

pub(super) fn write_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// Writes rows of equal length in columns; a column of numbers is aligned to the right.
pub(super) fn write_table(
    out: &mut impl Write,
    rows: &[Vec<String>],
    is_number: impl Fn(usize) -> bool,
) -> io::Result<()> {
    let width = |index: usize| rows.iter().map(|row| row[index].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(index, (text, &width))| {
            if is_number(index) { format!("{text:>width$}") } else { format!("{text:<width$}") }
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// Writes how many conflicts of a coupon are settled and how many of its numbers are written off: they are no findings.
pub(super) fn write_exempt(
    out: &mut impl Write,
    coupon: &str,
    settled: u64,
    written_off: u64,
) -> io::Result<()> {
    if settled > 0 {
        let list = format!("`openrun conflicts list --coupon {coupon} --settled`");
        writeln!(out, "\n{coupon}: settled conflicts, which are not counted: {settled}; see {list}")?;
    }
    if written_off > 0 {
        writeln!(out, "\n{coupon}: numbers written off, which no member holds: {written_off}")?;
    }
    Ok(())
}

/// Maps the result of writing to standard output. A closed pipe is no failure: its reader, such as `head`, has finished.
pub(super) fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| Failure::operator(format!("the result cannot be written: {error}"))),
    }
}
