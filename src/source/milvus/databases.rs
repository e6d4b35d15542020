//! Several databases of one server, each read like a source of its own.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::future::join_all;
use tokio::sync::OnceCell;

use super::catalog::nothing_to_read;
use super::config::{Config, Databases};
use super::tables::Location;
use super::{Milvus, Source};
use crate::error::{Error, Result};
use crate::flow::{BatchStream, LARGE_BATCH_BYTES, ReadContext};
use crate::location::DataLocation;
use crate::milvus::v2::Client;
use crate::source::choice::{split_database, unknown};
use crate::source::{Columns, Fingerprint, SourceTable};
use crate::table::Split;

/// The source of several databases.
pub(super) struct Several {
    config: Config,
    opened: OnceCell<Opened>,
}

struct Opened {
    client: Client,
    each: BTreeMap<String, Milvus>,
}

impl Several {
    pub(super) fn new(config: Config) -> Several {
        Several { config, opened: OnceCell::new() }
    }

    async fn opened(&self) -> Result<&Opened> {
        self.opened.get_or_try_init(|| self.open_all()).await
    }

    async fn open_all(&self) -> Result<Opened> {
        let client = Client::connect(self.config.access().options()?).await?;
        let there = client.databases().await?;
        let wanted = match &self.config.databases {
            Some(Databases::Named(names)) => names.clone(),
            Some(Databases::All(_)) | None => there.clone(),
        };
        for name in &wanted {
            is_there(name, &there)?;
        }
        let mut each = BTreeMap::new();
        for (name, config) in divide(&self.config, &wanted)? {
            let client = client.within(&name)?;
            each.insert(name, Milvus::new(config, Some(client)));
        }
        Ok(Opened { client, each })
    }

    /// The source of a database whose tables were asked for.
    fn of(&self, database: Option<&str>) -> Result<&Milvus> {
        let each = self.opened.get().map(|opened| &opened.each);
        each.and_then(|each| each.get(database?))
            .ok_or_else(|| Error::internal("The source was opened before its plan"))
    }
}

fn is_there(name: &str, there: &[String]) -> Result<()> {
    if there.iter().any(|other| other == name) {
        return Ok(());
    }
    let known: Vec<_> = there.iter().map(String::as_str).collect();
    let error = format!("Milvus has no database `{name}`");
    Err(unknown(error, name, &known, "it has none").at("source.milvus.databases"))
}

/// The configuration of each database: with its own part of the collections that are named.
fn divide(config: &Config, databases: &[String]) -> Result<BTreeMap<String, Config>> {
    let mut each = BTreeMap::new();
    for name in databases {
        let of = Config {
            database: Some(name.clone()),
            databases: None,
            collections: config.collections.as_ref().map(|_| BTreeMap::new()),
            rename: BTreeMap::new(),
            ..config.clone()
        };
        each.insert(name.clone(), of);
    }
    for (key, partitions) in config.collections.iter().flatten() {
        let (of, collection) = place(&mut each, key, "source.milvus.collections")?;
        of.collections.get_or_insert_default().insert(collection, partitions.clone());
    }
    for (key, name) in &config.rename {
        let (of, old) = place(&mut each, key, "source.milvus.rename")?;
        of.rename.insert(old, name.clone());
    }
    let named = matches!(config.databases, Some(Databases::Named(_)));
    let is_empty = |of: &Config| of.collections.as_ref().is_some_and(BTreeMap::is_empty);
    if let Some((name, _)) = each.iter().find(|(_, of)| named && is_empty(of)) {
        return Err(Error::config(format!(
            "Collections are named, but none of the database {name}"
        ))
        .at("source.milvus.collections")
        .help("name those of it, too, or leave the database out"));
    }
    each.retain(|_, of| of.collections.as_ref().is_none_or(|named| !named.is_empty()));
    Ok(each)
}

