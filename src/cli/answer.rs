//! How an operators' command writes what the node answered: as JSON, or as a table for people.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::Value;

use super::failure::Failure;

/// One column of a table, by the field it shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    field: &'static str,
    /// Numbers stand to the right.
    is_number: bool,
}

impl Column {
    pub(super) const fn text(field: &'static str) -> Self {
        Self { field, is_number: false }
    }

    pub(super) const fn number(field: &'static str) -> Self {
        Self { field, is_number: true }
    }
}

/// Writes `answer` to standard output.
pub(super) fn write(answer: &Value, as_json: bool, columns: &[Column]) -> Result<ExitCode, Failure> {
    let out = &mut io::stdout().lock();
    let written = if as_json {
        serde_json::to_writer_pretty(&mut *out, answer).map_err(io::Error::from).and_then(|()| writeln!(out))
    } else {
        match answer {
            Value::Array(rows) => write_table(out, columns, rows),
            row => write_table(out, columns, std::slice::from_ref(row)),
        }
    };
    match written {
        // Whoever reads has seen enough, such as `head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        written => written.map(|()| ExitCode::SUCCESS).map_err(Failure::operator),
    }
}

fn write_table(out: &mut impl Write, columns: &[Column], rows: &[Value]) -> io::Result<()> {
    let header: Vec<String> =
        columns.iter().map(|column| column.field.to_uppercase().replace('_', " ")).collect();
    let rows = rows.iter().map(|row| columns.iter().map(|column| cell(row.get(column.field))).collect());
    let lines: Vec<Vec<String>> = [header].into_iter().chain(rows).collect();
    let chars = |text: &String| text.chars().count();
    let width = |place: usize| lines.iter().map(|line| chars(&line[place])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    for line in &lines {
        for (place, (text, column)) in line.iter().zip(columns).enumerate() {
            let width = widths[place];
            // Nothing trails after the last column.
            match (place + 1 == columns.len(), column.is_number) {
                (true, false) => writeln!(out, "{text}")?,
                (true, true) => writeln!(out, "{text:>width$}")?,
                (false, true) => write!(out, "{text:>width$}  ")?,
                (false, false) => write!(out, "{text:<width$}  ")?,
            }
        }
    }
    Ok(())
}

/// One cell, on one line and without anything that would steer a terminal.
fn cell(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => {
            text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
        }
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Column, write_table};

    #[test]
    fn columns_line_up_and_nothing_steers_the_terminal() {
        let columns = [Column::text("name"), Column::number("count"), Column::text("last_failure")];
        let rows = [
            json!({ "name": "쿠폰", "count": 12, "last_failure": "red \u{1b}[31m\nalert" }),
            json!({ "name": "longer", "count": 3, "last_failure": null }),
        ];
        let mut out = Vec::new();
        write_table(&mut out, &columns, &rows).unwrap();
        let expected = "NAME    COUNT  LAST FAILURE\n쿠폰         12  red  [31m alert\nlonger      3  \n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
