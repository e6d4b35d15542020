//! Log lines: on standard error for people or as JSON, and in a daily file when a folder is named.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::OnceLock;

use tracing_subscriber::filter::{EnvFilter, FilterExt, dynamic_filter_fn, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt as format};

use crate::cli::args::{LogArgs, LogFormat};
use crate::cli::logfile::DailyFile;
use crate::cli::terminal::Stderr;
use crate::error::{Error, Result};

/// The event that repeats the program's last error for the log file. On a terminal the error
/// itself is printed instead.
const LAST_ERROR: &str = "vecpipe::last_error";

static FILE: OnceLock<DailyFile> = OnceLock::new();

/// Starts logging. `-v` and `-q` win over `RUST_LOG`.
///
/// # Errors
/// When `RUST_LOG` can't be understood.
pub fn init(args: &LogArgs) -> Result<()> {
    let terminal = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let json = args.log_format == LogFormat::Json;
    let stderr = format::layer().with_writer(Stderr);
    let stderr = match args.log_format {
        LogFormat::Json => stderr.json().flatten_event(true).boxed(),
        LogFormat::Text => {
            stderr.with_timer(TimeOfDay).with_target(args.verbose > 0).with_ansi(terminal).boxed()
        }
    };
    let printed = filter_fn(move |event| json || event.target() != LAST_ERROR);
    let file = format::layer().with_ansi(false).with_writer(|| LogFile);
    let to_file = EnvFilter::new(level(LogArgs { quiet: false, ..args.clone() }));
    tracing_subscriber::registry()
        .with(stderr.with_filter(filter(args)?.and(printed)))
        .with(file.with_filter(to_file.and(dynamic_filter_fn(|_, _| FILE.get().is_some()))))
        .try_init()
        .map_err(|error| Error::internal("Logging was started twice").because(error))
}

/// From now on, log lines also go to a daily file in `dir`, which is made if need be.
///
/// # Errors
/// When the file can't be made.
pub fn log_to(dir: &Path) -> Result<()> {
    let file = DailyFile::in_folder(dir).map_err(|error| {
        Error::config("Cannot write a log file")
            .because(error)
            .at(format!("run.log_dir {}", dir.display()))
            .help("name a folder that can be written to, or leave run.log_dir out")
    })?;
    FILE.set(file).map_err(|_| Error::internal("A log file was opened twice"))
}

/// Tells the error that ends the program.
pub fn report(error: &Error, format: LogFormat) {
    if format == LogFormat::Text {
        // Nobody is left to tell when standard error can't be written.
        let _ = writeln!(Stderr, "error: {error}");
    }
    tracing::error!(target: LAST_ERROR, exit_code = error.exit_code(), "{error}");
}

fn filter(args: &LogArgs) -> Result<EnvFilter> {
    let chosen = args.quiet || args.verbose > 0;
    match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(directives) if !chosen && !directives.is_empty() => EnvFilter::try_new(&directives)
            .map_err(|error| {
                Error::config("The environment variable RUST_LOG is not understood")
                    .because(error)
                    .help("write a level like `debug`, or `vecpipe=debug,info`; or use -v and -q")
            }),
        _ => Ok(EnvFilter::new(level(args.clone()))),
    }
}

fn level(args: LogArgs) -> &'static str {
    match args {
        LogArgs { quiet: true, .. } => "warn",
        LogArgs { verbose: 0, .. } => "warn,vecpipe=info",
        LogArgs { verbose: 1, .. } => "info,vecpipe=debug",
        _ => "debug,vecpipe=trace",
    }
}

/// Hours, minutes and seconds: on a terminal the date is known.
struct TimeOfDay;

impl FormatTime for TimeOfDay {
    fn format_time(&self, to: &mut Writer<'_>) -> fmt::Result {
        let (hour, minute, second) = time::OffsetDateTime::now_utc().to_hms();
        write!(to, "{hour:02}:{minute:02}:{second:02}Z")
    }
}

struct LogFile;

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        FILE.get().map_or(Ok(()), |file| file.write(line)).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_to_the_file_of_the_day_once_a_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        LogFile.write_all(b"before\n").unwrap();
        log_to(&logs).unwrap();
        LogFile.write_all(b"after\n").unwrap();
        let files: Vec<_> = std::fs::read_dir(&logs).unwrap().map(|f| f.unwrap().path()).collect();
        let [file] = files.as_slice() else { panic!("one file, not {files:?}") };
        let name = file.file_name().unwrap().to_string_lossy();
        assert!(name.starts_with("pipeline.20") && name.ends_with(".log"), "{name}");
        assert_eq!(std::fs::read_to_string(file).unwrap(), "after\n");
    }

    #[test]
    fn quiet_says_less_and_verbose_says_more() {
        let level = |quiet, verbose| level(LogArgs { quiet, verbose, ..LogArgs::default() });
        assert_eq!(level(true, 0), "warn");
        assert_eq!(level(false, 0), "warn,vecpipe=info");
        assert_eq!(level(false, 1), "info,vecpipe=debug");
        assert_eq!(level(false, 2), "debug,vecpipe=trace");
    }
}
