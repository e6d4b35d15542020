//! The command line as it is typed: every subcommand and flag, with its help.

mod dump;
mod run;

use std::path::PathBuf;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

pub use self::dump::{AccessArgs, ConflictArg, DumpArgs, ModeArg, RestoreArgs};
pub use self::run::{RunArgs, RunFlags, VerifyArg};
use self::run::{parse_memory, parse_parallelism, with_flags};
use crate::config::{self, Config, Size, Text};
use crate::configure;
use crate::error::Result;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed while moving data; the next run goes on
  2    the command line or the configuration is wrong
  3    a server can't be reached, or refuses the credentials
  4    done, but rows were rejected (run.on_bad_row)
  5    source and target differ
  75   another run holds the target: nothing was changed, try again later
  130  interrupted; the next run goes on";

/// Moves vector collections in bulk between files and Milvus.
///
/// What moves, from where and to where, stands in a configuration file (YAML). Files written for
/// MilvusDM work as they are.
#[derive(Debug, Parser)]
#[command(name = "pipeline", version, styles = STYLES, after_long_help = EXIT_CODES)]
#[command(propagate_version = false, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What is logged, and how.
    #[command(flatten)]
    pub log: LogArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Move the data
    Run(RunArgs),
    /// Copy collections of a Milvus, with all that belongs to them, into a folder
    Dump(DumpArgs),
    /// Make the collections of such a folder again
    Restore(RestoreArgs),
    /// Show what `run` would do: connects and counts, changes nothing
    Plan(PlanArgs),
    /// Compare source and target row by row; changes nothing
    Verify(VerifyArgs),
    /// Show how far the last run came, and what `run` would do now
    Status(ConfigArgs),
    /// Show what dead runs left at the target, and remove it with --yes
    Clean(CleanArgs),
    /// Check a configuration file, without touching data or servers
    Validate(ConfigArgs),
    /// Show what is inside a file, a folder or a server
    Inspect(InspectArgs),
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Print a script that completes commands and flags in your shell
    Completions(CompletionsArgs),
}

/// The configuration, as every command takes it.
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    /// Configuration file; `-` reads it from standard input
    #[arg(value_name = "CONFIG", value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
    /// Set a value of the configuration; may be given several times
    ///
    /// KEY is the path of the value with dots between its parts, VALUE is YAML:
    /// `--set sink.milvus.collection=news`, `--set transforms.0.rename.vector=embedding`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

impl ConfigArgs {
    /// Reads the file. Warns of secrets among the flags: others can read them there.
    ///
    /// # Errors
    /// As [`Text::read`].
    pub fn text(&self) -> Result<Text> {
        warn_of_secrets(&self.sets);
        Text::read(&self.config)
    }

    /// Reads the configuration, and asks the destination what it is where that is left open.
    /// What the file says to no effect is logged.
    ///
    /// # Errors
    /// As [`configure`].
    pub async fn load(&self) -> Result<Config> {
        load(&self.text()?, &self.sets).await
    }
}

/// Understands a configuration; what it says to no effect is logged.
///
/// # Errors
/// As [`configure`].
pub async fn load(text: &Text, sets: &[String]) -> Result<Config> {
    let loaded = configure(text, sets).await?;
    for note in &loaded.notes {
        tracing::info!("{note}");
    }
    Ok(loaded.config)
}

/// Warns of secrets among the flags: others can read them there.
pub fn warn_of_secrets(sets: &[String]) {
    for key in sets.iter().filter_map(|set| config::key_of_secret(set)) {
        tracing::warn!(
            "--set {key} holds a secret: the list of processes shows it to every user of this machine. Name a variable, as in '{key}=${{SECRET}}', or a file"
        );
    }
}

/// Flags of `pipeline plan`.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Flags of `pipeline clean`.
#[derive(Debug, Clone, Args)]
pub struct CleanArgs {
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Remove it; a run of this configuration that was interrupted starts from its first row then
    #[arg(long)]
    pub yes: bool,
}

/// Flags of `pipeline verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// How many parts are read and compared at once [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = parse_parallelism)]
    pub parallelism: Option<usize>,
    /// How much memory the rows in flight may take, like 512MiB or 2GB [default: 512MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    pub memory: Option<Size>,
    /// Write a report of the comparison, as JSON, to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub report: Option<PathBuf>,
}

impl VerifyArgs {
    /// Reads the configuration; what the flags say wins over what the file says.
    ///
    /// # Errors
    /// As [`configure`].
    pub async fn load(&self) -> Result<Config> {
        Ok(with_flags(self.config.load().await?, self.parallelism, self.memory))
    }
}

/// Flags of `pipeline inspect`.
#[derive(Debug, Clone, Args)]
pub struct InspectArgs {
    /// A file, a folder, or the address of a server (http://…)
    #[arg(value_name = "PLACE", value_hint = ValueHint::AnyPath)]
    pub place: String,
}

/// Flags of `pipeline completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

/// What is logged, and how.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Logging")]
pub struct LogArgs {
    /// Say more; twice says everything
    #[arg(short, long, action = ArgAction::Count, global = true, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Say only what is wrong, and show no progress
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// How log lines are written to standard error
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, global = true)]
    pub log_format: LogFormat,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn verify_names_the_values_there_are() {
        let error = Cli::try_parse_from(["pipeline", "run", "a.yaml", "--verify", "all"]);
        let text = error.expect_err("all is not offered").to_string();
        assert!(text.contains("[possible values: none, count, content]"), "{text}");
    }

    #[test]
    fn parallelism_and_memory_have_bounds() {
        for flags in [["--parallelism", "0"], ["--parallelism", "x"], ["--memory", "0"]] {
            let args = ["pipeline", "run", "a.yaml"].into_iter().chain(flags);
            assert!(Cli::try_parse_from(args).is_err(), "{flags:?}");
        }
    }
}
