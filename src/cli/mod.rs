//! The command line of the binary `pipeline`: one file per subcommand. A subcommand calls the
//! library and prints; it returns the exit code, or the error that decides it.

mod announce;
pub mod args;
mod cell;
mod clean;
mod completions;
mod dump;
mod inspect;
mod layout;
mod logfile;
pub mod logging;
mod plan;
mod progress;
mod remains;
mod results;
mod run;
mod runtime;
mod schema;
mod signals;
mod status;
pub mod terminal;
mod validate;
mod verify;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use crate::error::{Error, Result};
use args::{Cli, Command};

/// Runs the program: parses the command line, does what it says, reports an error on stderr, and
/// gives the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // Nobody is left to tell when even this can't be printed.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    let work = || logging::init(&cli.log).and_then(|()| dispatch(&cli));
    // A panic is a failure like others: with words, and with the exit code of one.
    let done = catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(Error::panicked("The program", &*panic)));
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            logging::report(&error, cli.log.log_format);
            ExitCode::from(error.exit_code())
        }
    }
}

fn dispatch(cli: &Cli) -> Result<u8> {
    match &cli.command {
        Command::Run(args) => run::run(args, &cli.log),
        Command::Dump(args) => dump::dump(args, &cli.log),
        Command::Restore(args) => dump::restore(args, &cli.log),
        Command::Plan(args) => plan::plan(args),
        Command::Verify(args) => verify::verify(args),
        Command::Status(args) => status::status(args),
        Command::Clean(args) => clean::clean(args),
        Command::Validate(args) => validate::validate(args),
        Command::Inspect(args) => inspect::inspect(args),
        Command::Schema => schema::schema(),
        Command::Completions(args) => completions::completions(args),
    }
}
