//! Questions for rows, whose answers nobody decodes.

use std::sync::atomic::{AtomicU64, Ordering};

use prost::Message;
use vecpipe::milvus::v2::proto::common::{ConsistencyLevel, KeyValuePair};
use vecpipe::milvus::v2::proto::milvus::{AllocTimestampRequest, QueryRequest};
use vecpipe::milvus::v2::rpc::Call;

use crate::arguments::Arguments;
use crate::call::{Wire, framed, on_one_thread};
use crate::clock::{Clock, Measured};

/// `query uri=URI collection=NAME rows=N dim=N streams=N page=ROWS`: rows with ids from 0 to N, a page a question,
/// so many questions at once. Each answer has the bytes that so many rows have at least.
pub fn query(arguments: &Arguments) -> Measured {
    let uri: String = arguments.get("uri");
    let collection: String = arguments.get("collection");
    let (rows, streams): (u64, usize) = (arguments.get("rows"), arguments.get("streams"));
    let page: u64 = arguments.get("page");
    let row_bytes = 4 * arguments.get::<u64>("dim");
    on_one_thread(async {
        let wire = Wire::connect(&uri).await;
        // Whatever was written is older: a query node is there already, and no question waits for it.
        let since = wire.call(&AllocTimestampRequest::default()).await.timestamp;
        let question = |start: u64, end: u64| {
            let limit = KeyValuePair { key: "limit".to_owned(), value: page.to_string() };
            let request = QueryRequest {
                collection_name: collection.clone(),
                expr: format!("id >= {start} and id < {end}"),
                output_fields: vec!["id".to_owned(), "vector".to_owned()],
                guarantee_timestamp: since,
                query_params: vec![limit],
                consistency_level: ConsistencyLevel::Customized.into(),
                ..QueryRequest::default()
            };
            framed(&request.encode_to_vec())
        };
        let (next, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let clock = Clock::start();
        let asking = (0..streams).map(|_| {
            let (wire, question, next, bytes) = (&wire, &question, &next, &bytes);
            async move {
                loop {
                    let start = next.fetch_add(page, Ordering::Relaxed);
                    if start >= rows {
                        return;
                    }
                    let end = rows.min(start + page);
                    let answer = wire.send(QueryRequest::NAME, question(start, end)).await;
                    // A refusal is short.
                    assert!(answer.len() as u64 >= (end - start) * row_bytes, "{answer:?}");
                    bytes.fetch_add(answer.len() as u64, Ordering::Relaxed);
                }
            }
        });
        futures::future::join_all(asking).await;
        clock.stop(rows, bytes.into_inner())
    })
}
