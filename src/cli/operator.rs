//! The common body of the operators' commands: call a node, then print its answer as JSON or as a table.

use std::io;
use std::process::ExitCode;

use serde_json::Value;

use super::api_client::ApiClient;
use super::args::OperatorArgs;
use super::failure::Failure;
use super::runtime;
use super::table::{write_json, write_table, written};

/// A column of a table, by the JSON field that it shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    field: &'static str,
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

/// Makes `call` and prints the answer: as JSON on request or without `columns`, else as a table.
pub(super) fn run(
    args: &OperatorArgs,
    columns: Option<&[Column]>,
    call: impl AsyncFnOnce(&ApiClient) -> Result<Value, Failure>,
) -> Result<ExitCode, Failure> {
    runtime::run(async {
        let client = ApiClient::new(&args.server, args.admin_token.clone())?;
        let answer = call(&client).await?;
        let out = &mut io::stdout().lock();
        written(match columns.filter(|_| !args.json) {
            None => write_json(out, &answer),
            Some(columns) => write_rows(out, columns, &answer),
        })?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Writes the objects of `answer`, or `answer` itself if it is one object, below a header.
fn write_rows(out: &mut impl io::Write, columns: &[Column], answer: &Value) -> io::Result<()> {
    let objects = answer.as_array().map_or(std::slice::from_ref(answer), Vec::as_slice);
    let header = columns.iter().map(|column| column.field.to_uppercase().replace('_', " ")).collect();
    let rows = objects.iter().map(|row| columns.iter().map(|column| cell(row.get(column.field))).collect());
    let rows: Vec<Vec<String>> = [header].into_iter().chain(rows).collect();
    write_table(out, &rows, |index| columns[index].is_number)
}

/// A value as one line, in which control characters are blanks: they could steer the terminal.
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

    use super::{Column, write_rows};

    #[test]
    fn columns_line_up_and_control_characters_become_blanks() {
        let columns = [Column::text("name"), Column::number("count"), Column::text("last_failure")];
        let rows = json!([
            { "name": "쿠폰", "count": 12, "last_failure": "red \u{1b}[31m\nalert" },
            { "name": "longer", "count": 3, "last_failure": null },
        ]);
        let mut out = Vec::new();
        write_rows(&mut out, &columns, &rows).unwrap();
        let expected = "NAME    COUNT  LAST FAILURE\n쿠폰         12  red  [31m alert\nlonger      3\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
