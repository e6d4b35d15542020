//! The index that is read, open: the splits of a file share it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;
use crate::source::faiss::plan::{self, Location};
use crate::source::faiss::rows::Rows;

/// The index that was opened last. An index can have hundreds of thousands of lists, and finding
/// them anew for each split takes as long as reading their rows. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Opened(Arc<Mutex<Option<(Location, Arc<Rows>)>>>);

impl Opened {
    /// The rows of the index that `location` names. Several readers that want the same one wait for
    /// the first.
    ///
    /// # Errors
    /// When the file changed since the plan was made, or can't be read.
    pub fn rows(&self, location: &Location) -> Result<Arc<Rows>> {
        location.check()?;
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = Location { first_row: 0, ..location.clone() };
        if let Some((of, rows)) = &*last
            && *of == whole
            && rows.is_intact()
        {
            return Ok(Arc::clone(rows));
        }
        // The memory of the one before is not held beside that of this one.
        *last = None;
        let (_, rows) = plan::open(&location.file)?;
        Ok(Arc::clone(&last.insert((whole, Arc::new(rows))).1))
    }
}
