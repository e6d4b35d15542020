//! The one error type that reaches people.
//!
//! Every error says *what* happened, *where* (file, line, table, row, id) and *what to do*. Areas
//! with codes of their own (a server's status, an HDF5 error) keep their own types inside and turn
//! them into this one at their border.

use std::any::Any;
use std::fmt;

/// Shorthand used throughout the crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who has to act, and with it the exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The command line or the configuration is wrong: change it and run again. Exit code 2.
    Config,
    /// A server can't be reached or refuses the credentials. Exit code 3.
    Connect,
    /// The source's data can't be read as configured. Exit code 1.
    Source,
    /// The target refused or failed to take rows. Exit code 1.
    Target,
    /// What the target holds afterwards is not what was sent. Exit code 5.
    Differ,
    /// Another run holds the target, so nothing was changed: try again later, or take the target over
    /// from a run that is dead. Exit code 75.
    Held,
    /// The user (or the system) asked the program to stop. Exit code 130.
    Interrupted,
    /// A defect of vecpipe itself: please report it. Exit code 1.
    Internal,
}

impl Kind {
    /// The process exit code of an error of this kind.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Config => 2,
            Kind::Connect => 3,
            Kind::Differ => 5,
            Kind::Held => 75,
            Kind::Interrupted => 130,
            Kind::Source | Kind::Target | Kind::Internal => 1,
        }
    }
}

/// Whether the same operation may be tried again. Data, not prose: the retry loops look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retry {
    /// It would fail the same way again.
    #[default]
    No,
    /// The operation certainly did not happen; wait a little and repeat it.
    BackOff,
    /// The operation may or may not have happened; repeating a plain insert could double rows.
    Ambiguous,
    /// The request was too large; send it in smaller parts.
    SmallerBatch,
}

/// What happened, where, and what to do about it.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    retry: Retry,
    what: String,
    place: Vec<String>,
    help: Option<String>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `what` is one sentence in sentence case without a final stop.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Error {
            kind,
            retry: Retry::No,
            what: what.into(),
            place: Vec::new(),
            help: None,
            cause: None,
        }
    }

    /// The configuration or command line is wrong (exit code 2).
    pub fn config(what: impl Into<String>) -> Self {
        Self::new(Kind::Config, what)
    }

    /// A server can't be reached or refuses us (exit code 3).
    pub fn connect(what: impl Into<String>) -> Self {
        Self::new(Kind::Connect, what)
    }

    /// The source is not what it was when the run was planned; `what` says which part of it. Other rows may
    /// have been written already.
    pub fn source_changed(what: impl fmt::Display) -> Self {
        Self::source(format!("The source changed after the run was planned: {what}"))
            .help("when nothing writes to it any more, run again; a run that had begun begins anew with --restart")
    }

    /// The source's data can't be read (exit code 1).
    pub fn source(what: impl Into<String>) -> Self {
        Self::new(Kind::Source, what)
    }

    /// The target refused or failed (exit code 1).
    pub fn target(what: impl Into<String>) -> Self {
        Self::new(Kind::Target, what)
    }

    /// Source and target differ (exit code 5).
    pub fn differ(what: impl Into<String>) -> Self {
        Self::new(Kind::Differ, what)
    }

    /// Another run holds the target (exit code 75).
    pub fn held(what: impl Into<String>) -> Self {
        Self::new(Kind::Held, what)
    }

    /// The run was asked to stop (exit code 130).
    pub fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "Interrupted")
    }

    /// A defect of vecpipe itself (exit code 1).
    pub fn internal(what: impl Into<String>) -> Self {
        Self::new(Kind::Internal, what)
    }

    /// What `who` said when it panicked: a defect, too.
    pub fn panicked(who: &str, panic: &(dyn Any + Send)) -> Self {
        let words = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        Self::internal(format!("{who} panicked: {words}"))
    }

    /// Adds where it happened. Called on the way up, so the outermost place comes first. A place
    /// that the one within begins with is not said twice.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        let place = place.to_string();
        let said = |inner: &String| {
            inner.strip_prefix(&place).is_some_and(|rest| rest.is_empty() || rest.starts_with(", "))
        };
        if !self.place.first().is_some_and(said) {
            self.place.insert(0, place);
        }
        self
    }

    /// Adds what the reader should do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the underlying error, whose own words are shown after ours.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds retry advice for the loops that look at it.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Who has to act.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the same operation may be tried again.
    pub fn retry_advice(&self) -> Retry {
        self.retry
    }

    /// The process exit code for this error.
    pub fn exit_code(&self) -> u8 {
        self.kind.exit_code()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        let mut cause = self.cause.as_deref().map(|e| e as &dyn std::error::Error);
        let mut last = self.what.clone();
        while let Some(error) = cause {
            let words = error.to_string();
            // Wrapping errors often repeat the words of what they wrap.
            if !last.contains(&words) {
                write!(f, ": {words}")?;
            }
            last = words;
            cause = error.source();
        }
        if !self.place.is_empty() {
            write!(f, "\n  where: {}", self.place.join(", "))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|e| e as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_where_and_what_to_do() {
        let error = Error::source("Dataset `ids` has 10 rows, `embeddings` has 12")
            .at("a.h5")
            .at("table a")
            .help("write both datasets with the same number of rows");
        assert_eq!(
            error.to_string(),
            "Dataset `ids` has 10 rows, `embeddings` has 12\n  where: table a, a.h5\n  help: write both datasets with the same number of rows"
        );
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn a_place_is_said_once() {
        let error = Error::source("Cut off").at("table a, split 3").at("table a");
        assert_eq!(error.to_string(), "Cut off\n  where: table a, split 3");
        let error = Error::source("Cut off").at("table ab, split 3").at("table a");
        assert_eq!(error.to_string(), "Cut off\n  where: table a, table ab, split 3");
    }

    #[test]
    fn a_cause_is_shown_once() {
        let io = std::io::Error::other("disk on fire");
        let error = Error::target("Cannot write part-0").because(io);
        assert_eq!(error.to_string(), "Cannot write part-0: disk on fire");
    }
}
