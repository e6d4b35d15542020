//! For whom a sink works.

use std::sync::OnceLock;

use super::new_run_id;

/// The run that a sink works for, and those whose place it takes.
#[derive(Debug, Clone, Default)]
pub struct Owner {
    /// The run's id.
    pub run: String,
    /// Runs that have ended, and whose unfinished work this one may replace.
    pub ended: Vec<String>,
}

impl Owner {
    /// True for what this run made, or one whose place it takes.
    pub fn owns(&self, run: &str) -> bool {
        self.run == run || self.ended.iter().any(|ended| ended == run)
    }
}

/// An owner that is named once; where nobody names one, a new run.
#[derive(Debug, Default)]
pub struct OwnerCell(OnceLock<Owner>);

impl OwnerCell {
    /// Names the owner. The first one stays.
    pub fn set(&self, run: &str, ended: &[String]) {
        let _ = self.0.set(Owner { run: run.to_owned(), ended: ended.to_vec() });
    }

    /// The owner.
    pub fn get(&self) -> &Owner {
        self.0.get_or_init(|| Owner { run: new_run_id(), ended: Vec::new() })
    }
}
