//! `pipeline schema`: the JSON Schema of the configuration.

use crate::cli::terminal;
use crate::config;
use crate::error::Result;

/// Prints the schema.
pub(super) fn schema() -> Result<u8> {
    terminal::print(&config::json_schema())?;
    Ok(0)
}
