//! A record batch in flight.

use std::pin::Pin;

use arrow_array::RecordBatch;
use futures::Stream;

use crate::error::Result;
use crate::flow::Permit;
use crate::table::Place;

/// A record batch on its way, with the place it comes from and the memory it holds.
///
/// Whoever keeps a batch, or a slice of one, keeps its permit too: a sink drops it only when the
/// target has acknowledged the rows.
#[derive(Debug)]
pub struct Batch {
    /// The rows, in the table's schema.
    pub rows: RecordBatch,
    /// Where they come from.
    pub place: Place,
    /// Their share of the memory budget.
    pub permit: Permit,
}

impl Batch {
    /// Number of rows.
    pub fn len(&self) -> u64 {
        self.rows.num_rows() as u64
    }

    /// Bytes of the rows themselves, also where they are a slice of something larger.
    pub fn bytes(&self) -> u64 {
        let columns = self.rows.columns().iter();
        columns.map(|c| c.to_data().get_slice_memory_size().unwrap_or(0) as u64).sum()
    }

    /// The first `rows` rows, and the others. Both keep the permit.
    pub fn split_at(self, rows: u64) -> (Batch, Batch) {
        let here = usize::try_from(rows).unwrap_or(usize::MAX).min(self.rows.num_rows());
        let mut place = self.place.clone();
        place.advance(here as u64);
        let rest = Batch {
            rows: self.rows.slice(here, self.rows.num_rows() - here),
            place,
            permit: self.permit.clone(),
        };
        (Batch { rows: self.rows.slice(0, here), ..self }, rest)
    }

    /// True when there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.num_rows() == 0
    }
}

/// The batches of one split, in source order.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<Batch>> + Send>>;
