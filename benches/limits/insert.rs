//! Insert requests that were built before.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use vecpipe::milvus::v2::proto::common::KeyValuePair;
use vecpipe::milvus::v2::proto::milvus::*;
use vecpipe::milvus::v2::proto::schema::{CollectionSchema, DataType as Milvus, FieldSchema};

use crate::arguments::Arguments;
use crate::call::{Wire, on_one_thread};
use crate::clock::{Clock, Measured};
use crate::datasets::RowsOfFile;
use crate::rows;

/// How often the server is asked whether it has flushed.
const PAUSE: Duration = Duration::from_millis(10);

/// `insert uri=URI collection=NAME path=HDF5-FILE batch=ROWS in_flight=N`: requests of so many rows, so many at once
/// over one connection, into a collection that is made anew and dropped after. Ends with the last answer; `flushed_s`
/// with the server's word that all is flushed and counted.
pub fn insert(arguments: &Arguments) -> Measured {
    let uri: String = arguments.get("uri");
    let collection: String = arguments.get("collection");
    let (batch, in_flight): (usize, usize) = (arguments.get("batch"), arguments.get("in_flight"));
    let file = RowsOfFile::open(&arguments.get::<PathBuf>("path"));
    let requests = requests(&collection, &file, batch);
    let (rows, dim) = (file.rows, file.dim);
    on_one_thread(async {
        let wire = Wire::connect(&uri).await;
        make(&wire, &collection, dim).await;
        let next = AtomicUsize::new(0);
        let clock = Clock::start();
        let sending = (0..in_flight).map(|_| async {
            while let Some((request, rows)) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let answer = wire.send("Insert", request.clone()).await;
                let answer = MutationResult::decode(&answer[5..]).unwrap();
                let status = answer.status.unwrap();
                assert_eq!((status.code, status.error_code), (0, 0), "{}", status.reason);
                assert_eq!(answer.insert_cnt, *rows as i64);
            }
        });
        futures::future::join_all(sending).await;
        let bytes = requests.iter().map(|(request, _)| request.len() as u64).sum();
        let measured = clock.stop(rows as u64, bytes);
        flush(&wire, &collection, rows).await;
        let measured = measured.and("flushed_s", clock.seconds());
        drop_collection(&wire, &collection).await;
        measured
    })
}

/// Requests for all rows of a file, each with its rows.
fn requests(collection: &str, file: &RowsOfFile, batch: usize) -> Vec<(Bytes, usize)> {
    let head = rows::head(collection, file.dim);
    let starts = (0..file.rows).step_by(batch);
    starts
        .map(|start| {
            let some = file.read(start..file.rows.min(start + batch));
            let request = head.request(&some).unwrap();
            (Bytes::from(request.parts().concat()), some.num_rows())
        })
        .collect()
}

/// Makes the collection anew, as vecpipe does.
async fn make(wire: &Wire, name: &str, dim: usize) {
    drop_collection(wire, name).await;
    let id = FieldSchema {
        name: "id".to_owned(),
        data_type: Milvus::Int64.into(),
        is_primary_key: true,
        ..FieldSchema::default()
    };
    let dim = KeyValuePair { key: "dim".to_owned(), value: dim.to_string() };
    let vector = FieldSchema {
        name: "vector".to_owned(),
        data_type: Milvus::FloatVector.into(),
        type_params: vec![dim],
        ..FieldSchema::default()
    };
    let fields = vec![id, vector];
    let schema = CollectionSchema { name: name.to_owned(), fields, ..CollectionSchema::default() };
    let request = CreateCollectionRequest {
        collection_name: name.to_owned(),
        schema: schema.encode_to_vec().into(),
        ..CreateCollectionRequest::default()
    };
    wire.call(&request).await;
}

/// Has the server flush, and waits until it counts all rows.
async fn flush(wire: &Wire, name: &str, rows: usize) {
    let names = vec![name.to_owned()];
    let mut flush =
        wire.call(&FlushRequest { collection_names: names, ..Default::default() }).await;
    // Milvus Lite flushes before it answers, and names no segments.
    if let Some(segments) = flush.coll_seg_i_ds.remove(name) {
        let state = GetFlushStateRequest {
            segment_i_ds: segments.data,
            flush_ts: flush.coll_flush_ts.remove(name).unwrap_or(0),
            collection_name: name.to_owned(),
            ..GetFlushStateRequest::default()
        };
        while !wire.call(&state).await.flushed {
            tokio::time::sleep(PAUSE).await;
        }
    }
    let collection_name = name.to_owned();
    let request = GetCollectionStatisticsRequest { collection_name, ..Default::default() };
    let counted = wire.call(&request).await.stats;
    let counted = counted.iter().find(|pair| pair.key == "row_count").unwrap();
    assert_eq!(counted.value, rows.to_string(), "rows counted");
}

async fn drop_collection(wire: &Wire, name: &str) {
    let collection_name = name.to_owned();
    wire.call(&DropCollectionRequest { collection_name, ..Default::default() }).await;
}
