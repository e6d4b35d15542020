//! The journal: what a run planned, and how much of it the target has acknowledged, on disk, so that
//! a run that was cut off anywhere can be gone on with.
//!
//! | file | holds |
//! |---|---|
//! | `identity` | what makes two runs the same one |
//! | `progress` | how far targets and splits are |
//! | `saved` | the plan as it is kept, and how it differs from another |
//! | `lock` | one run of a plan at a time |
//! | `file` | the journal's place on disk |
//! | `store` | the SQLite file |
//! | `writer` | the thread that writes to it, many changes at once |
//!
//! What is to be sent is noted before it is sent, and what the target acknowledged afterwards. So
//! of each split three stretches of rows are known: those that are there, those that may be there,
//! and those that are not.

mod file;
mod identity;
mod lock;
mod progress;
mod saved;
mod store;
mod writer;

pub use file::{EarlierRun, JournalFile, Standing};
pub use identity::Identity;
pub use progress::{Change, Ended, Memo, Receipts, SplitProgress, TargetProgress};
pub use saved::{SavedPlan, SavedTable, SavedTarget, listed};
pub use writer::Journal;