/// Which database's a `database/collection` is.
fn place<'a>(
    each: &'a mut BTreeMap<String, Config>,
    key: &str,
    setting: &str,
) -> Result<(&'a mut Config, String)> {
    let Some((database, collection)) = key.split_once('/') else {
        return Err(Error::config(format!("`{key}` does not say in which database it is"))
            .at(setting)
            .help(format!("with source.milvus.databases, write it like default/{key}")));
    };
    let names: Vec<_> = each.keys().cloned().collect();
    match each.get_mut(database) {
        Some(of) => Ok((of, collection.to_owned())),
        None => {
            let known: Vec<_> = names.iter().map(String::as_str).collect();
            let error = format!("`{key}` is of a database that is not read");
            Err(unknown(error, database, &known, "none is read").at(setting))
        }
    }
}

/// A table of one database as one among those of all.
fn of_all(database: &str, mut table: SourceTable) -> SourceTable {
    table.name = format!("{database}/{}", table.name);
    // A new name may be one in another database.
    let (other, collection) = split_database(&table.collection);
    table.database = Some(other.unwrap_or_else(|| database.to_owned()));
    table.collection = collection;
    if let Some(renaming) = &mut table.renaming {
        renaming.collection = format!("{database}/{}", renaming.collection);
        renaming.partition = renaming.partition.take().map(|key| format!("{database}/{key}"));
    }
    table
}

/// The database that a table is read from.
fn database_of(table: &SourceTable) -> Option<&str> {
    table.name.split_once('/').map(|(database, _)| database)
}

#[async_trait]
impl Source for Several {
    fn kind(&self) -> &'static str {
        "milvus"
    }

    fn batch_bytes(&self) -> u64 {
        LARGE_BATCH_BYTES
    }

    async fn ready(&self) -> Result<()> {
        for (database, source) in &self.opened().await?.each {
            source.ready().await.map_err(|error| error.at(format!("database {database}")))?;
        }
        Ok(())
    }

    async fn changed_meanwhile(&self) -> Vec<(String, String)> {
        let Some(opened) = self.opened.get() else { return Vec::new() };
        let each = opened.each.iter().map(|(database, source)| async move {
            let found = source.changed_meanwhile().await.into_iter();
            found.map(|(table, words)| (format!("{database}/{table}"), words)).collect::<Vec<_>>()
        });
        join_all(each).await.concat()
    }

    async fn close(&self) {
        if let Some(opened) = self.opened.get() {
            join_all(opened.each.values().map(|source| source.close())).await;
        }
    }

    async fn tables(&self) -> Result<Vec<SourceTable>> {
        let opened = self.opened().await?;
        let mut all = Vec::new();
        for (database, source) in &opened.each {
            let found = source.find_tables().await;
            let found = found.map_err(|error| error.at(format!("database {database}")))?;
            all.extend(found.into_iter().map(|table| of_all(database, table)));
        }
        match all.is_empty() {
            true => Err(nothing_to_read(&opened.client)),
            false => Ok(all),
        }
    }

    async fn read_locations(&self, table: &SourceTable) -> Result<Vec<DataLocation>> {
        let (database, name) = table.name.split_once('/').unwrap_or(("", &table.name));
        self.of(Some(database))?.location_of(name).await
    }

    async fn fingerprint(&self, table: &SourceTable) -> Result<Fingerprint> {
        self.of(database_of(table))?.fingerprint(table).await
    }

    fn resume(&self, splits: &[Split]) -> Result<()> {
        let Some(split) = splits.first() else { return Ok(()) };
        let location: Location = split.location()?;
        self.of(location.database.as_deref())?.resume(splits)
    }

    fn open(
        &self,
        table: &SourceTable,
        split: &Split,
        from_row: u64,
        columns: Columns,
        cx: &ReadContext,
    ) -> Result<BatchStream> {
        self.of(database_of(table))?.open(table, split, from_row, columns, cx)
    }

    async fn fewer_rows(
        &self,
        table: &SourceTable,
        split: &Split,
        came: u64,
    ) -> Result<Option<String>> {
        self.of(database_of(table))?.fewer_rows(table, split, came).await
    }
}
