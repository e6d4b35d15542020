//! Which collections and partitions of a server, or of its data, are read, and by which names they
//! go on.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::milvus::DEFAULT_PARTITION;
use crate::source::Renaming;
use crate::table::Part;
use crate::words::suggest;

/// What the user wrote: collections, each with its partitions (none: all).
pub type Collections = BTreeMap<String, Option<Vec<String>>>;

/// The part of a configuration that chooses.
#[derive(Clone, Copy)]
pub struct Choice<'a> {
    /// Where it stands: `source.milvus1.collections`.
    pub collections_key: &'static str,
    /// All collections where none are named.
    pub collections: Option<&'a Collections>,
    /// Where the other names stand: `source.milvus1.rename`.
    pub rename_key: &'static str,
    /// Other names: of a collection, or of `collection/partition`.
    pub rename: &'a BTreeMap<String, String>,
}

/// A collection that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its name.
    pub collection: String,
    /// Its partitions.
    pub partitions: Vec<String>,
}

/// A partition that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Number of its collection among the offers.
    pub offer: usize,
    /// Number of it among the collection's.
    pub partition: usize,
    /// What it is of the collection.
    pub part: Part,
    /// The collection's name at the target.
    pub collection: String,
    /// How it is given another one.
    pub renaming: Renaming,
}

impl Choice<'_> {
    /// What is read, in the order of the offers.
    ///
    /// # Errors
    /// For a name that nothing has, with the nearest one that something has.
    pub fn among(&self, offers: &[Offer]) -> Result<Vec<Chosen>> {
        self.check_renamed(offers)?;
        self.check_named(offers)?;
        let mut all = Vec::new();
        for (number, offer) in offers.iter().enumerate() {
            let named = match self.collections {
                None => None,
                Some(collections) => match collections.get(&offer.collection) {
                    None => continue,
                    Some(partitions) => partitions.as_ref().filter(|all| !all.is_empty()),
                },
            };
            for (n, partition) in offer.partitions.iter().enumerate() {
                if named.is_none_or(|named| named.contains(partition)) {
                    all.push(self.chosen(offer, named.is_some(), (number, n)));
                }
            }
        }
        Ok(all)
    }

    fn chosen(&self, offer: &Offer, named: bool, (number, n): (usize, usize)) -> Chosen {
        let partition = &offer.partitions[n];
        let key = partition_key(offer, partition);
        let renamed = self.rename.get(&key);
        let name = renamed.unwrap_or(partition).clone();
        let alone = offer.partitions.len() == 1 && partition == DEFAULT_PARTITION;
        Chosen {
            offer: number,
            partition: n,
            part: match named {
                true => Part::Named(name),
                false if alone && renamed.is_none() => Part::Whole,
                false => Part::OfWhole(name),
            },
            collection: self.renamed(&offer.collection),
            renaming: Renaming {
                setting: self.rename_key,
                collection: offer.collection.clone(),
                partition: Some(key),
            },
        }
    }

    /// The name of a collection at the target.
    pub fn renamed(&self, collection: &str) -> String {
        self.rename.get(collection).map_or(collection, String::as_str).to_owned()
    }

    fn check_named(&self, offers: &[Offer]) -> Result<()> {
        for (name, partitions) in self.collections.into_iter().flatten() {
            let Some(offer) = offers.iter().find(|offer| offer.collection == *name) else {
                let names: Vec<_> = offers.iter().map(|offer| &*offer.collection).collect();
                let error = format!("There is no collection `{name}`");
                return Err(unknown(error, name, &names, "there are none").at(self.collections_key));
            };
            let known: Vec<_> = offer.partitions.iter().map(String::as_str).collect();
            let missing = |name: &&String| !known.contains(&name.as_str());
            if let Some(partition) = partitions.iter().flatten().find(missing) {
                let error = format!("Collection `{name}` has no partition `{partition}`");
                return Err(
                    unknown(error, partition, &known, "it has none").at(self.collections_key)
                );
            }
        }
        Ok(())
    }

    /// A mistyped key would rename nothing in silence.
    fn check_renamed(&self, offers: &[Offer]) -> Result<()> {
        let keys = |offer: &Offer| {
            let partitions = offer.partitions.iter().map(|p| partition_key(offer, p));
            std::iter::once(offer.collection.clone()).chain(partitions).collect::<Vec<_>>()
        };
        let known: Vec<_> = offers.iter().flat_map(keys).collect();
        let Some(key) = self.rename.keys().find(|key| !known.contains(key)) else { return Ok(()) };
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        let error = format!("There is no collection or partition `{key}` to rename");
        Err(unknown(error, key, &known, "there are none").at(self.rename_key))
    }
}

/// A name as `database/collection`, as far as it names a database.
pub fn split_database(name: &str) -> (Option<String>, String) {
    match name.split_once('/') {
        Some((database, collection)) => (Some(database.to_owned()), collection.to_owned()),
        None => (None, name.to_owned()),
    }
}

fn partition_key(offer: &Offer, partition: &str) -> String {
    format!("{}/{partition}", offer.collection)
}

/// The error of a name that nothing has, with the nearest of those that something has.
pub fn unknown(error: String, written: &str, known: &[&str], none: &str) -> Error {
    Error::config(error).help(suggest(written, known).unwrap_or_else(|| none.to_owned()))
}
