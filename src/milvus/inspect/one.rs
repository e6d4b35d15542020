//! What is inside a Milvus 0.10 or 1.x.

use crate::error::Result;
use crate::milvus::v1::Client;
use crate::milvus::v1::collection::Collection;
use crate::source::inspect::{Inspection, Section};
use crate::table::Metric;
use crate::words;

/// Looks at all collections.
pub(super) async fn look(client: &Client) -> Result<Inspection> {
    let mut rows = Vec::new();
    let names = client.collections().await?;
    for name in &names {
        // It may have been dropped in between.
        let Some(collection) = client.describe_collection(name).await? else { continue };
        rows.push(words_of(client, &collection).await?);
    }
    Ok(Inspection {
        title: format!("Milvus server at {}", client.endpoint()),
        facts: vec![
            ("version".to_owned(), client.version().to_string()),
            ("collections".to_owned(), words::count(names.len() as u64)),
        ],
        sections: vec![Section {
            title: "Collections".to_owned(),
            header: vec!["collection", "rows", "partitions", "vectors", "metric"],
            rows,
        }],
        first_rows: None,
    })
}

async fn words_of(client: &Client, collection: &Collection) -> Result<Vec<String>> {
    let name = &collection.name;
    let metric = Metric::of_milvus1(collection.metric.into());
    let sort = match metric.is_some_and(|metric| metric.is_binary()) {
        true => "binary",
        false => "float32",
    };
    Ok(vec![
        name.clone(),
        words::count(client.count(name, None).await?),
        client.partitions(name).await?.join(", "),
        format!("{sort} × {}", collection.dim),
        metric.map_or_else(|| "unknown".to_owned(), |metric| metric.to_string()),
    ])
}
