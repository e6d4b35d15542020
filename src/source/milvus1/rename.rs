//! Other names at the target, as the user gives them.

use crate::error::{Error, Result};
use crate::source::Renaming;
use crate::source::milvus1::Config;
use crate::source::milvus1::meta::{Catalog, Collection, Partition};
use crate::words::suggest;

/// Where the names stand in the configuration.
const SETTING: &str = "source.milvus1.rename";

/// A table's name, which is also the key of its partition's other name.
pub fn table_name(collection: &Collection, partition: &Partition) -> String {
    match &partition.tag {
        None => collection.name.clone(),
        Some(tag) => format!("{}/{tag}", collection.name),
    }
}

/// The keys that rename a table. The default partition has no name of its own.
pub fn keys(collection: &Collection, partition: &Partition) -> Renaming {
    Renaming {
        setting: SETTING,
        collection: collection.name.clone(),
        partition: partition.tag.as_ref().map(|_| table_name(collection, partition)),
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
    let tables = |collection: &Collection| -> Vec<String> {
        let partitions = collection.partitions.iter();
        let tagged = partitions.filter(|partition| partition.tag.is_some());
        tagged.map(|partition| table_name(collection, partition)).collect()
    };
    let of_collection = |collection: &Collection| {
        let mut keys = tables(collection);
        keys.insert(0, collection.name.clone());
        keys
    };
    let known: Vec<String> = catalog.collections.iter().flat_map(of_collection).collect();
    let Some(key) = config.rename.keys().find(|key| !known.contains(key)) else { return Ok(()) };
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    let error = Error::config(format!("There is no collection or partition `{key}` to rename"));
    let error = error.at(SETTING);
    Err(match suggest(key, &known) {
        Some(help) => error.help(help),
        None => error,
    })
}
