//! The transforms that carry a mapping out, table by table.

use std::collections::BTreeMap;

use super::{CollectionMapping, Mapping};
use crate::error::{Error, Result};
use crate::milvus::v2::collection::Collection;
use crate::sink::TableToWrite;
use crate::transform::constants::{Constants, Value};
use crate::transform::{TransformFactory, rename, select};

/// Where the rows of a table go.
#[derive(Debug, Clone)]
pub(in crate::sink::milvus) struct Goal {
    /// None for the sink's own.
    pub database: Option<String>,
    pub collection: String,
    /// The collection, where it was asked for, exists and stays.
    pub there: Option<There>,
}

/// A collection that rows are added to, and what depends on its server.
#[derive(Debug, Clone)]
pub(in crate::sink::milvus) struct There {
    pub collection: Collection,
    pub lite: bool,
}

impl Mapping {
    /// The transforms of each table, whose rows go to the goal of the same number.
    ///
    /// # Errors
    /// All that is wrong with the mapping, at once.
    pub(in crate::sink::milvus) fn transforms(
        &self,
        tables: &[TableToWrite],
        goals: &[Goal],
    ) -> Result<Vec<Vec<Box<dyn TransformFactory>>>> {
        self.check(tables, goals)?;
        // Fields in the order of the first table that goes there.
        let mut orders: BTreeMap<(&Option<String>, &String), Vec<String>> = BTreeMap::new();
        let mut all = Vec::with_capacity(tables.len());
        for (table, goal) in tables.iter().zip(goals) {
            let mapping = self.of(table).unwrap_or(&NOTHING);
            let mut transforms = mapping.transforms(table, goal.there.as_ref())?;
            let names = mapping.names_of(table);
            let order = orders.entry((&goal.database, &goal.collection)).or_insert(names.clone());
            let alike = names.len() == order.len() && names.iter().all(|name| order.contains(name));
            if alike && names != *order {
                transforms.push(Box::new(select::Config::of(order.clone())));
            }
            all.push(transforms);
        }
        Ok(all)
    }
}

/// What becomes of a collection about which nothing is said.
static NOTHING: CollectionMapping = CollectionMapping {
    collection: None,
    database: None,
    partitions: BTreeMap::new(),
    fields: BTreeMap::new(),
    leave_out: Vec::new(),
    constants: BTreeMap::new(),
};

impl CollectionMapping {
    /// The names of the fields that come out.
    fn names_of(&self, table: &TableToWrite) -> Vec<String> {
        let names = table.schema.arrow().fields().iter().map(|field| field.name());
        let kept = names.filter(|name| !self.leave_out.contains(name));
        let named = kept.map(|name| self.fields.get(name).unwrap_or(name));
        named.chain(self.constants.keys()).cloned().collect()
    }

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
