//! What is inside a Milvus 2.x.

use arrow_array::RecordBatch;

use crate::error::{Error, Result};
use crate::milvus::names::is_mark;
use crate::milvus::v2::Client;
use crate::milvus::v2::collection::Collection;
use crate::milvus::v2::field::type_words;
use crate::source::inspect::{FIRST_ROWS, Inspection, Section};
use crate::words;

/// Looks at all collections of the connection's database.
pub(super) async fn look(client: &Client) -> Result<Inspection> {
    let mut collections = Section {
        title: "Collections".to_owned(),
        header: vec!["collection", "rows", "partitions", "index", "loaded", "description"],
        rows: Vec::new(),
    };
    let mut fields = Section {
        title: "Fields".to_owned(),
        header: vec!["collection", "field", "type", "role"],
        rows: Vec::new(),
    };
    let mut first_rows = None;
    let mut names = client.collections().await?;
    names.retain(|name| !is_mark(name));
    for name in &names {
        let with_rows = first_rows.is_none();
        match look_at(client, name, with_rows).await {
            Ok(Some(found)) => {
                collections.rows.push(found.words);
                fields.rows.extend(found.fields);
                first_rows = first_rows.or(found.first_rows);
            }
            Ok(None) => {}
            // It may have been dropped in between.
            Err(error) => match client.describe_collection(name).await? {
                None => {}
                Some(_) => return Err(error),
            },
        }
    }
    let mut facts = vec![
        ("version".to_owned(), client.version().to_string()),
        ("collections".to_owned(), words::count(names.len() as u64)),
    ];
    if let Some(database) = client.database() {
        facts.push(("database".to_owned(), database.to_owned()));
    }
    Ok(Inspection {
        title: format!("Milvus server at {}", client.endpoint()),
        facts,
        sections: vec![collections, fields],
        first_rows,
    })
}

/// What is shown of one collection.
struct Found {
    words: Vec<String>,
    fields: Vec<Vec<String>>,
    first_rows: Option<RecordBatch>,
}

/// Looks at one collection; `None` when there is none of that name.
async fn look_at(client: &Client, name: &str, with_rows: bool) -> Result<Option<Found>> {
    let Some(collection) = client.describe_collection(name).await? else { return Ok(None) };
    let partitions = client.partitions(name).await?;
    let loaded = client.is_loaded(name, &partitions).await?;
    let rows = match loaded && !client.version().is_lite() {
        true => client.count(name, &[]).await?,
        false => client.row_count(name, None).await?,
    };
    let words = vec![
        name.to_owned(),
        // Rows that were never flushed do not show in the statistics.
        if loaded || rows > 0 { words::count(rows) } else { "0 flushed".to_owned() },
        partitions.join(", "),
        index_words(client, name).await?,
        if loaded { "yes" } else { "no" }.to_owned(),
        collection.description.clone(),
    ];
    let first_rows = match with_rows && loaded && rows > 0 {
        true => Some(client.first_rows(&collection, FIRST_ROWS).await?),
        false => None,
    };
    Ok(Some(Found { words, fields: field_rows(&collection).collect(), first_rows }))
}

async fn index_words(client: &Client, collection: &str) -> Result<String, Error> {
    let words: Vec<_> = client
        .indexes(collection)
        .await?
        .iter()
        .map(|index| &index.definition)
        .map(|index| format!("{} {} {}", index.field, index.index_type, index.metric_type))
        .map(|words| words.trim_end().to_owned())
        .collect();
    Ok(if words.is_empty() { "none".to_owned() } else { words.join("; ") })
}

fn field_rows(collection: &Collection) -> impl Iterator<Item = Vec<String>> {
    collection.fields.iter().map(|field| {
        let role = match (field.is_primary_key, field.auto_id) {
            (true, true) => "primary key, made by the server",
            (true, false) => "primary key",
            _ if field.is_partition_key => "partition key",
            _ => "",
        };
        vec![collection.name.clone(), field.name.clone(), type_words(field), role.to_owned()]
    })
}
