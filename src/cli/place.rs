//! Which data an answer is about: without it one could prove the promises on the wrong one.

use std::io::{self, Write};

use serde::Serialize;

use crate::bootstrap::InspectionSettings;

/// An answer and where it comes from.
#[derive(Debug, Serialize)]
pub(super) struct Placed<'a, T> {
    engine: &'static str,
    place: String,
    #[serde(flatten)]
    report: &'a T,
}

impl<'a, T: Serialize> Placed<'a, T> {
    pub(super) fn of(settings: &InspectionSettings, report: &'a T) -> Self {
        let (engine, place) = settings.place();
        Self { engine, place, report }
    }
}

pub(super) fn write_place(out: &mut impl Write, settings: &InspectionSettings) -> io::Result<()> {
    let (engine, place) = settings.place();
    writeln!(out, "{engine}: {place}\n")
}
