//! Which index is made, and the metric.

use serde_json::Map;

use super::config::{Config, IndexChoice, IndexConfig};
use super::origin::Origin;
use super::target::Found;
use crate::error::{Error, Result};
use crate::milvus::v2::definition::IndexDefinition;
use crate::milvus::v2::{Client, ServerVersion};
use crate::sink::TableToWrite;
use crate::table::{Metric, VectorType};

/// Makes an index of a new collection.
pub(super) async fn create(
    client: &Client,
    collection: &str,
    index: &IndexDefinition,
) -> Result<()> {
    client.create_index(collection, index).await.map_err(|error| {
        Error::from(error)
            .at(format!("index {} on {}", index.index_type, index.place()))
            .help("this is sink.milvus.index, or the source's index where that does not say which: write one that the server takes, such as sink.milvus.index: { type: AUTOINDEX }, or none")
    })
}

/// The same, unless it is there.
pub(super) async fn create_if_missing(
    client: &Client,
    collection: &str,
    index: &IndexDefinition,
) -> Result<()> {
    let there = client.indexes(collection).await?;
    match there.iter().any(|made| index.is(&made.definition)) {
        true => Ok(()),
        false => create(client, collection, index).await,
    }
}

/// The metric, and who said so.
fn metric_of(config: &Config, table: &TableToWrite) -> Result<(Metric, &'static str)> {
    let given = match &config.index {
        IndexConfig::Given(spec) => spec.metric,
        IndexConfig::Choice(_) => None,
    };
    if let Some(metric) = given.or(config.schema.metric) {
        return Ok((metric, "as configured"));
    }
    Ok(match (Origin::of(table)?.metric(table), table.schema.column().vector_type) {
        // Tanimoto's distance is a rising function of Jaccard's.
        (Some(Metric::Tanimoto), VectorType::Binary) => {
            (Metric::Jaccard, "in place of TANIMOTO, which Milvus 2.x lacks; both rank the same")
        }
        (Some(metric), _) => (metric, "as the source says"),
        (None, VectorType::Binary) => {
            (Metric::Hamming, "assumed; set sink.milvus.schema.metric if it is another")
        }
        (None, _) => (Metric::L2, "assumed; set sink.milvus.schema.metric if it is another"),
    })
}

fn check_metric(metric: Metric, table: &TableToWrite, version: &ServerVersion) -> Result<()> {
    let vector_type = table.schema.column().vector_type;
    if metric == Metric::Tanimoto {
        return Err(Error::config("Milvus 2.x has no metric TANIMOTO")
            .help("set sink.milvus.schema.metric: JACCARD, which ranks the same"));
    }
    if !metric.is_of_milvus() {
        return Err(Error::config(format!("Milvus has no metric {metric}"))
            .help("say by which one it shall search instead: sink.milvus.schema: { metric: L2 } (or IP, COSINE)"));
    }
    if !metric.fits(vector_type) {
        return Err(Error::config(format!(
            "The metric {metric} does not fit {vector_type} vectors"
        ))
        .help(match vector_type {
            VectorType::Binary => "set sink.milvus.schema.metric to HAMMING or JACCARD",
            _ => "set sink.milvus.schema.metric to L2, IP or COSINE",
        }));
    }
    if metric == Metric::Cosine && !version.is_lite() && !version.at_least(2, 3, 0) {
        return Err(Error::config(format!("{version} has no metric COSINE"))
            .help("normalise the vectors and set sink.milvus.schema.metric: IP"));
    }
    Ok(())
}

/// The index of a collection that is made, and a note about it.
pub(super) fn for_new(
    config: &Config,
    table: &TableToWrite,
    field: &str,
    version: &ServerVersion,
) -> Result<(Option<IndexDefinition>, String)> {
    let (metric, why) = metric_of(config, table)?;
    check_metric(metric, table, version)?;
    let (index_type, params) = match &config.index {
        IndexConfig::Choice(IndexChoice::None) => {
            let note = format!(
                "no index is made: the metric ({metric}) is recorded nowhere, and the collection can't be searched"
            );
            return Ok((None, note));
        }
        IndexConfig::Choice(IndexChoice::Auto) => (auto_type(metric).to_owned(), Map::new()),
        IndexConfig::Given(spec) => (spec.index_type.to_ascii_uppercase(), spec.params.clone()),
    };
    let note = format!("index {index_type} on {field}, metric {metric} ({why})");
    let index = IndexDefinition {
        field: field.to_owned(),
        index_type,
        metric_type: metric.name().to_owned(),
        params,
        ..IndexDefinition::default()
    };
    Ok((Some(index), note))
}

/// The index that the server picks for the vector type. Only the brute-force index of binary
/// vectors knows the set metrics (measured on 2.3.5).
fn auto_type(metric: Metric) -> &'static str {
    match metric {
        Metric::Substructure | Metric::Superstructure => "BIN_FLAT",
        _ => "AUTOINDEX",
    }
}

/// What becomes of the index of a collection that is there. Its own index stays; where it has
/// none, only one that is asked for by type is made: the choice is its owner's.
pub(super) fn for_existing(
    config: &Config,
    table: &TableToWrite,
    field: &str,
    found: &Found,
    version: &ServerVersion,
) -> Result<(Option<IndexDefinition>, String)> {
    let Some(index) = found.index_on(field) else {
        if matches!(config.index, IndexConfig::Given(_)) {
            return for_new(config, table, field, version);
        }
        let note = format!(
            "{field} has no index, and none is made; give sink.milvus.index a type to make one"
        );
        return Ok((None, note));
    };
    let (index, (metric, _)) = (&index.definition, metric_of(config, table)?);
    let configured = config.schema.metric.is_some()
        || matches!(&config.index, IndexConfig::Given(spec) if spec.metric.is_some());
    let differs = !index.metric_type.is_empty() && index.metric_type != metric.name();
    if differs && configured {
        return Err(Error::config(format!(
            "The collection is indexed by {}, the configuration says {metric}",
            index.metric_type
        ))
        .help("leave out sink.milvus.schema.metric, or write to another collection"));
    }
    let mut note =
        format!("index {} on {field}, metric {}, stays", index.index_type, index.metric_type);
    if differs && table.metric.is_some() {
        note.push_str(&format!(", although the source says {metric}"));
    }
    Ok((None, note))
}
