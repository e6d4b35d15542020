//! Servers of one generation that are taken for one of the other.

use serde_json::json;
use vecpipe::milvus::{Generation, Options};

use crate::milvus_support::{self, Server};
use crate::server::Milvus1;
use crate::support::*;

#[tokio::test]
async fn a_server_is_asked_which_generation_it_is() {
    let old = Milvus1::start("0.10.0").await;
    let generation = async |uri: &str| Generation::ask(Options::new(uri)).await.unwrap();
    assert_eq!(generation(&old.uri).await, Generation::One);
    for server in Server::both() {
        assert_eq!(generation(&server.uri).await, Generation::Two);
    }
}

#[tokio::test]
async fn a_server_of_the_other_generation_is_an_error_that_says_what_to_write() {
    let old = Milvus1::start("1.1.1").await;
    let error = milvus_support::sink(&old.uri, json!({})).plan(&table("c")).await.unwrap_err();
    assert_eq!(error.exit_code(), 3);
    let words = error.to_string();
    assert!(words.contains("is Milvus 1.1.1, not Milvus 2.x"), "{words}");
    assert!(words.contains("write `milvus1` in place of `milvus`"), "{words}");

    for server in Server::both() {
        let newer = crate::common::components::sink("milvus1", json!({ "uri": server.uri }));
        let words = newer.plan(&table("c")).await.unwrap_err().to_string();
        assert!(words.contains("not Milvus 1.x"), "{words}");
        assert!(words.contains("write `milvus` in place of `milvus1`"), "{words}");
    }
}
