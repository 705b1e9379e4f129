//! Which data an answer is about: without it one could prove the promises on the wrong one.

use std::io::{self, Write};

use serde::Serialize;

use super::table::write_json;
use crate::bootstrap::InspectionSettings;

/// An answer and where it comes from.
#[derive(Debug, Serialize)]
struct Placed<'a, T> {
    engine: &'static str,
    place: String,
    #[serde(flatten)]
    report: &'a T,
}

/// Writes an answer about the data at `settings`, as JSON or as `text` has it.
pub(super) fn write_placed<T: Serialize, O: Write>(
    out: &mut O,
    settings: &InspectionSettings,
    json: bool,
    report: &T,
    text: impl FnOnce(&mut O, &T) -> io::Result<()>,
) -> io::Result<()> {
    let (engine, place) = settings.place();
    if json {
        return write_json(out, &Placed { engine, place, report });
    }
    writeln!(out, "{engine}: {place}\n")?;
    text(out, report)
}
