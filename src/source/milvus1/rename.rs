//! Other names at the target, as the user gives them.

use crate::error::{Error, Result};
use crate::source::Renaming;
use crate::source::milvus1::Config;
use crate::source::milvus1::meta::{Catalog, Collection, Partition};
use crate::source::milvus1::plan::tag_of;
use crate::words::suggest;

/// Where the names stand in the configuration.
const SETTING: &str = "source.milvus1.rename";

/// A table's name.
pub fn table_name(collection: &Collection, partition: &Partition) -> String {
    match &partition.tag {
        None => collection.name.clone(),
        Some(tag) => format!("{}/{tag}", collection.name),
    }
}

/// The key of a partition's other name.
pub fn partition_key(collection: &Collection, partition: &Partition) -> String {
    format!("{}/{}", collection.name, tag_of(partition))
}

/// The keys that rename a table.
pub fn keys(collection: &Collection, partition: &Partition) -> Renaming {
    Renaming {
        setting: SETTING,
        collection: collection.name.clone(),
        partition: Some(partition_key(collection, partition)),
    }
}

/// The other name that stands under `key`, or `name`.
pub fn renamed(config: &Config, key: &str, name: &str) -> String {
    config.rename.get(key).map_or(name, String::as_str).to_owned()
}

/// Makes sure that every key names something: a mistyped one would rename nothing in silence.
///
/// # Errors
/// For the first that does not, with the nearest one that would.
pub fn check(config: &Config, catalog: &Catalog) -> Result<()> {
    let collections = catalog.collections.iter();
    let known: Vec<String> = collections
        .flat_map(|collection| {
            let partitions = collection.partitions.iter();
            let partitions = partitions.map(move |partition| partition_key(collection, partition));
            std::iter::once(collection.name.clone()).chain(partitions)
        })
        .collect();
    let Some(key) = config.rename.keys().find(|key| !known.contains(key)) else { return Ok(()) };
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    let error = Error::config(format!("There is no collection or partition `{key}` to rename"));
    let error = error.at(SETTING);
    Err(match suggest(key, &known) {
        Some(help) => error.help(help),
        None => error,
    })
}
