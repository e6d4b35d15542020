//! A few keys that a collection is recognised by. Milvus Lite gives collections no numbers, and any server
//! can have lost rows, or got others, since a run was interrupted.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::tables::Location;
use crate::error::Result;
use crate::milvus::v2::Client;
use crate::milvus::v2::keys::{Key, KeyRange};
use crate::milvus::v2::page::Scan;
use crate::table::Split;

/// The number of rows, and the first key of the first, the middle and the last split.
pub(super) async fn keys(client: &Client, splits: &[Split]) -> Result<String> {
    let (Some(first), Some(last)) = (splits.first(), splits.last()) else {
        return Ok("no rows".to_owned());
    };
    let Location { scan, .. } = first.location()?;
    let rows = client.count_in(&scan, &KeyRange::default()).await?;
    let mut words = format!("{rows} rows");
    let mut looked_at = Vec::new();
    for split in [first, &splits[splits.len() / 2], last] {
        if !looked_at.contains(&split.index) {
            looked_at.push(split.index);
            let Location { range, .. } = split.location()?;
            words.push_str(&format!(", {:?}", first_key(client, &scan, &range).await?));
        }
    }
    Ok(words)
}

/// The first key of a range; none where it has no rows.
pub(super) async fn first_key(
    client: &Client,
    scan: &Scan,
    range: &KeyRange,
) -> Result<Option<Key>> {
    let page = client.page(scan, range, &key_schema(scan), 1).await?;
    Ok(Key::last_of(page.column(0)))
}

/// The columns of a page of keys alone.
pub(super) fn key_schema(scan: &Scan) -> SchemaRef {
    let data_type = if scan.texts { DataType::Utf8 } else { DataType::Int64 };
    Arc::new(Schema::new(vec![Field::new(&scan.key, data_type, false)]))
}
