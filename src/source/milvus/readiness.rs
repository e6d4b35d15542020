//! Loading what is not loaded, and setting it back.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::catalog::{TEMPORARY_INDEX, Wanted};
use super::ranges::AT_ONCE;
use super::tables::Location;
use crate::error::{Error, Result};
use crate::milvus::v2::Client;
use crate::milvus::v2::definition::IndexDefinition;
use crate::milvus::v2::field::is_vector;
use crate::milvus::v2::keys::KeyRange;
use crate::milvus::v2::load::Loaded;
use crate::milvus::v2::page::Scan;
use crate::milvus::v2::proto::schema::DataType;
use crate::source::SourceTable;
use crate::words::count;

/// How long a server may take to answer the first question after the rows have moved.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// What was done to a collection so that it can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Readied {
    /// What was loaded.
    pub loaded: Loaded,
    /// Fields that got an index.
    pub indexed: Vec<String>,
}

/// What was done to which collection, and which tables were read.
#[derive(Debug, Default)]
pub(super) struct Readiness {
    readied: Mutex<BTreeMap<String, Readied>>,
    read: Mutex<BTreeMap<String, (Scan, u64)>>,
}

impl Readiness {
    /// Loads what is read of a collection, where it is not.
    pub async fn make_ready(&self, client: &Client, wanted: &Wanted, prepare: bool) -> Result<()> {
        let name = &wanted.collection.name;
        let partitions = wanted.names();
        if client.is_loaded(name, &partitions).await? {
            return Ok(());
        }
        let mut indexed = Vec::new();
        for field in wanted.collection.fields.iter().filter(|f| is_vector(f.data_type())) {
            if wanted.indexes.iter().any(|index| index.definition.field == field.name) {
                continue;
            }
            if !prepare && !client.version().is_lite() {
                return Err(no_index(name, &field.name));
            }
            if prepare {
                let (index_type, metric) = cheapest(field.data_type());
                let index = IndexDefinition {
                    field: field.name.clone(),
                    name: TEMPORARY_INDEX.to_owned(),
                    index_type: index_type.to_owned(),
                    metric_type: metric.to_owned(),
                    ..IndexDefinition::default()
                };
                client.create_index(name, &index).await?;
                indexed.push(field.name.clone());
                self.list().insert(
                    name.clone(),
                    Readied { loaded: Loaded::Nothing, indexed: indexed.clone() },
                );
            }
        }
        tracing::info!(collection = %name, "Not loaded: it is loaded while it is read");
        let whole = partitions.len() == wanted.partitions.len();
        let missing = client.not_loaded(name, &partitions).await?;
        let loads = match whole && missing.len() == partitions.len() {
            true => Loaded::Collection,
            false => Loaded::Partitions(missing),
        };
        // Noted before: what is cut short must be set back, too.
        self.list().insert(name.clone(), Readied { loaded: loads, indexed: indexed.clone() });
        let loaded = client.load_missing(name, &partitions, whole).await.map_err(|error| {
            Error::from(error)
                .at(format!("loading collection {name}"))
                .help("only what is loaded can be read: load it by other means, or make room in the query nodes")
        })?;
        self.list().insert(name.clone(), Readied { loaded, indexed });
        Ok(())
    }

    /// What was done to a collection.
    pub fn of(&self, collection: &str) -> Option<Readied> {
        self.list().get(collection).cloned()
    }

    /// Tells of what an interrupted run had done. It is not set back, because somebody else may
    /// need it by now.
    pub fn tell_of_earlier(&self, collection: &str, earlier: &Readied) {
        if !self.list().contains_key(collection) {
            let Readied { loaded, indexed } = earlier;
            tracing::warn!(
                %collection,
                ?loaded,
                ?indexed,
                "The interrupted run made it ready to be read, and may not have set that back: release it, and drop the index {TEMPORARY_INDEX}, if nobody needs them"
            );
        }
    }

    /// Remembers what was read, and how many rows were planned.
    pub fn was_read(&self, table: &SourceTable) {
        let location = table.splits.first().map(|split| split.location::<Location>());
        if let Some(Ok(location)) = location {
            self.reads().insert(table.name.clone(), (location.scan, table.rows));
        }
    }

    /// Which tables that were read have another number of rows by now, and of which that is not known. Their
    /// pages showed several moments, so that any of these rows may have been read or not.
    pub async fn changed_meanwhile(&self, client: &Client) -> Vec<(String, String)> {
        let mut read = std::mem::take(&mut *self.reads());
        read.retain(|_, (scan, _)| !scan.freshness.is_one_moment());
        if read.is_empty() {
            return Vec::new();
        }
        tracing::info!("Counting the rows of the source once more");
        // A server that is gone is not waited for as long as its requests are tried again.
        let asked = tokio::time::timeout(ANSWERS_WITHIN, client.since_now()).await;
        let freshness = match asked {
            Ok(Ok(freshness)) => freshness,
            Ok(Err(error)) => return read.into_keys().map(|t| (t, not_known(&error))).collect(),
            Err(late) => return read.into_keys().map(|t| (t, not_known(&late))).collect(),
        };
        let counts = read.into_iter().map(|(table, (scan, planned))| async move {
            let scan = Scan { freshness, ..scan };
            let words = match client.count_in(&scan, &KeyRange::default()).await {
                Ok(now) if now == planned => return None,
                Ok(now) => changed(planned, now),
                Err(error) => not_known(&error),
            };
            Some((table, words))
        });
        stream::iter(counts)
            .buffer_unordered(AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await
    }

    /// Releases and drops what was made; says what could not be, and goes on.
    pub async fn set_back(&self, client: &Client) {
        let readied = std::mem::take(&mut *self.list());
        for (collection, Readied { loaded, indexed }) in readied {
            let mut done = client.release(&collection, loaded).await;
            for field in &indexed {
                if done.is_ok() {
                    done = client.drop_index(&collection, field, TEMPORARY_INDEX).await;
                }
            }
            if let Err(error) = done {
                tracing::warn!(%collection, "Still loaded or indexed, only to be read: {error}");
            }
        }
    }

    fn list(&self) -> MutexGuard<'_, BTreeMap<String, Readied>> {
        self.readied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reads(&self) -> MutexGuard<'_, BTreeMap<String, (Scan, u64)>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is said of a table that has other rows than were planned.
fn changed(planned: u64, now: u64) -> String {
    format!(
        "It had {} rows when the run was planned, and has {} now: rows that came or went meanwhile may be at the target or not; `pipeline verify` names them",
        count(planned),
        count(now)
    )
}

/// What is said of a table that could not be counted again.
fn not_known(error: &dyn std::fmt::Display) -> String {
    format!(
        "Whether its rows changed while they were read is not known, because they could not be counted again: {error}. `pipeline verify` compares source and target"
    )
}

/// The index that costs the least to make, and a metric that fits; nobody searches by it.
fn cheapest(data_type: DataType) -> (&'static str, &'static str) {
    match data_type {
        DataType::BinaryVector => ("BIN_FLAT", "HAMMING"),
        DataType::SparseFloatVector => ("SPARSE_INVERTED_INDEX", "IP"),
        DataType::Int8Vector => ("AUTOINDEX", "L2"),
        _ => ("FLAT", "L2"),
    }
}

fn no_index(collection: &str, field: &str) -> Error {
    Error::source(format!(
        "Collection {collection} can't be read: its field {field} has no index, so Milvus does not load it"
    ))
    .help("make an index, or set source.milvus.prepare: true, which makes one for the time of the run")
}
