//! A few keys that a collection is recognised by, besides its number of rows: Milvus Lite gives collections no
//! numbers, and any server can have lost rows, and got others, since a run was interrupted.

use super::tables::Location;
use crate::error::Result;
use crate::milvus::v2::Client;
use crate::table::Split;

/// The first key of the first, the middle and the last split.
pub(super) async fn keys(client: &Client, splits: &[Split]) -> Result<String> {
    let (Some(first), Some(last)) = (splits.first(), splits.last()) else {
        return Ok("no rows".to_owned());
    };
    let Location { scan, .. } = first.location()?;
    let (mut words, mut looked_at) = (Vec::new(), Vec::new());
    for split in [first, &splits[splits.len() / 2], last] {
        if !looked_at.contains(&split.index) {
            looked_at.push(split.index);
            let Location { range, .. } = split.location()?;
            words.push(format!("{:?}", client.first_key(&scan, &range).await?));
        }
    }
    Ok(words.join(", "))
}
