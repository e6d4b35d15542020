//! Dividing keys into stretches of about as many rows.

use futures::{StreamExt, TryStreamExt, stream};

use super::middle::middle;
use crate::error::{Error, Result};
use crate::milvus::v2::Client;
use crate::milvus::v2::keys::KeyRange;
use crate::milvus::v2::page::Scan;

/// Counts asked for at once.
const AT_ONCE: usize = 8;

/// How often a stretch is halved. Keys that are numbers take 64 times at most, texts about seven
/// for each character; a stretch that is still too large then, because most of its rows have one
/// key, stays as it is.
const HALVINGS: usize = 2_000;

/// Divides what a scan reads, `rows` in all, into stretches of at most `most` rows, by asking how
/// many rows there are up to some key, again and again. Depends on nothing but the rows.
pub(super) async fn divide(
    client: &Client,
    scan: &Scan,
    rows: u64,
    most: u64,
) -> Result<Vec<(KeyRange, u64)>> {
    let mut pieces = vec![(KeyRange::default(), rows)];
    for _ in 0..HALVINGS {
        if pieces.iter().all(|(range, rows)| *rows <= most || middle(range, scan.texts).is_none()) {
            break;
        }
        let halves = stream::iter(pieces).map(|piece| halve(client, scan, piece, most));
        let halves: Vec<_> = halves.buffered(AT_ONCE).try_collect().await?;
        pieces = halves.into_iter().flatten().filter(|(_, rows)| *rows > 0).collect();
    }
    Ok(join(pieces, most))
}

async fn halve(
    client: &Client,
    scan: &Scan,
    (range, rows): (KeyRange, u64),
    most: u64,
) -> Result<Vec<(KeyRange, u64)>> {
    let Some(key) = middle(&range, scan.texts).filter(|_| rows > most) else {
        return Ok(vec![(range, rows)]);
    };
    let (lower, upper) = (range.until(key.clone()), range.behind(key));
    let below = client.count_in(scan, &lower).await?;
    let Some(above) = rows.checked_sub(below) else {
        return Err(Error::source("Rows came while they were counted")
            .help("writes to the source must rest while it is read; run again when they do"));
    };
    Ok(vec![(lower, below), (upper, above)])
}

/// Joins neighbours that are small together: halving leaves many that are half as large as they
/// may be, or less.
fn join(pieces: Vec<(KeyRange, u64)>, most: u64) -> Vec<(KeyRange, u64)> {
    let mut all: Vec<(KeyRange, u64)> = Vec::new();
    for (range, rows) in pieces {
        match all.last_mut() {
            Some((last, so_far)) if *so_far + rows <= most => {
                last.up_to = range.up_to;
                *so_far += rows;
            }
            _ => all.push((range, rows)),
        }
    }
    all
}
