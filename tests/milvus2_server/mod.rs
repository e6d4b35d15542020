//! A server of the test suite that speaks the protocol of Milvus 2.x, keeps its rows in memory, and
//! takes types that no server takes which can be installed: it stands in for a Milvus 2.6. What it
//! refuses, and what it leaves to chance, is what real ones do. It does nothing about searches.
//!
//! | module | holds |
//! |---|---|
//! | `store` | collections, partitions, indexes, rows |
//! | `values` | columns of requests and answers as values of rows, and back |
//! | `condition` | the part of the query language that tells rows by their keys |
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

mod condition;
mod store;
mod values;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use prost::Message;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use vecpipe::milvus::v2::proto::common::{LoadState, ServerInfo, Status};
use vecpipe::milvus::v2::proto::milvus::*;
use vecpipe::milvus::v2::proto::schema::LongArray;

use crate::common::grpc::{self, Reply};
pub use store::Store;

/// A running server; it ends with the process.
#[derive(Clone)]
pub struct Milvus2 {
    pub uri: String,
    store: Arc<Mutex<Store>>,
}

/// What a client asks while a collection is loaded. vecpipe asks for the state instead.
#[derive(Clone, PartialEq, Message)]
struct LoadingProgress {
    #[prost(message, tag = "1")]
    status: Option<Status>,
    #[prost(int64, tag = "2")]
    progress: i64,
}

/// A question for indexes. vecpipe asks for all of them.
#[derive(Clone, PartialEq, Message)]
struct IndexesAsked {
    #[prost(string, tag = "3")]
    collection_name: String,
    #[prost(string, tag = "5")]
    index_name: String,
}

impl Milvus2 {
    /// Starts a server of this version on a free port of loopback, on a thread of its own.
    pub fn start(version: &'static str) -> Milvus2 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let store = Arc::new(Mutex::new(Store::default()));
        let server = Milvus2 { uri, store: Arc::clone(&store) };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let answer = move |call: &str, message: &[u8]| {
                    answer(version, &mut store.lock().unwrap(), call, message)
                };
                let service = "milvus.proto.milvus.MilvusService";
                grpc::serve(listener, service, CancellationToken::new(), answer).await;
            });
        });
        server
    }

    /// Looks at, or changes, what it holds.
    pub fn store<T>(&self, look: impl FnOnce(&mut Store) -> T) -> T {
        look(&mut self.store.lock().unwrap())
    }
}

/// A refusal: the server's number for it, and its words.
pub type Refusal = (i32, String);

fn status(outcome: Result<(), Refusal>) -> Status {
    let (code, reason) = outcome.err().unwrap_or_default();
    Status { code, error_code: i32::from(code != 0), reason, ..Status::default() }
}

/// An answer, with the status that says what was refused.
macro_rules! answered {
    ($outcome:expr, $answer:ident { $($field:ident: $value:expr),* }) => {{
        let outcome = $outcome;
        let mut answer = $answer::default();
        answer.status = Some(status(outcome.as_ref().map(drop).map_err(Clone::clone)));
        if let Ok(found) = outcome {
            $(answer.$field = $value(found.clone());)*
        }
        Reply::message(&answer)
    }};
}

