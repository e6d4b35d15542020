//! What a server may answer, for whoever wants to damage it: `fuzz/` and the test that replays what
//! was found there. Not a part of the library that anybody else should use.

use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow_array::RecordBatch;
use prost::Message;

use super::v1::collection::rows_of_partition;
use super::v1::proto as one;
use super::v1::rows::found_rows;
use super::v2::collection::{Collection, row_count_of};
use super::v2::field::{arrow_field, fields_words};
use super::v2::index::Index;
use super::v2::proto::milvus as two;
use super::v2::query::count_of;
use super::v2::rows::rows_of;
use super::v2::version::ServerVersion;
use super::{MilvusError, Result, v1, v2};

/// Reads `bytes` as an answer to the `which`th call, as the clients do, and gives what is shown or
/// decided because of it in words, with the rows where there are some.
///
/// # Errors
/// What a client would say about such an answer.
pub fn answer(which: u8, bytes: &[u8]) -> Result<(String, Option<RecordBatch>)> {
    let words = match which {
        0 => return described_rows(bytes),
        1 => format!("{:?}", count_of(&two::<two::QueryResults>(bytes)?)),
        2 => {
            let collection = Collection::of("asked for", two(bytes)?)?;
            format!("{} {}", collection.name, fields_words(&collection.fields))
        }
        3 => {
            let answer: two::GetCollectionStatisticsResponse = two(bytes)?;
            format!("{:?}", row_count_of(&answer.stats))
        }
        4 => {
            let answer: two::DescribeIndexResponse = two(bytes)?;
            let indexes = answer.index_descriptions.into_iter().map(Index::of);
            format!("{:?}", indexes.collect::<Vec<_>>())
        }
        5 => ServerVersion::parse(&two::<two::GetVersionResponse>(bytes)?.version).to_string(),
        6 => format!("{:?}", two::<two::MutationResult>(bytes)?.err_index),
        7 => format!("{:?}", two::<two::FlushResponse>(bytes)?.coll_flush_ts),
        8 => {
            let answer: one::CollectionInfo = one(bytes)?;
            format!("{:?}", rows_of_partition(&answer.json_info, "_default"))
        }
        9 => {
            let answer: one::VectorsData = one(bytes)?;
            let found = found_rows(&[1, 2, 3], &answer.vectors_data);
            format!("{:?}", found.map(Iterator::collect::<Vec<_>>))
        }
        10 => {
            v1::connect::Version::parse(&one::<one::StringReply>(bytes)?.string_reply).to_string()
        }
        11 => format!("{:?}", one::<one::CollectionSchema>(bytes)?),
        12 => format!("{:?}", one::<one::VectorIds>(bytes)?.vector_id_array.len()),
        _ => format!("{:?}", one::<one::PartitionList>(bytes)?.partition_tag_array),
    };
    Ok((words, None))
}

/// How many different answers [`answer`] knows.
pub const ANSWERS: u8 = 14;

/// A collection's description, its length in two bytes before it, and an answer with rows of it.
fn described_rows(bytes: &[u8]) -> Result<(String, Option<RecordBatch>)> {
    let (len, rest) = bytes.split_first_chunk().unwrap_or((&[0; 2], bytes));
    let (described, rows) = rest.split_at(rest.len().min(u16::from_le_bytes(*len).into()));
    let collection = Collection::of("asked for", two(described)?)?;
    let fields: Vec<_> = collection.fields.iter().filter_map(arrow_field).collect();
    let rows = rows_of(&Arc::new(Schema::new(fields)), &two(rows)?)?;
    Ok((fields_words(&collection.fields), Some(rows)))
}

fn two<A: v2::rpc::Answer>(bytes: &[u8]) -> Result<A> {
    let answer: A = decode(bytes)?;
    v2::status::of_status("Fuzz", answer.status()).map_or(Ok(answer), Err)
}

fn one<A: v1::rpc::Answer>(bytes: &[u8]) -> Result<A> {
    let answer: A = decode(bytes)?;
    v1::status::of_status("Fuzz", answer.status()).map_or(Ok(answer), Err)
}

fn decode<A: Message + Default>(bytes: &[u8]) -> Result<A> {
    A::decode(bytes)
        .map_err(|error| MilvusError::Malformed { rpc: "Fuzz", words: error.to_string() })
}
