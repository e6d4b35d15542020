//! Reading a target's rows back, to compare them with those of the source.

use std::pin::Pin;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use async_trait::async_trait;
use futures::Stream;

use crate::error::Result;
use crate::source::Source;

/// How the rows of a target are read back.
pub enum ReadBack {
    /// Not at all: the target keeps none, or gives none back. Why, in words.
    Never(&'static str),
    /// There is no such target.
    Absent,
    /// From end to end, as the one table of a source: rows that were there before come first, new
    /// ones after them. The columns are the written table's, in its order, perhaps under other
    /// names.
    Whole(Box<dyn Source>),
    /// By their ids.
    ById(Arc<dyn RowsById>),
}

/// A target that gives rows back by their ids. May be asked for several things at the same time.
#[async_trait]
pub trait RowsById: Send + Sync {
    /// The rows that have one of `ids`, in any order, one for each id; in the columns of the table.
    ///
    /// # Errors
    /// When the target can't be asked, or its rows do not have these columns.
    async fn rows(&self, ids: &ArrayRef) -> Result<RecordBatch>;

    /// How many rows have one of `ids`, those counted as well that share an id; `None` where the
    /// target can't tell.
    ///
    /// # Errors
    /// When the target can't be asked.
    async fn count(&self, ids: &ArrayRef) -> Result<Option<u64>>;

    /// How many rows it holds altogether.
    ///
    /// # Errors
    /// When the target can't be asked.
    async fn count_all(&self) -> Result<u64>;

    /// The ids of all rows, some at a time and in any order; `None` where the target can't list
    /// them.
    fn ids(&self) -> Option<IdPages<'_>>;

    /// What else than the source's row the target may rightly hold under an id.
    fn leeway(&self) -> Leeway;
}

/// Ids, some at a time.
pub type IdPages<'a> = Pin<Box<dyn Stream<Item = Result<ArrayRef>> + Send + 'a>>;

/// What else than the source's row a target may rightly hold under an id of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leeway {
    /// A row that was there before: it stayed, or is there as well.
    pub old: Option<OldRow>,
    /// Rows of the source may share an id.
    pub duplicates: Option<Duplicates>,
}

/// What became of a row that was there before and has an id of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldRow {
    /// It stayed, and the source's row was left out.
    Stayed,
    /// Both are there.
    Beside,
}

/// What a target makes of rows that share an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// It holds and counts all of them, and shows one.
    OneShown,
    /// It keeps one.
    OneKept,
}