fn answer(version: &str, store: &mut Store, call: &str, message: &[u8]) -> Reply {
    fn read<T: Message + Default>(message: &[u8]) -> T {
        T::decode(message).expect("a message of the protocol")
    }
    fn done(outcome: Result<(), Refusal>) -> Reply {
        Reply::message(&status(outcome))
    }
    match call {
        "Connect" => Reply::message(&ConnectResponse {
            status: Some(Status::default()),
            server_info: Some(ServerInfo { build_tags: version.to_owned() }),
        }),
        "AllocTimestamp" => Reply::message(&AllocTimestampResponse {
            status: Some(Status::default()),
            timestamp: store.moment(),
        }),
        "GetVersion" => Reply::message(&GetVersionResponse {
            status: Some(Status::default()),
            version: version.to_owned(),
        }),
        "ListDatabases" => Reply::message(&ListDatabasesResponse {
            status: Some(Status::default()),
            db_names: vec!["default".to_owned()],
        }),
        "ShowCollections" => Reply::message(&ShowCollectionsResponse {
            status: Some(Status::default()),
            collection_names: store.names(),
        }),
        "CreateCollection" => done(store.create(read(message))),
        "DropCollection" => {
            store.drop(&read::<DropCollectionRequest>(message).collection_name);
            done(Ok(()))
        }
        "DescribeCollection" => {
            let name = read::<DescribeCollectionRequest>(message).collection_name;
            let described = store.describe(&name);
            let refused = described.as_ref().map(drop).map_err(Clone::clone);
            let mut answer = described.unwrap_or_default();
            answer.status = Some(status(refused));
            Reply::message(&answer)
        }
        "ListAliases" => Reply::message(&ListAliasesResponse {
            status: Some(Status::default()),
            ..ListAliasesResponse::default()
        }),
        "ShowPartitions" => {
            let name = read::<ShowPartitionsRequest>(message).collection_name;
            answered!(store.partitions(&name), ShowPartitionsResponse { partition_names: |x| x })
        }
        "CreatePartition" => {
            let CreatePartitionRequest { collection_name, partition_name, .. } = read(message);
            done(store.create_partition(&collection_name, partition_name))
        }
        "CreateIndex" => done(store.create_index(read(message))),
        "DropIndex" => done(store.drop_index(&read(message))),
        "DescribeIndex" => {
            let IndexesAsked { collection_name, index_name } = read(message);
            answered!(
                store.indexes(&collection_name, &index_name),
                DescribeIndexResponse { index_descriptions: |x| x }
            )
        }
        "LoadCollection" => {
            done(store.load(&read::<LoadCollectionRequest>(message).collection_name, true))
        }
        "ReleaseCollection" => {
            done(store.load(&read::<ReleaseCollectionRequest>(message).collection_name, false))
        }
        "GetLoadState" => {
            let name = read::<GetLoadStateRequest>(message).collection_name;
            let state = match store.is_loaded(&name) {
                Err(_) => LoadState::NotExist,
                Ok(false) => LoadState::NotLoad,
                Ok(true) => LoadState::Loaded,
            };
            let status = Some(Status::default());
            Reply::message(&GetLoadStateResponse { status, state: state.into() })
        }
        "GetLoadingProgress" => {
            Reply::message(&LoadingProgress { status: Some(Status::default()), progress: 100 })
        }
        "Insert" | "Upsert" => {
            let request: InsertRequest = read(message);
            let rows = i64::from(request.num_rows);
            let upsert = call == "Upsert";
            let taken = store.insert(request, upsert);
            let taken = taken.map(|()| if upsert { (0, rows) } else { (rows, 0) });
            answered!(
                taken,
                MutationResult { insert_cnt: |(rows, _)| rows, upsert_cnt: |(_, rows)| rows }
            )
        }
        "Flush" => {
            let names = read::<FlushRequest>(message).collection_names;
            let segments = names.iter().map(|name| (name.clone(), LongArray { data: vec![1] }));
            let stamps = names.iter().map(|name| (name.clone(), 1));
            Reply::message(&FlushResponse {
                status: Some(Status::default()),
                coll_seg_i_ds: segments.collect::<HashMap<_, _>>(),
                coll_flush_ts: stamps.collect(),
                ..FlushResponse::default()
            })
        }
        "GetFlushState" => {
            let status = Some(Status::default());
            Reply::message(&GetFlushStateResponse { status, flushed: true })
        }
        "GetCollectionStatistics" => {
            let name = read::<GetCollectionStatisticsRequest>(message).collection_name;
            answered!(
                store.statistics(&name, None),
                GetCollectionStatisticsResponse { stats: |x| x }
            )
        }
        "GetPartitionStatistics" => {
            let GetPartitionStatisticsRequest { collection_name, partition_name, .. } =
                read(message);
            answered!(
                store.statistics(&collection_name, Some(&partition_name)),
                GetPartitionStatisticsResponse { stats: |x| x }
            )
        }
        "Query" => answered!(
            store.query(&read(message)),
            QueryResults { fields_data: |(x, _)| x, session_ts: |(_, x)| x }
        ),
        _ => Reply::Status(12, format!("unknown method {call}")),
    }
}
