//! Gives columns other names; their order, roles and values stay.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow_array::RecordBatch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::flow::Batch;
use crate::table::TableSchema;
use crate::transform::{SplitContext, Transform, TransformFactory};

/// Old column name to new column name.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Config(BTreeMap<String, String>);

impl Config {
    /// These names, old ones to new ones.
    pub fn of(names: BTreeMap<String, String>) -> Config {
        Config(names)
    }
}

impl TransformFactory for Config {
    fn kind(&self) -> &'static str {
        "rename"
    }

    fn plan(&self, input: &TableSchema) -> Result<Box<dyn Transform>> {
        let names: Vec<_> = input.arrow().fields().iter().map(|f| f.name().as_str()).collect();
        if let Some(unknown) = self.0.keys().find(|name| !names.contains(&name.as_str())) {
            return Err(Error::config(format!("There is no column `{unknown}` to rename"))
                .help(format!("the columns here are {}", names.join(", "))));
        }
        let fields: Vec<_> = input
            .arrow()
            .fields()
            .iter()
            .map(|field| match self.0.get(field.name()) {
                Some(name) => Arc::new(field.as_ref().clone().with_name(name)),
                None => Arc::clone(field),
            })
            .collect();
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = fields.iter().find(|f| !seen.insert(f.name())) {
            return Err(Error::config(format!("Two columns would be called `{}`", twice.name())));
        }
        let arrow = Schema::new_with_metadata(fields, input.arrow().metadata().clone());
        Ok(Box::new(Rename { output: TableSchema::new(Arc::new(arrow))?, names: self.0.clone() }))
    }
}

struct Rename {
    output: TableSchema,
    /// Old names to new ones.
    names: BTreeMap<String, String>,
}

impl Transform for Rename {
    fn output(&self) -> &TableSchema {
        &self.output
    }

    fn apply(&self, batch: Batch, _: &SplitContext) -> Result<Batch> {
        let schema = Arc::clone(self.output.arrow());
        let rows = RecordBatch::try_new(schema, batch.rows.columns().to_vec())
            .map_err(|error| Error::internal("Renaming changed a column's type").because(error))?;
        let mut place = batch.place;
        for misfit in place.misfits.iter_mut().flat_map(|all| Arc::make_mut(all).values_mut()) {
            for column in misfit.lost.iter_mut().chain([&mut misfit.column]) {
                if let Some(name) = self.names.get(column) {
                    column.clone_from(name);
                }
            }
        }
        Ok(Batch { rows, place, ..batch })
    }
}
