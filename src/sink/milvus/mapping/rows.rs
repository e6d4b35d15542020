//! The transforms that carry a mapping out, table by table.

use super::{CollectionMapping, Mapping};
use crate::error::{Error, Result};
use crate::milvus::v2::collection::Collection;
use crate::sink::TableToWrite;
use crate::transform::constants::{Constants, Value};
use crate::transform::{TransformFactory, rename, select};

/// A collection that rows are added to, and what depends on its server.
#[derive(Debug, Clone)]
pub(in crate::sink::milvus) struct There {
    pub collection: Collection,
    pub lite: bool,
}

impl Mapping {
    /// The transforms of each table. `there` has the collection that a table goes to, where it
    /// exists and stays.
    ///
    /// # Errors
    /// All that is wrong with the mapping, at once.
    pub(in crate::sink::milvus) fn transforms(
        &self,
        tables: &[TableToWrite],
        there: &[Option<There>],
    ) -> Result<Vec<Vec<Box<dyn TransformFactory>>>> {
        self.check(tables, there)?;
        let all = tables.iter().zip(there).map(|(table, there)| match self.of(table) {
            Some(mapping) => mapping.transforms(table, there.as_ref()),
            None => Ok(Vec::new()),
        });
        all.collect()
    }
}

impl CollectionMapping {
    /// A constant with the type that it gets, or why it can't have it.
    pub(super) fn constant(
        &self,
        name: &str,
        there: Option<&There>,
    ) -> Option<Result<Value, String>> {
        let of = |there: &There| there.collection.fields.iter().find(|f| f.name == name).cloned();
        let field = there.and_then(of);
        let lite = there.is_some_and(|there| there.lite);
        Some(self.constants.get(name)?.typed(field.as_ref(), lite))
    }

    fn transforms(
        &self,
        table: &TableToWrite,
        there: Option<&There>,
    ) -> Result<Vec<Box<dyn TransformFactory>>> {
        let mut all: Vec<Box<dyn TransformFactory>> = Vec::new();
        if !self.leave_out.is_empty() {
            let names = table.schema.arrow().fields().iter().map(|field| field.name().clone());
            let kept = names.filter(|name| !self.leave_out.contains(name));
            all.push(Box::new(select::Config::of(kept.collect())));
        }
        if !self.fields.is_empty() {
            all.push(Box::new(rename::Config::of(self.fields.clone())));
        }
        let constants = self.constants.keys().filter_map(|name| {
            let value = self.constant(name, there)?;
            Some(value.map(|value| (name.clone(), value)).map_err(Error::config))
        });
        let constants = constants.collect::<Result<Vec<_>>>()?;
        if !constants.is_empty() {
            all.push(Box::new(Constants(constants)));
        }
        Ok(all)
    }
}
