//! Prefixes a report with the location of its data, so that a report about the wrong data is noticed.

use std::io::{self, Write};

use serde::Serialize;

use super::table::write_json;
use crate::bootstrap::InspectionSettings;

#[derive(Debug, Serialize)]
struct LocatedReport<'a, T> {
    engine: &'static str,
    place: String,
    #[serde(flatten)]
    report: &'a T,
}

/// Writes the location of the data at `settings`, then `report`: both as JSON, or the report by `write_text`.
pub(super) fn write_located<T: Serialize, O: Write>(
    out: &mut O,
    settings: &InspectionSettings,
    json: bool,
    report: &T,
    write_text: impl FnOnce(&mut O, &T) -> io::Result<()>,
) -> io::Result<()> {
    let (engine, place) = settings.data_location();
    if json {
        return write_json(out, &LocatedReport { engine, place, report });
    }
    writeln!(out, "{engine}: {place}\n")?;
    write_text(out, report)
}
