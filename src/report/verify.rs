//! The report of `pipeline verify`, under the same promises as that of a run.

use serde::Serialize;

use super::run::{ErrorReport, Started};
use crate::error::Error;
use crate::flow::{Comparison, Plan};

/// How source and targets compare.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport<'a> {
    /// Version of vecpipe that compared.
    pub version: &'static str,
    /// The exit code of the program.
    pub exit_code: u8,
    /// Why it ended early, or what differs.
    pub error: Option<ErrorReport>,
    /// The configuration file's name.
    pub config: String,
    /// When it began (RFC 3339, UTC).
    pub started_at: String,
    /// Seconds from start to end.
    pub duration_s: f64,
    /// The most memory, in bytes, that the process had resident.
    pub peak_rss_bytes: Option<u64>,
    /// One entry a target; empty when it ended before all were compared.
    pub targets: Vec<TargetReport<'a>>,
}

/// One target, and the tables that went there.
#[derive(Debug, Clone, Serialize)]
pub struct TargetReport<'a> {
    /// Names of the tables.
    pub sources: Vec<&'a str>,
    /// The target's name.
    pub target: &'a str,
    /// How they compare.
    #[serde(flatten)]
    pub comparison: &'a Comparison,
}

impl<'a> VerifyReport<'a> {
    /// Sums a comparison up.
    pub fn new(
        started: Started,
        config: String,
        compared: Option<(&'a Plan, &'a [Comparison])>,
        error: Option<&Error>,
    ) -> Self {
        let targets = compared.into_iter().flat_map(|(plan, all)| {
            plan.targets.iter().zip(all).map(|(target, comparison)| TargetReport {
                sources: target.tables.iter().map(|t| &*plan.tables[*t].source.name).collect(),
                target: &target.plan.target,
                comparison,
            })
        });
        VerifyReport {
            version: env!("CARGO_PKG_VERSION"),
            exit_code: error.map_or(0, Error::exit_code),
            error: error.map(ErrorReport::of),
            config,
            started_at: started.at(),
            duration_s: started.seconds(),
            peak_rss_bytes: super::peak_rss_bytes(),
            targets: targets.collect(),
        }
    }

    /// The report as JSON, for people's eyes too.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::error::Kind::Internal) if a value can't be written as JSON.
    pub fn to_json(&self) -> crate::Result<String> {
        super::run::to_json(self)
    }
}
