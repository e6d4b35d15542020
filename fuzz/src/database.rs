//! SQLite databases from text: damaged values say more than damaged pages, which SQLite finds.

use std::fs;
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// Rows of one table.
pub struct Kind {
    /// What their lines begin with.
    pub mark: &'static str,
    pub table: &'static str,
    pub columns: &'static str,
}

/// Makes a database of lines with tabs between their fields.
pub fn make(path: &Path, schema: &str, kinds: &[Kind], text: &str) {
    let _ = fs::remove_file(path);
    put(path, schema, kinds, text).expect("rows that can be written");
}

fn put(path: &Path, schema: &str, kinds: &[Kind], text: &str) -> rusqlite::Result<()> {
    let database = Connection::open(path)?;
    database.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;")?;
    database.execute_batch(schema)?;
    for line in text.lines().take(64) {
        let (mark, fields) = line.split_once('\t').unwrap_or((line, ""));
        let Some(Kind { table, columns, .. }) = kinds.iter().find(|kind| kind.mark == mark) else {
            continue;
        };
        let marks = vec!["?"; columns.split(',').count()];
        let fields = fields.split('\t').map(value).chain(std::iter::repeat(Value::Null));
        database.execute(
            &format!("INSERT INTO {table} ({columns}) VALUES ({})", marks.join(",")),
            params_from_iter(fields.take(marks.len())),
        )?;
    }
    database.execute_batch("COMMIT")
}

fn value(text: &str) -> Value {
    match text.parse() {
        Ok(number) => Value::Integer(number),
        Err(_) if text == "null" => Value::Null,
        Err(_) => Value::Text(text.to_owned()),
    }
}
