//! What the server that only receives answers: the truth about what it took.

use std::collections::BTreeMap;

use prost::Message;
use vecpipe::milvus::v2::proto::common::{KeyValuePair, LoadState, ServerInfo, Status};
use vecpipe::milvus::v2::proto::milvus::*;
use vecpipe::milvus::v2::proto::schema::{CollectionSchema, LongArray};

use crate::skim::Skimmed;

const VERSION: &str = "v2.3.5";

/// The collections there are: their schemas, and the rows that each was sent.
#[derive(Default)]
pub struct Held(BTreeMap<String, (CollectionSchema, u64)>);

const OK: Option<Status> = Some(Status {
    error_code: 0,
    reason: String::new(),
    code: 0,
    retriable: false,
    detail: String::new(),
});

fn missing(name: &str) -> Status {
    let reason = format!("collection not found[collection={name}]");
    Status { code: 100, error_code: 4, reason, ..Status::default() }
}

fn read<T: Message + Default>(message: &[u8]) -> T {
    T::decode(message).expect("a message of the protocol")
}

impl Held {
    /// Counts the rows of a request.
    pub fn take(&mut self, call: &str, request: &Skimmed) -> Vec<u8> {
        let rows = i64::try_from(request.rows).unwrap();
        let Some((_, held)) = self.0.get_mut(&request.collection) else {
            let status = Some(missing(&request.collection));
            return MutationResult { status, ..MutationResult::default() }.encode_to_vec();
        };
        *held += request.rows;
        let (insert_cnt, upsert_cnt) = if call == "Insert" { (rows, 0) } else { (0, rows) };
        let counts = MutationResult { insert_cnt, upsert_cnt, ..MutationResult::default() };
        MutationResult { status: OK, acknowledged: true, ..counts }.encode_to_vec()
    }

    /// The answer to any other call; none where there is no such call.
    pub fn answer(&mut self, call: &str, message: &[u8]) -> Option<Vec<u8>> {
        let done = Status::default().encode_to_vec();
        Some(match call {
            "Connect" => {
                let server_info = Some(ServerInfo { build_tags: VERSION.to_owned() });
                ConnectResponse { status: OK, server_info }.encode_to_vec()
            }
            "GetVersion" => {
                GetVersionResponse { status: OK, version: VERSION.to_owned() }.encode_to_vec()
            }
            "ShowCollections" => {
                let collection_names = self.0.keys().cloned().collect();
                ShowCollectionsResponse { status: OK, collection_names }.encode_to_vec()
            }
            "CreateCollection" => {
                let asked: CreateCollectionRequest = read(message);
                let schema = read(&asked.schema);
                self.0.entry(asked.collection_name).or_insert((schema, 0));
                done
            }
            "DropCollection" => {
                self.0.remove(&read::<DropCollectionRequest>(message).collection_name);
                done
            }
            "DescribeCollection" => {
                let name = read::<DescribeCollectionRequest>(message).collection_name;
                let mut answer = DescribeCollectionResponse::default();
                match self.0.get(&name) {
                    Some((schema, _)) => {
                        answer.status = OK;
                        answer.schema = Some(schema.clone());
                        answer.collection_name = name;
                        answer.shards_num = 1;
                    }
                    None => answer.status = Some(missing(&name)),
                }
                answer.encode_to_vec()
            }
            "ListAliases" => {
                ListAliasesResponse { status: OK, ..ListAliasesResponse::default() }.encode_to_vec()
            }
            "ShowPartitions" => {
                let partition_names = vec!["_default".to_owned()];
                ShowPartitionsResponse { status: OK, partition_names }.encode_to_vec()
            }
            "DescribeIndex" => {
                DescribeIndexResponse { status: OK, index_descriptions: Vec::new() }.encode_to_vec()
            }
            "GetLoadState" => {
                let state = LoadState::NotLoad.into();
                GetLoadStateResponse { status: OK, state }.encode_to_vec()
            }
            // What it was sent, it has forgotten: there is nothing to flush.
            "Flush" => {
                let names = read::<FlushRequest>(message).collection_names;
                let stamps = names.iter().map(|name| (name.clone(), 1)).collect();
                let segments = names.into_iter().map(|name| (name, LongArray { data: vec![1] }));
                let coll_seg_i_ds = segments.collect();
                let answer = FlushResponse { status: OK, coll_seg_i_ds, ..Default::default() };
                FlushResponse { coll_flush_ts: stamps, ..answer }.encode_to_vec()
            }
            "GetFlushState" => GetFlushStateResponse { status: OK, flushed: true }.encode_to_vec(),
            "GetCollectionStatistics" => {
                let name = read::<GetCollectionStatisticsRequest>(message).collection_name;
                let (status, rows) = match self.0.get(&name) {
                    Some((_, rows)) => (OK, *rows),
                    None => (Some(missing(&name)), 0),
                };
                let count = KeyValuePair { key: "row_count".to_owned(), value: rows.to_string() };
                GetCollectionStatisticsResponse { status, stats: vec![count] }.encode_to_vec()
            }
            _ => return None,
        })
    }
}
