//! `pipeline validate`: checks a configuration file, offline.

use std::fmt::Write;

use crate::assemble;
use crate::cli::args::ConfigArgs;
use crate::cli::terminal;
use crate::config::{Config, Form};
use crate::error::Result;
use crate::flow::Verify;

/// Reads the configuration, builds every component of it, and says what it understood.
pub(super) fn validate(args: &ConfigArgs) -> Result<u8> {
    let config = args.load()?;
    assemble(&config, Verify::Count)?;
    terminal::print(&summary(&config))?;
    Ok(0)
}
