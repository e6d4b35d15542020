//! Marks of collections of a Milvus 1.x: a small collection `<name>_vecpipe_mark_<n>` beside each target,
//! which a server creates only once.
//!
//! These servers keep no notes of a collection, but tags of partitions, which are any text. So a mark
//! stands in tags (`mark 0 …`, `mark 1 …`), and each time that it is renewed in another one (`beat …`).
//! Whose collection it is shows in two of its numbers, should the answer to its creation be lost, or its run be
//! killed before it has written the tags.

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use twox_hash::XxHash3_128;

use crate::error::{Error, Result};
use crate::milvus::MilvusError;
use crate::milvus::names::{numbers_of_marks, of_mark};
use crate::milvus::v1::Client;
use crate::milvus::v1::collection::Collection;
use crate::ownership::{Beat, Created, Mark, MarkStore, Owner, Placed};
use crate::table::Metric;

/// Bytes of a note in one tag: a tag has 255 at most.
const PIECE: usize = 200;
/// Dimensions and sizes of segments that a server takes.
const DIMS: u64 = 32_768;
const SIZES: u64 = 4096;

/// The marks of one collection.
pub(super) struct CollectionMarks {
    pub client: Client,
    pub collection: String,
    /// The run that marks it, and those whose place it takes.
    pub owner: Owner,
}

impl CollectionMarks {
    async fn tags(&self, number: u32) -> Result<Vec<String>> {
        match self.client.partitions(&of_mark(&self.collection, number)).await {
            Ok(tags) => Ok(tags),
            Err(error) if error.is_missing() => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// A mark without its tags: that of one of the owner's runs, or of one that is not known, which holds all
    /// the same.
    async fn unfinished(&self, number: u32) -> Result<Mark> {
        let found = self.client.describe_collection(&of_mark(&self.collection, number)).await?;
        let Some(found) = found else { return Ok(Mark::default()) };
        let mut runs = std::iter::once(&self.owner.run).chain(&self.owner.ended);
        let run = runs.find(|run| numbers_of(run) == (found.dim, found.index_file_size));
        Ok(Mark { run: run.cloned().unwrap_or_default(), ..Mark::default() })
    }
}

/// The numbers of a mark's collection, by which its run is known: dimensions and size of segments.
fn numbers_of(run: &str) -> (i64, i64) {
    let hash = XxHash3_128::oneshot(run.as_bytes()) as u64;
    ((hash % DIMS) as i64 + 1, (hash / DIMS % SIZES) as i64 + 1)
}

/// A note in pieces that fit into tags: `mark 0 …`.
fn pieces(kind: &str, note: &impl Serialize) -> Result<Vec<String>> {
    let text = serde_json::to_string(note)
        .map_err(|error| Error::internal("A mark does not serialise").because(error))?;
    let (mut pieces, mut piece) = (Vec::new(), String::new());
    for c in text.chars() {
        if piece.len() + c.len_utf8() > PIECE {
            pieces.push(std::mem::take(&mut piece));
        }
        piece.push(c);
    }
    pieces.push(piece);
    // A bracket at the end: the server trims tags.
    let tag = |(n, piece): (usize, String)| format!("{kind} {n} {piece}|");
    Ok(pieces.into_iter().enumerate().map(tag).collect())
}

/// The note that lies in tags of this kind; none where there is none, or not all of it.
fn read<T: DeserializeOwned>(kind: &str, tags: &[String]) -> Option<T> {
    let mut text = String::new();
    for n in 0.. {
        let start = format!("{kind} {n} ");
        let Some(tag) = tags.iter().find(|tag| tag.starts_with(&start)) else { break };
        text.push_str(tag[start.len()..].strip_suffix('|')?);
    }
    serde_json::from_str(&text).ok()
}

#[async_trait]
impl MarkStore for CollectionMarks {
    fn target(&self) -> String {
        format!("collection {}", self.collection)
    }

    async fn list(&self) -> Result<Vec<Placed>> {
        let names = self.client.collections().await?;
        let mut all = Vec::new();
        for number in numbers_of_marks(&self.collection, &names) {
            let tags = self.tags(number).await?;
            let mark = match read("mark", &tags) {
                Some(mark) => mark,
                None => self.unfinished(number).await?,
            };
            all.push(Placed { number, mark, beat: latest(&tags) });
        }
        Ok(all)
    }

    async fn create(&self, number: u32, mark: &Mark) -> Result<Created> {
        let tags = pieces("mark", mark)?;
        let (dim, index_file_size) = numbers_of(&mark.run);
        let collection = Collection {
            name: of_mark(&self.collection, number),
            dim,
            index_file_size,
            metric: Metric::L2.milvus1_number().unwrap_or(1),
        };
        match self.client.create_collection(&collection).await {
            Ok(()) => {}
            Err(error @ MilvusError::Refused { .. }) => {
                return match self.client.describe_collection(&collection.name).await? {
                    Some(_) => Ok(Created::No),
                    None => Ok(Created::Denied(error.to_string())),
                };
            }
            Err(error) => return Err(error.into()),
        }
        for tag in &tags {
            self.client.create_partition(&collection.name, tag).await?;
        }
        Ok(Created::Yes)
    }

    async fn beat(&self, number: u32, beat: &Beat) -> Result<()> {
        let name = of_mark(&self.collection, number);
        let old = self.tags(number).await?;
        let new =
            format!("beat {} {}|", beat.count, serde_json::to_string(beat).unwrap_or_default());
        self.client.create_partition(&name, &new).await?;
        for tag in old.iter().filter(|tag| tag.starts_with("beat ") && **tag != new) {
            self.client.drop_partition(&name, tag).await?;
        }
        Ok(())
    }

    async fn remove(&self, number: u32) -> Result<()> {
        Ok(self.client.drop_collection(&of_mark(&self.collection, number)).await?)
    }
}

/// The last beat that tags tell of.
fn latest(tags: &[String]) -> Option<Beat> {
    let beats = tags.iter().filter_map(|tag| tag.strip_prefix("beat ")?.strip_suffix('|'));
    let beats = beats.filter_map(|beat| serde_json::from_str(beat.split_once(' ')?.1).ok());
    beats.max_by_key(|beat: &Beat| beat.count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ownership::State;

    #[test]
    fn a_mark_is_read_back_from_its_tags() {
        let mark = Mark::of("0123456789abcdef", &"ü a ".repeat(100));
        let mut tags = pieces("mark", &mark).unwrap();
        assert!(tags.len() > 2 && tags.iter().all(|tag| tag.len() <= 255 && tag.trim() == tag));
        let beats = [3, 12].map(|count| Beat::now("a", count, State::Working));
        for beat in &beats {
            let json = serde_json::to_string(beat).unwrap();
            tags.push(format!("beat {} {json}|", beat.count));
        }
        tags.reverse();
        tags.push("_default".to_owned());
        assert_eq!(read::<Mark>("mark", &tags), Some(mark));
        assert_eq!(latest(&tags), Some(beats[1].clone()));
        tags.retain(|tag| !tag.starts_with("mark 1"));
        assert_eq!(read::<Mark>("mark", &tags), None);
    }
}
