//! `pipeline completions`: scripts that complete commands and flags.

use clap::CommandFactory;

use crate::cli::args::{Cli, CompletionsArgs};
use crate::cli::terminal;
use crate::error::{Error, Result};

/// Prints the script for one shell.
pub(super) fn completions(args: &CompletionsArgs) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pipeline", &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| Error::internal("A completion script is not UTF-8").because(error))?;
    terminal::print(&script)?;
    Ok(0)
}
