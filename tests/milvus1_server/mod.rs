//! A server of the test suite that speaks the protocol of Milvus 0.10 and 1.x, keeps its rows in
//! memory, and refuses what a real one refuses. It does nothing about searches.
//!
//! A real one was driven to learn how it behaves: rows count and are found only once flushed, a name
//! that was dropped can't be used again at once, an id may occur several times, and a refusal is
//! a status within an answer.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

mod store;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prost::Message;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vecpipe::milvus::v1::proto::*;

pub use store::{Row, Store};

use crate::common::grpc::{self, Reply};

/// What becomes of one call of `Insert`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It goes through.
    None,
    /// It is carried out, and the answer is lost.
    LoseAnswer,
    /// Half of the rows are taken, and the answer is lost.
    LoseHalf,
    /// It never arrives, and the client can't know that.
    LoseRequest,
    /// The stream is cut, and after this time it is carried out all the same.
    Late(Duration),
    /// A bit of the first row is another one when it arrives.
    FlipBit,
    /// It is never answered.
    Silence,
    /// The server says that it has no memory.
    OutOfMemory,
    /// A refusal that is final.
    Refuse,
    /// gRPC says that the message is too large.
    LargerThanMax,
}

/// A running server; it ends with the runtime that it was started on.
#[derive(Clone)]
pub struct Milvus1 {
    pub uri: String,
    shared: Arc<Mutex<Shared>>,
    /// Ends what serves now.
    serving: Arc<Mutex<CancellationToken>>,
    /// Late calls that were not carried out yet.
    late: watch::Sender<usize>,
    runtime: Handle,
}

#[derive(Default)]
struct Shared {
    version: String,
    store: Store,
    faults: VecDeque<Fault>,
    calls: Vec<String>,
}

impl Milvus1 {
    /// Starts a server of this version on a free port of loopback.
    pub async fn start(version: &str) -> Milvus1 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let mut shared = Shared { version: version.to_owned(), ..Shared::default() };
        shared.store.scopes_ids = version.starts_with("1.1");
        let shared = Arc::new(Mutex::new(shared));
        let (serving, late) = (Arc::default(), watch::Sender::default());
        let server = Milvus1 { uri, shared, serving, late, runtime: Handle::current() };
        server.serve(listener);
        server
    }

    fn serve(&self, listener: std::net::TcpListener) {
        listener.set_nonblocking(true).unwrap();
        let ended = CancellationToken::new();
        *self.serving.lock().unwrap() = ended.clone();
        let answering = self.clone();
        self.runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let answer = move |call: &str, message: &[u8]| answering.answer(call, message);
            grpc::serve(listener, "milvus.grpc.MilvusService", ended, answer).await;
        });
    }

    /// Ends all connections, and takes new ones at the same address. What it holds stays.
    pub fn restart(&self) {
        self.serving.lock().unwrap().cancel();
        let address = self.uri.trim_start_matches("http://");
        // The old listener may take a moment to go.
        loop {
            match std::net::TcpListener::bind(address) {
                Ok(listener) => return self.serve(listener),
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                    std::thread::yield_now();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Starts one on a thread of its own, for tests that have no runtime; it ends with the process.
    pub fn start_apart(version: &'static str) -> Milvus1 {
        let (started, server) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                started.send(Milvus1::start(version).await).unwrap();
                std::future::pending::<()>().await;
            });
        });
        server.recv().unwrap()
    }

    /// The next inserts meet `faults`, in turn.
    pub fn fail(&self, faults: &[Fault]) {
        self.shared.lock().unwrap().faults.extend(faults);
    }

    /// Waits until every late call was carried out.
    pub async fn none_late(&self) {
        let _ = self.late.subscribe().wait_for(|calls| *calls == 0).await;
    }

    /// Names of the calls that came.
    pub fn calls(&self) -> Vec<String> {
        self.shared.lock().unwrap().calls.clone()
    }

    /// How often a call came.
    pub fn count_of(&self, call: &str) -> usize {
        self.calls().iter().filter(|name| *name == call).count()
    }

    /// Looks at, or changes, what it holds.
    pub fn store<T>(&self, look: impl FnOnce(&mut Store) -> T) -> T {
        look(&mut self.shared.lock().unwrap().store)
    }

    /// All rows of a partition, flushed or not, by id.
    pub fn rows(&self, collection: &str, tag: &str) -> Vec<Row> {
        self.store(|store| {
            let mut rows = store.rows(collection, tag);
            rows.sort();
            rows
        })
    }

    fn answer(&self, call: &str, message: &[u8]) -> Reply {
        let mut shared = self.shared.lock().unwrap();
        shared.calls.push(call.to_owned());
        let fault = match call {
            "Insert" => shared.faults.pop_front().unwrap_or(Fault::None),
            _ => Fault::None,
        };
        let refused = |error_code: i32, reason: &str, ids: Vec<i64>| {
            let status = Some(Status { error_code, reason: reason.to_owned() });
            // A real one echoes the ids all the same.
            Reply::message(&VectorIds { status, vector_id_array: ids })
        };
        match fault {
            Fault::None => shared.carry_out(call, message),
            Fault::LoseAnswer => {
                shared.carry_out(call, message);
                Reply::Reset
            }
            Fault::LoseHalf => {
                let mut request = InsertParam::decode(message).unwrap();
                let half = request.row_id_array.len() / 2;
                request.row_id_array.truncate(half);
                request.row_record_array.truncate(half);
                shared.carry_out(call, &request.encode_to_vec());
                Reply::Reset
            }
            Fault::FlipBit => {
                let mut request = InsertParam::decode(message).unwrap();
                let vector = &mut request.row_record_array[0].float_data;
                let mut bytes = vector.to_vec();
                bytes[0] ^= 1;
                *vector = bytes.into();
                shared.carry_out(call, &request.encode_to_vec())
            }
            Fault::LoseRequest => Reply::Reset,
            Fault::Late(hold) => {
                let (server, call, message) = (self.clone(), call.to_owned(), message.to_owned());
                self.late.send_modify(|calls| *calls += 1);
                self.runtime.spawn(async move {
                    tokio::time::sleep(hold).await;
                    server.shared.lock().unwrap().carry_out(&call, &message);
                    server.late.send_modify(|calls| *calls -= 1);
                });
                Reply::Reset
            }
            Fault::Silence => Reply::Silence,
            Fault::OutOfMemory | Fault::Refuse => {
                let ids = InsertParam::decode(message).unwrap().row_id_array;
                match fault {
                    Fault::OutOfMemory => refused(24, "out of memory", ids),
                    _ => refused(1, "the disk is on fire", ids),
                }
            }
            Fault::LargerThanMax => Reply::Status(8, "Received message larger than max".to_owned()),
        }
    }
}

