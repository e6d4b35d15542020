//! Which of the tables that manifests list are read, and by which names they go on.

use std::collections::BTreeSet;

use super::Config;
use super::paths::Found;
use crate::error::{Error, Result};
use crate::milvus::DEFAULT_PARTITION;
use crate::source::choice::{Choice, Offer, split_database, unknown};
use crate::table::Part;

/// The tables that the configuration wants.
///
/// # Errors
/// For a name that no table has, and when tables are to be chosen where no manifest names them.
pub fn chosen(config: &Config, found: Vec<Found>) -> Result<Vec<Found>> {
    let found = of_databases(config, found)?;
    if config.collections.is_none() && config.rename.is_empty() {
        return Ok(found);
    }
    if let Some(plain) = found.iter().find(|table| !table.is_listed) {
        return Err(Error::config(
            "Only collections that a manifest names can be chosen or renamed",
        )
        .at(&plain.files[0].path)
        .help("name just the folders to read in source.parquet.paths"));
    }
    let (offers, mut tables) = offers(found);
    let choice = Choice {
        collections_key: "source.parquet.collections",
        collections: config.collections.as_ref(),
        rename_key: "source.parquet.rename",
        rename: &config.rename,
    };
    let mut all = Vec::new();
    for chosen in choice.among(&offers)? {
        let Some(mut table) = tables[chosen.offer][chosen.partition].take() else { continue };
        let offer = &offers[chosen.offer];
        if chosen.collection != offer.collection {
            (table.database, table.collection) = match table.database {
                None => (None, chosen.collection),
                Some(old) => {
                    let (new, collection) = split_database(&chosen.collection);
                    (new.or(Some(old)), collection)
                }
            };
        }
        let is_renamed =
            chosen.part.partition().is_some_and(|name| *name != offer.partitions[chosen.partition]);
        table.part = match (chosen.part, table.part) {
            (Part::Named(name), _) => Part::Named(name),
            (Part::OfWhole(name), Part::Named(_)) => Part::Named(name),
            (part @ Part::OfWhole(_), Part::OfWhole(_)) => part,
            (part @ Part::OfWhole(_), Part::Whole) if is_renamed => part,
            (_, part) => part,
        };
        table.renaming = Some(chosen.renaming);
        all.push(table);
    }
    Ok(all)
}

/// Those of the databases that are named.
fn of_databases(config: &Config, mut found: Vec<Found>) -> Result<Vec<Found>> {
    let Some(wanted) = &config.databases else { return Ok(found) };
    let known: BTreeSet<_> = found.iter().filter_map(|table| table.database.as_deref()).collect();
    let known: Vec<_> = known.into_iter().collect();
    if let Some(name) = wanted.iter().find(|name| !known.contains(&name.as_str())) {
        let error = format!("The dump has no database `{name}`");
        return Err(unknown(error, name, &known, "it has none").at("source.parquet.databases"));
    }
    found.retain(|table| table.database.as_ref().is_some_and(|name| wanted.contains(name)));
    Ok(found)
}

/// The collections, and the tables of each, by their numbers.
fn offers(found: Vec<Found>) -> (Vec<Offer>, Vec<Vec<Option<Found>>>) {
    let mut offers: Vec<Offer> = Vec::new();
    let mut tables: Vec<Vec<Option<Found>>> = Vec::new();
    for table in found {
        let collection = match &table.database {
            Some(database) => format!("{database}/{}", table.collection),
            None => table.collection.clone(),
        };
        let number = match offers.iter().position(|offer| offer.collection == collection) {
            Some(number) => number,
            None => {
                offers.push(Offer { collection, partitions: Vec::new() });
                tables.push(Vec::new());
                offers.len() - 1
            }
        };
        let partition = table.part.partition().unwrap_or(DEFAULT_PARTITION);
        offers[number].partitions.push(partition.to_owned());
        tables[number].push(Some(table));
    }
    (offers, tables)
}
