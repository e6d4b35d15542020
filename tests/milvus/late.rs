//! What the client makes of answers to requests that bring rows.

use serde_json::json;
use vecpipe::error::{Kind, Retry};

use crate::proxy::{Fault, Proxy};
use crate::support::*;

fn verbs(proxy: &Proxy) -> Vec<String> {
    proxy.calls().into_iter().map(|(name, _)| name).collect()
}

/// An answer that says `ok`, and that not all rows were taken.
#[tokio::test]
async fn an_answer_that_does_not_take_all_rows_ends_the_run() {
    for (server, verb) in [(Server::milvus(), "Insert"), (Server::lite(), "Insert")] {
        let name = server.fresh("fewer").await;
        for (fault, words) in [
            (Fault::TakeFewer, "49 rows taken of 50 sent"),
            (Fault::ErrIndex, "50 rows taken of 50 sent, 1 of them in error"),
        ] {
            let proxy = Proxy::start(&server.uri, &[fault]).await;
            let sink = sink(&proxy.uri, json!({ "mode": "overwrite" }));
            let moved = move_rows(&*sink, &table(&name), vec![rows(0..50, 1.0)]).await;
            let error = moved.expect_err("the rows are not there");
            assert_eq!((error.kind(), error.retry_advice()), (Kind::Target, Retry::No));
            let told = error.to_string();
            assert!(told.contains(&format!("answered {verb} with {words}")), "{told}");
            assert_eq!(verbs(&proxy), [verb]);
        }
        server.remove(&name).await;
    }
}
