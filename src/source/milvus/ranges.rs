//! Dividing keys into stretches of about as many rows.

use futures::{StreamExt, TryStreamExt, stream};

use super::middle::middle;
use crate::error::{Error, Result};
use crate::milvus::v2::Client;
use crate::milvus::v2::keys::{Key, KeyRange};
use crate::milvus::v2::page::Scan;

/// Counts asked for at once.
pub(super) const AT_ONCE: usize = 8;

/// Lengths of stretches that are tried first, as powers of two.
const LENGTHS: [u32; 8] = [16, 18, 20, 23, 26, 32, 42, 52];

/// How often a stretch is halved. Keys that are numbers take 64 times at most, texts about seven for
/// each character in which they differ; a stretch that is still too large then, because most of its
/// rows have one key, stays as it is.
const HALVINGS: usize = 2_000;

/// After so many halvings in a row that left all rows in one half, it is looked for what the texts of a
/// stretch have in common.
const IN_VAIN: u32 = 8;

/// Keys with as many rows.
struct Piece {
    range: KeyRange,
    rows: u64,
    /// Halvings in a row that left all rows in one half.
    in_vain: u32,
}

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
        let is_small = |p: &Piece| p.rows <= most || middle(&p.range, scan.texts).is_none();
        if pieces.iter().all(is_small) {
            break;
        }
        let halves = stream::iter(pieces).map(|piece| halve(client, scan, piece, most));
        let halves: Vec<_> = halves.buffered(AT_ONCE).try_collect().await?;
        pieces = halves.into_iter().flatten().filter(|piece| piece.rows > 0).collect();
    }
    let pieces = pieces.into_iter().map(|piece| (piece.range, piece.rows));
    let mut pieces = join(pieces.collect(), most);
    // A row that comes before all others later on must show.
    if let Some((first, _)) = pieces.first_mut() {
        first.after = None;
    }
    Ok(pieces)
}

/// The first stretches. Keys that are numbers are mostly close together, and halving all numbers there
/// are would take some forty counts, one after the other, to get near them: so a few lengths, counted
/// from the first key on, are tried at once.
async fn begin(client: &Client, scan: &Scan, rows: u64) -> Result<Vec<Piece>> {
    let whole = KeyRange::default();
    let Some(Key::Number(first)) = client.first_key(scan, &whole).await? else {
        return Ok(vec![Piece { range: whole, rows, in_vain: 0 }]);
    };
    // Else the first stretch would have to be halved through all numbers before its first key.
    let whole =
        first.checked_sub(1).map_or(whole.clone(), |before| whole.behind(Key::Number(before)));
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
        pieces.push(Piece { range: rest.until(end.clone()), rows: here, in_vain: 0 });
        (rest, before) = (rest.behind(end), count);
    }
    let rows = rows.checked_sub(before).ok_or_else(changed)?;
    pieces.push(Piece { range: rest, rows, in_vain: 0 });
    pieces.retain(|piece| piece.rows > 0);
    Ok(pieces)
}

async fn halve(client: &Client, scan: &Scan, piece: Piece, most: u64) -> Result<Vec<Piece>> {
    let Piece { mut range, rows, mut in_vain } = piece;
    if rows > most && scan.texts && in_vain >= IN_VAIN {
        range = narrow(client, scan, range, rows).await?;
        in_vain = 0;
    }
    let Some(key) = middle(&range, scan.texts).filter(|_| rows > most) else {
        return Ok(vec![Piece { range, rows, in_vain }]);
    };
    let (lower, upper) = (range.until(key.clone()), range.behind(key));
    let below = client.count_in(scan, &lower).await?;
    let Some(above) = rows.checked_sub(below) else {
        return Err(changed());
    };
    let in_vain = if below == 0 || above == 0 { in_vain + 1 } else { 0 };
    let half = |range, rows| Piece { range, rows, in_vain };
    Ok(vec![half(lower, below), half(upper, above)])
}

/// A stretch of texts without the room before its first key, and behind all that begin as that one does
/// where they all do: halving would go through a common beginning character by character. It has
/// the same rows.
async fn narrow(client: &Client, scan: &Scan, range: KeyRange, rows: u64) -> Result<KeyRange> {
    let Some(Key::Text(first)) = client.first_key(scan, &range).await? else {
        return Ok(range);
    };
    let ends: Vec<usize> = first.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
    let mut narrowed = range;
    // The first key without its end is before it, and no key is between.
    if let [.., before, _] = ends.as_slice() {
        let before = Key::Text(first[..*before].to_owned());
        if narrowed.after.as_ref().is_none_or(|after| *after < before) {
            narrowed = narrowed.behind(before);
        }
    }
    // The most characters that all keys begin with.
    let (mut all, mut not_all) = (0, ends.len() + 1);
    while not_all - all > 1 {
        let middle = all.midpoint(not_all);
        let bound = Key::Text(format!("{}{}", &first[..ends[middle - 1]], char::MAX));
        let within = narrowed.up_to.as_ref().is_none_or(|up_to| bound < *up_to);
        let bounded = narrowed.until(bound);
        match within {
            true if client.count_in(scan, &bounded).await? == rows => {
                narrowed = bounded;
                all = middle;
            }
            true => not_all = middle,
            // What bounds it already begins with more.
            false => all = middle,
        }
    }
    Ok(narrowed)
}

fn changed() -> Error {
    Error::source(
        "The source changed while it was planned: rows came or went while they were counted",
    )
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
