//! What happens to rows on the way. One file per transform; the registry below names all that a
//! configuration can ask for.

use std::sync::Arc;

use crate::error::Result;
use crate::flow::{Batch, Meter, OnBadRow, SplitLeftOut, Totals};
use crate::registry::registry;
use crate::table::{Place, TableSchema};

registry! {
    /// What happens to rows on the way.
    TransformConfig: TransformFactory;
    /// Gives columns another type.
    cast => Cast,
    /// Leaves out rows whose id occurs again.
    dedupe => Dedupe,
    /// Gives rows new ids.
    remap => Remap,
    /// Gives columns other names.
    rename => Rename,
    /// Keeps some columns.
    select => Select,
}

pub mod constants;

/// Maps an input schema to an output schema at plan time, and gives the transform for a table.
pub trait TransformFactory: Send + Sync {
    /// The config key of this kind of transform.
    fn kind(&self) -> &'static str;

    /// Prepares the transform for tables of this schema.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config) when it can't be applied to such a table.
    fn plan(&self, input: &TableSchema) -> Result<Box<dyn Transform>>;

    /// Called before [`plan`](Self::plan) when an interrupted run is gone on with: what it wrote
    /// beside the tables is kept.
    fn resume(&self) {}

    /// Called once when all tables have moved: makes whole what was written beside them. `totals`
    /// tells what became of all rows, those of interrupted runs too. Not called after a run that
    /// failed. May block.
    ///
    /// # Errors
    /// When that can't be done.
    fn finish(&self, _totals: &Totals) -> Result<()> {
        Ok(())
    }
}

/// A transform, prepared for one table.
pub trait Transform: Send + Sync {
    /// The schema of the batches that come out.
    fn output(&self) -> &TableSchema;

    /// Transforms one batch; counts in the context's meter what it leaves out or changes. Called
    /// for the batches of several splits at the same time, on threads that may block.
    ///
    /// # Errors
    /// When a row can't be transformed, and such rows stop the run.
    fn apply(&self, batch: Batch, cx: &SplitContext) -> Result<Batch>;

    /// What it does to ids.
    fn ids(&self) -> IdEffect {
        IdEffect::Same
    }

    /// True when it writes something of its own beside the table. Then all rows of a split pass in
    /// one go, and when they have, [`finish_split`](Self::finish_split) is called; a split that was
    /// cut off passes once more, from its first row on.
    fn writes_beside(&self) -> bool {
        false
    }

    /// Makes durable what was written beside the rows of one split. May block.
    ///
    /// # Errors
    /// When that can't be done.
    fn finish_split(&self, _: &Place) -> Result<()> {
        Ok(())
    }

    /// Does to a batch of the id column alone what [`apply`](Self::apply) does to ids, and nothing
    /// else: counts and writes nothing. For looking at ids before rows move.
    ///
    /// # Errors
    /// As `apply`.
    fn apply_ids(&self, ids: Batch, _: &SplitContext) -> Result<Batch> {
        Ok(ids)
    }
}

/// What a transform learns of the split that batches come from.
#[derive(Debug, Clone, Default)]
pub struct SplitContext {
    /// The table's counters.
    pub meter: Arc<Meter>,
    /// The rows of the split that [`IdEffect::Dedupe`] leaves out.
    pub left_out: SplitLeftOut,
    /// True when the rows have moved, and pass once more only to be compared with what arrived:
    /// nothing is written beside the table.
    pub comparing: bool,
    /// What happens to a row with a value that the transform can't give its column: it is an error,
    /// or marked ([`mark`](crate::flow::mark)).
    pub on_bad_row: OnBadRow,
}

/// What a transform does to ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdEffect {
    /// They stay.
    Same,
    /// Of the rows with one id, all but one are left out. Which these are is found out before rows
    /// move, and told in [`SplitContext::left_out`].
    Dedupe(dedupe::Keep),
    /// Each row gets another id.
    New(NewIds),
}

/// What new ids are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewIds {
    /// Two are the same where the old ones were, and only there.
    OneToOne,
    /// No two are the same.
    Unique,
    /// Two may be the same where the old ones were not.
    Hashed,
}
