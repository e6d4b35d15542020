//! Keeps one row of each id. Which rows are left out is found out before rows move, from the ids
//! of all splits of the target, so that it does not depend on how many splits move at once.

use std::sync::Arc;

use arrow::compute::filter_record_batch;
use arrow_array::BooleanArray;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::flow::Batch;
use crate::table::{Place, TableSchema};
use crate::transform::{IdEffect, SplitContext, Transform, TransformFactory};

/// Keeps one row of each id, over all tables that go to the same target.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which row is kept, in source order (default: first).
    #[serde(default)]
    keep: Keep,
}

/// Which row of an id is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The first in source order.
    #[default]
    First,
    /// The last in source order.
    Last,
}

impl TransformFactory for Config {
    fn kind(&self) -> &'static str {
        "dedupe"
    }

    fn plan(&self, input: &TableSchema) -> Result<Box<dyn Transform>> {
        Ok(Box::new(Dedupe { output: input.clone(), keep: self.keep }))
    }
}

struct Dedupe {
    output: TableSchema,
    keep: Keep,
}

impl Transform for Dedupe {
    fn output(&self) -> &TableSchema {
        &self.output
    }

    fn ids(&self) -> IdEffect {
        IdEffect::Dedupe(self.keep)
    }

    fn apply(&self, batch: Batch, cx: &SplitContext) -> Result<Batch> {
        let rows = batch.len();
        let batch = leave_out(batch, cx)?;
        cx.meter.rows_deduplicated.add(rows - batch.len());
        Ok(batch)
    }

    fn apply_ids(&self, ids: Batch, cx: &SplitContext) -> Result<Batch> {
        leave_out(ids, cx)
    }
}

fn leave_out(batch: Batch, cx: &SplitContext) -> Result<Batch> {
    let left_out = &cx.left_out.rows;
    let there = batch.place.first_row..batch.place.first_row + batch.len();
    let before = cx.left_out.before + left_out.range_cardinality(..there.start);
    let place = Place {
        position: batch.place.position.saturating_sub(before),
        left_out: (!left_out.is_empty()).then(|| Arc::clone(left_out)),
        ..batch.place
    };
    let rows = match left_out.range_cardinality(there.clone()) {
        0 => batch.rows,
        _ => {
            let keep: BooleanArray = there.map(|row| Some(!left_out.contains(row))).collect();
            filter_record_batch(&batch.rows, &keep)
                .map_err(|error| Error::internal("Cannot leave out rows").because(error))?
        }
    };
    Ok(Batch { rows, place, permit: batch.permit })
}
