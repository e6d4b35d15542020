//! Keeps some columns and leaves the others out.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::flow::Batch;
use crate::table::{Role, TableSchema};
use crate::transform::{SplitContext, Transform, TransformFactory};

/// The columns to keep, in this order. The id and a vector are among them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Config(Vec<String>);

impl Config {
    /// These columns.
    pub fn of(columns: Vec<String>) -> Config {
        Config(columns)
    }
}

impl TransformFactory for Config {
    fn kind(&self) -> &'static str {
        "select"
    }

    fn plan(&self, input: &TableSchema) -> Result<Box<dyn Transform>> {
        let mut indices = Vec::with_capacity(self.0.len());
        for name in &self.0 {
            let Ok(index) = input.arrow().index_of(name) else {
                let names: Vec<_> =
                    input.arrow().fields().iter().map(|f| f.name().as_str()).collect();
                return Err(Error::config(format!("There is no column `{name}` to select"))
                    .help(format!("the columns here are {}", names.join(", "))));
            };
            if indices.contains(&index) {
                return Err(Error::config(format!("Column `{name}` is selected twice")));
            }
            indices.push(index);
        }
        let has_vector = indices.iter().any(|i| Role::of(input.arrow().field(*i)) == Role::Vector);
        for (role, needed, there) in [
            ("id", input.id_index(), indices.contains(&input.id_index())),
            ("vector", input.vector_index(), has_vector),
        ] {
            if !there {
                let name = input.arrow().field(needed).name();
                return Err(Error::config(format!(
                    "The {role} column `{name}` is not selected, but no table is without one"
                ))
                .help(format!("add `{name}` to the list")));
            }
        }
        let arrow = input.arrow().project(&indices).map_err(|error| {
            Error::internal("The selected columns make no schema").because(error)
        })?;
        Ok(Box::new(Select { output: TableSchema::new(Arc::new(arrow))?, indices }))
    }
}

struct Select {
    output: TableSchema,
    indices: Vec<usize>,
}

impl Transform for Select {
    fn output(&self) -> &TableSchema {
        &self.output
    }

    fn apply(&self, batch: Batch, _: &SplitContext) -> Result<Batch> {
        let rows = batch
            .rows
            .project(&self.indices)
            .map_err(|error| Error::internal("A batch lacks a selected column").because(error))?;
        Ok(Batch { rows, ..batch })
    }
}
