//! What a run tells: the report it leaves behind, as JSON for programs and as a page for people,
//! and the metrics that it serves while it works. All of it comes from the engine's counters.

mod file;
mod html;
mod metrics;
mod process;
mod run;
mod verify;

pub use file::ReportFile;
pub use html::html;
pub use metrics::MetricsServer;
pub use process::{cpu_time, peak_rss_bytes};
pub use run::{ErrorReport, RunReport, RunStatus, Started, TableReport, TableStatus, Times};
pub use verify::{TargetReport, VerifyReport};