impl Shared {
    fn carry_out(&mut self, call: &str, message: &[u8]) -> Reply {
        fn read<T: Message + Default>(message: &[u8]) -> T {
            T::decode(message).expect("a message of the protocol")
        }
        let store = &mut self.store;
        match call {
            "Cmd" => {
                let string_reply = match read::<Command>(message).cmd.as_str() {
                    "version" => self.version.clone(),
                    _ => String::new(),
                };
                Reply::message(&StringReply { status: Some(ok()), string_reply })
            }
            "CreateCollection" => Reply::message(&status(store.create(&read(message)))),
            "HasCollection" => {
                let bool_reply = store.has(&read::<CollectionName>(message).collection_name);
                Reply::message(&BoolReply { status: Some(ok()), bool_reply })
            }
            "DescribeCollection" => {
                let name = read::<CollectionName>(message).collection_name;
                Reply::message(&store.describe(&name).unwrap_or_else(|error| CollectionSchema {
                    status: Some(error),
                    ..CollectionSchema::default()
                }))
            }
            "CountCollection" => {
                let counted = store.count(&read::<CollectionName>(message).collection_name);
                let rows = counted.as_ref().map_or(-1, |rows| *rows as i64);
                let status = status(counted.map(drop));
                Reply::message(&CollectionRowCount {
                    status: Some(status),
                    collection_row_count: rows,
                })
            }
            "ShowCollections" => Reply::message(&CollectionNameList {
                status: Some(ok()),
                collection_names: store.names(),
            }),
            "ShowCollectionInfo" => {
                let info = store.info(&read::<CollectionName>(message).collection_name);
                let json_info = info.clone().unwrap_or_default();
                Reply::message(&CollectionInfo { status: Some(status(info.map(drop))), json_info })
            }
            "DropCollection" => {
                let name = read::<CollectionName>(message).collection_name;
                Reply::message(&status(store.drop_collection(&name)))
            }
            "CreatePartition" => {
                let PartitionParam { collection_name, tag } = read(message);
                Reply::message(&status(store.create_partition(&collection_name, &tag)))
            }
            "ShowPartitions" => {
                let tags = store.tags(&read::<CollectionName>(message).collection_name);
                let partition_tag_array = tags.clone().unwrap_or_default();
                let status = Some(status(tags.map(drop)));
                Reply::message(&PartitionList { status, partition_tag_array })
            }
            "DropPartition" => {
                let PartitionParam { collection_name, tag } = read(message);
                Reply::message(&status(store.drop_partition(&collection_name, &tag)))
            }
            "Insert" => {
                let request: InsertParam = read(message);
                let vector_id_array = request.row_id_array.clone();
                let status = Some(status(store.insert(request)));
                Reply::message(&VectorIds { status, vector_id_array })
            }
            "GetVectorsByID" => {
                let found = store.by_ids(&read(message));
                let vectors_data = found.clone().unwrap_or_default();
                let status = Some(status(found.map(drop)));
                Reply::message(&VectorsData { status, vectors_data })
            }
            "GetVectorIDs" => {
                let ids = store.ids_of(&read(message));
                let vector_id_array = ids.clone().unwrap_or_default();
                let status = Some(status(ids.map(drop)));
                Reply::message(&VectorIds { status, vector_id_array })
            }
            "DeleteByID" => Reply::message(&status(store.delete(read(message)))),
            "Flush" => {
                let names = read::<FlushParam>(message).collection_name_array;
                Reply::message(&status(names.iter().try_for_each(|name| store.flush(name))))
            }
            _ => Reply::Status(12, String::new()),
        }
    }
}

fn ok() -> Status {
    Status { error_code: 0, reason: "OK".to_owned() }
}

fn status(outcome: Result<(), Status>) -> Status {
    outcome.map_or_else(|error| error, |()| ok())
}
