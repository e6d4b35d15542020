//! Dividing keys into stretches of about as many rows.

use futures::{StreamExt, TryStreamExt, stream};

use super::middle::middle;
use crate::error::{Error, Result};
use crate::milvus::v2::Client;
use crate::milvus::v2::keys::{Key, KeyRange};
use crate::milvus::v2::page::Scan;

/// Counts asked for at once.
const AT_ONCE: usize = 8;

/// Lengths of stretches that are tried first, as powers of two.
const LENGTHS: [u32; 8] = [16, 18, 20, 23, 26, 32, 42, 52];

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
    let mut pieces = begin(client, scan, rows).await?;
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

/// The first stretches. Keys that are numbers are mostly close together, and halving all numbers there
/// are would take some forty counts, one after the other, to get near them: so a few lengths, counted
/// from the first key on, are tried at once.
async fn begin(client: &Client, scan: &Scan, rows: u64) -> Result<Vec<(KeyRange, u64)>> {
    let whole = KeyRange::default();
    let Some(Key::Number(first)) = client.first_key(scan).await? else {
        return Ok(vec![(whole, rows)]);
    };
    let ends = LENGTHS.iter().filter_map(|bits| first.checked_add((1 << bits) - 1));
    let keys: Vec<_> = ends.map(Key::Number).collect();
    let ranges = keys.into_iter().map(|key| whole.until(key));
    let counts = ranges.map(|range| async {
        let count = client.count_in(scan, &range).await?;
        Ok::<_, Error>((range, count))
    });
    let counts: Vec<_> = stream::iter(counts).buffered(AT_ONCE).try_collect().await?;
    let (mut pieces, mut rest, mut before) = (Vec::new(), whole, 0);
    for (range, count) in counts {
        let (Some(end), Some(here)) = (range.up_to, count.checked_sub(before)) else {
            return Err(changed());
        };
        pieces.push((rest.until(end.clone()), here));
        (rest, before) = (rest.behind(end), count);
    }
    pieces.push((rest, rows.checked_sub(before).ok_or_else(changed)?));
    pieces.retain(|(_, rows)| *rows > 0);
    Ok(pieces)
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
        return Err(changed());
    };
    Ok(vec![(lower, below), (upper, above)])
}

fn changed() -> Error {
    Error::source("Rows came or went while they were counted")
        .help("writes to the source must rest while it is read; run again when they do")
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
