//! What is inside a data directory, for `pipeline inspect`.

use std::path::Path;

use crate::error::Result;
use crate::milvus::DEFAULT_PARTITION;
use crate::source::inspect::{Inspection, Section};
use crate::source::milvus1::plan;
use crate::source::milvus1::{Config, MetaConfig, meta};
use crate::words;

/// Looks into the folder at `place`; none when it is not one with SQLite metadata of an old server.
///
/// # Errors
/// When it is one and can't be read.
pub async fn inspect(place: &str) -> Result<Option<Inspection>> {
    let path = Path::new(place);
    if !path.join("db").join("meta.sqlite").is_file() {
        return Ok(None);
    }
    let config = Config {
        path: path.to_owned(),
        extra_paths: Vec::new(),
        meta: MetaConfig::Sqlite,
        collections: None,
        rename: std::collections::BTreeMap::new(),
    };
    let catalog = meta::read(path, &config.meta).await?;
    let tables = plan::plan(&config).await?;
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for table in &tables {
        rows.push(vec![
            table.collection.clone(),
            table.part.partition().unwrap_or(DEFAULT_PARTITION).to_owned(),
            words::count(table.rows),
            table.schema.column().to_string(),
            table.metric.map(|metric| metric.to_string()).unwrap_or_default(),
            words::bytes(table.bytes as f64),
        ]);
        let of_table = table.warnings.iter().chain(&table.notes);
        notes.extend(of_table.map(|note| (table.name.clone(), note.clone())));
    }
    let facts = vec![
        ("metadata".to_owned(), "SQLite".to_owned()),
        ("collections".to_owned(), words::count(catalog.collections.len() as u64)),
    ];
    Ok(Some(Inspection {
        title: format!("Milvus 0.10 or 1.x data directory {}", path.display()),
        facts: facts.into_iter().chain(notes).collect(),
        sections: vec![Section {
            title: "Collections".to_owned(),
            header: vec!["collection", "partition", "rows", "vectors", "metric", "size"],
            rows,
        }],
        first_rows: None,
    }))
}
