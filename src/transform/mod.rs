//! What happens to rows on the way. One file per transform; the registry below names them all.

use crate::error::Result;
use crate::flow::{Batch, Meter};
use crate::registry::registry;
use crate::table::TableSchema;

registry! {
    /// What happens to rows on the way.
    TransformConfig: TransformFactory;
    /// Gives columns another type.
    cast => Cast,
    /// Gives columns other names.
    rename => Rename,
    /// Keeps some columns.
    select => Select,
}

/// Maps an input schema to an output schema at plan time, and gives the transform for a table.
pub trait TransformFactory: Send + Sync {
    /// The config key of this kind of transform.
    fn kind(&self) -> &'static str;

    /// Prepares the transform for tables of this schema.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config) when it can't be applied to such a table.
    fn plan(&self, input: &TableSchema) -> Result<Box<dyn Transform>>;
}

/// A transform, prepared for one table.
pub trait Transform: Send + Sync {
    /// The schema of the batches that come out.
    fn output(&self) -> &TableSchema;

    /// Transforms one batch; counts in `meter` what it leaves out or changes. Called for the
    /// batches of several splits at the same time.
    ///
    /// # Errors
    /// When a row can't be transformed.
    fn apply(&self, batch: Batch, meter: &Meter) -> Result<Batch>;
}
