//! `pipeline inspect`: shows what is inside a file, a folder or a server.

use std::fmt::Write;

use arrow_array::RecordBatch;

use crate::cli::args::InspectArgs;
use crate::cli::layout::{Column, Columns, Signs, clean};
use crate::cli::{cell, runtime, terminal};
use crate::error::Result;
use crate::source::inspect::{Inspection, Section, inspect as look_into};
use crate::words;

/// Looks into the place and prints what is there.
pub(super) fn inspect(args: &InspectArgs) -> Result<u8> {
    let inspection = runtime::block_on(look_into(&args.place))?;
    terminal::print(&text(&inspection, Signs::choose()))?;
    Ok(0)
}

fn text(inspection: &Inspection, signs: Signs) -> String {
    let mut text = format!("{}\n", clean(&inspection.title));
    let width = inspection.facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (n, (name, value)) in inspection.facts.iter().enumerate() {
        let gap = if n == 0 { "\n" } else { "" };
        push(&mut text, format_args!("{gap}  {:width$}  {}\n", clean(name), plain(value, signs)));
    }
    for section in &inspection.sections {
        push(&mut text, format_args!("\n{}\n\n{}", clean(&section.title), parts(section, signs)));
    }
    if let Some(rows) = inspection.first_rows.as_ref().filter(|rows| rows.num_rows() > 0) {
        let heading = match rows.num_rows() {
            1 => "First row".to_owned(),
            n => format!("First {} rows", words::count(n as u64)),
        };
        push(&mut text, format_args!("\n{heading}\n\n{}", first_rows(rows, signs)));
    }
    text
}

fn parts(section: &Section, signs: Signs) -> String {
    let header: Vec<_> = section.header.iter().map(|name| name.to_uppercase()).collect();
    let columns: Vec<_> = header
        .iter()
        .enumerate()
        .map(|(n, name)| {
            let mut cells = section.rows.iter().filter_map(|row| row.get(n));
            let numbers = cells.all(|cell| is_amount(cell)) && !section.rows.is_empty();
            if numbers { Column::Right(name) } else { Column::Left(name) }
        })
        .collect();
    let mut table = Columns::new(&columns);
    for row in &section.rows {
        table.row(row.iter().map(|cell| plain(cell, signs)));
    }
    table.render("  ")
}

/// Harmless, and in the signs that the reader can show.
fn plain(text: &str, signs: Signs) -> String {
    clean(&text.replace('×', signs.times))
}

/// True for what is compared by its digits: `1,234`, `12.3 MB`.
fn is_amount(cell: &str) -> bool {
    let (number, unit) = cell.split_once(' ').unwrap_or((cell, ""));
    number.starts_with(|c: char| c.is_ascii_digit())
        && number.chars().all(|c| c.is_ascii_digit() || c == ',' || c == '.')
        && (unit.is_empty() || (unit.ends_with('B') && unit.len() <= 3))
}

fn first_rows(rows: &RecordBatch, signs: Signs) -> String {
    let schema = rows.schema();
    let columns: Vec<_> = schema.fields().iter().map(|field| Column::Left(field.name())).collect();
    let mut table = Columns::new(&columns);
    for row in 0..rows.num_rows() {
        let cells = schema.fields().iter().zip(rows.columns());
        table.row(cells.map(|(field, column)| cell::show(field, column, row, signs)));
    }
    table.render("  ")
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = text.write_fmt(part);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, Schema};
    use arrow_array::Int64Array;

    use super::*;

    #[test]
    fn an_inspection_is_shown_in_aligned_parts() {
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
        let ids = Arc::new(Int64Array::from(vec![7, 8]));
        let inspection = Inspection {
            title: "HDF5 file a.h5".into(),
            facts: vec![("size".into(), "12.3 MB".into()), ("format".into(), "1.8".into())],
            sections: vec![Section {
                title: "Datasets".into(),
                header: vec!["path", "rows"],
                rows: vec![
                    vec!["/embeddings".into(), "1,000".into()],
                    vec!["/ids".into(), "10".into()],
                ],
            }],
            first_rows: RecordBatch::try_new(schema, vec![ids]).ok(),
        };
        let signs = Signs { times: "x", ellipsis: "..." };
        assert_eq!(
            text(&inspection, signs).lines().collect::<Vec<_>>(),
            [
                "HDF5 file a.h5",
                "",
                "  size    12.3 MB",
                "  format  1.8",
                "",
                "Datasets",
                "",
                "  PATH          ROWS",
                "  /embeddings  1,000",
                "  /ids            10",
                "",
                "First 2 rows",
                "",
                "  id",
                "  7",
                "  8",
            ]
        );
    }
}
