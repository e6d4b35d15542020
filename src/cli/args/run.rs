//! Flags of commands that move rows.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::ConfigArgs;
use crate::config::{self, Config, Size};
use crate::flow::Verify;

/// Flags of `pipeline run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// How it is run.
    #[command(flatten)]
    pub flags: RunFlags,
}

/// How rows are moved.
#[derive(Debug, Clone, Args)]
pub struct RunFlags {
    /// How many parts of the source are read at once, and how many writes are in flight at once
    /// [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = parse_parallelism)]
    pub parallelism: Option<usize>,
    /// How much memory the rows in flight may take, like 512MiB or 2GB [default: 512MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    pub memory: Option<Size>,
    /// Forget an earlier run that did not end, and start from the first row
    #[arg(long)]
    pub restart: bool,
    /// Take the target from another run that is dead: it ended unfinished, its process is gone, or
    /// there has been no sign of it for two minutes
    #[arg(long)]
    pub take_over: bool,
    /// What to compare between source and target afterwards
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = VerifyArg::Count)]
    pub verify: VerifyArg,
    /// Write a report of the run, as JSON, to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub report: Option<PathBuf>,
    /// Write a report of the run, as a web page, to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub report_html: Option<PathBuf>,
    /// Serve metrics for Prometheus at this address during the run, like 127.0.0.1:9100
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,
}

impl RunFlags {
    /// What the flags say wins over what a configuration says.
    pub fn apply(&self, config: Config) -> Config {
        with_flags(config, self.parallelism, self.memory)
    }
}

pub(super) fn with_flags(
    mut config: Config,
    parallelism: Option<usize>,
    memory: Option<Size>,
) -> Config {
    if parallelism.is_some() {
        config.run.parallelism = parallelism;
    }
    if let Some(memory) = memory {
        config.run.memory = memory;
    }
    config
}

/// What is compared afterwards, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerifyArg {
    /// Nothing
    None,
    /// The growth of the target's row count with the rows that were sent
    Count,
    /// That, and every row as it is read back with that of the source, which is read once more
    Content,
}

impl From<VerifyArg> for Verify {
    fn from(arg: VerifyArg) -> Self {
        match arg {
            VerifyArg::None => Verify::None,
            VerifyArg::Count => Verify::Count,
            VerifyArg::Content => Verify::Content,
        }
    }
}

pub(super) fn parse_parallelism(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if config::PARALLELISM.contains(&n) => Ok(n),
        _ => Err(format!(
            "not a whole number between {} and {}",
            config::PARALLELISM.start(),
            config::PARALLELISM.end()
        )),
    }
}

pub(super) fn parse_memory(text: &str) -> Result<Size, String> {
    let size: Size = text.parse()?;
    if size.bytes() == 0 { Err("no memory is no way to move rows".to_owned()) } else { Ok(size) }
}
