//! Why fewer rows came than were counted.

use arrow_array::Array;

use super::tables::Location;
use crate::error::{Error, Result};
use crate::milvus::v2::Client;
use crate::milvus::v2::keys::Key;
use crate::milvus::v2::page::MAX_PAGE;
use crate::source::SourceTable;
use crate::table::Split;
use crate::words::{count, plural};

/// Milvus takes several rows with one key. It counts all of them, and shows one. If that explains
/// what is missing, these are the words for it; anything else is an error.
pub(super) async fn explain(
    client: &Client,
    table: &SourceTable,
    split: &Split,
    came: u64,
) -> Result<Option<String>> {
    let Location { scan, mut range, .. } = split.location()?;
    let now = client.count_in(&scan, &range).await?;
    if now != split.rows {
        return Err(Error::source_changed(format!(
            "{} had {} in a stretch of its keys, and has {} now",
            table.name,
            plural(split.rows, "row"),
            count(now)
        )));
    }
    let schema = scan.key_schema();
    let (mut shown, mut behind_them) = (0, 0);
    loop {
        let page = client.page(&scan, &range, &schema, MAX_PAGE).await?;
        let keys = page.column(0);
        let Some(last) = Key::last_of(keys) else { break };
        shown += keys.len() as u64;
        behind_them += client.count_of(&scan, keys).await?;
        range = range.behind(last);
    }
    if shown == came && behind_them == now {
        return Ok(Some(format!(
            "{} more have keys that other rows have too: Milvus counts all rows of a key and shows one, which is the one that is moved",
            plural(now - came, "row")
        )));
    }
    Err(Error::source(format!(
        "{} counts {} in a stretch of its keys, but gives back {} ({} by another look, which are {} with all that share their keys)",
        table.name,
        plural(now, "row"),
        count(came),
        count(shown),
        count(behind_them)
    ))
    .help("Milvus 2.3 does not give back a row with the key 9223372036854775807; else something writes to the collection, or its query nodes have lost a segment: release it, load it, and run again"))
}
