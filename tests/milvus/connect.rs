//! Connecting: what does not answer, answers wrongly, or is not what it was taken for.

use std::time::Duration;

use crate::support::*;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use vecpipe::error::{Error, Kind};

/// What planning against `uri` says; within a time in which nobody would call it hung.
async fn failure(uri: &str, settings: serde_json::Value) -> Error {
    let sink = try_sink(uri, settings).expect("the settings are fine");
    let table = table("vecpipe_test_connect");
    let planned = tokio::time::timeout(Duration::from_secs(30), sink.plan(&table));
    planned.await.expect("no hang").expect_err("no connection")
}

#[tokio::test]
async fn nothing_listens() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = failure(&format!("http://127.0.0.1:{port}"), json!({})).await;
    assert_eq!((error.kind(), error.exit_code()), (Kind::Connect, 3));
    let words = error.to_string();
    assert!(words.contains(&format!("Cannot reach Milvus at http://127.0.0.1:{port}")), "{words}");
    assert!(words.contains("refused"), "{words}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let settings = json!({ "timeouts": { "connect": "300ms", "request": "300ms" } });
    let error = failure(&uri, settings).await;
    assert!(error.to_string().contains("connected, but no answer within 300ms"), "{error}");
    assert_eq!(error.kind(), Kind::Connect);
}

#[tokio::test]
async fn another_protocol_is_told_from_milvus() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 64];
            let _ = socket.read(&mut request).await;
            let _ =
                socket.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let error = failure(&uri, json!({})).await;
    assert_eq!(error.kind(), Kind::Connect);
    // The answer, or the end of the connection, may come before the request is out.
    let words = error.to_string();
    assert!(words.contains("is not a Milvus server") || words.contains("Cannot reach"), "{words}");
}

#[tokio::test]
async fn a_grpc_server_without_the_service_is_told_from_milvus() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let mut connection = h2::server::handshake(socket).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let response = http::Response::builder()
                    .header("content-type", "application/grpc")
                    .header("grpc-status", "12")
                    .body(())
                    .unwrap();
                respond.send_response(response, true).unwrap();
            }
        }
    });
    let error = failure(&uri, json!({})).await;
    assert_eq!(error.kind(), Kind::Connect);
    assert!(error.to_string().contains("it does not say its version"), "{error}");
}

#[tokio::test]
async fn plain_text_to_tls_and_tls_to_plain_text() {
    let server = Server::lite();
    let error = failure(&server.uri.replace("http://", "https://"), json!({})).await;
    assert_eq!(error.kind(), Kind::Connect);
    assert!(error.to_string().contains("whether it wants TLS"), "{error}");
}

#[tokio::test]
async fn a_missing_database_is_named() {
    for server in Server::both() {
        let error = failure(&server.uri, json!({ "database": "nowhere" })).await;
        assert_eq!(error.kind(), Kind::Config);
        assert!(
            error.to_string().contains("Milvus has no database `nowhere`; it has: "),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_default_database_by_name() {
    for server in Server::both() {
        let name = server.fresh("database").await;
        let sink = sink(&server.uri, json!({ "database": "default" }));
        let moved = move_rows(&*sink, &table(&name), vec![rows(0..5, 1.0)]).await.unwrap();
        assert_eq!(moved.completion.rows_after, 5);
        server.client().await.drop_collection(&name).await.unwrap();
    }
}

#[test]
fn settings_that_contradict_each_other() {
    for (settings, words) in [
        (json!({ "token": "t", "user": "u" }), "both a token and a user"),
        (json!({ "user": "u" }), "only one of user and password"),
        (json!({ "tls": { "cert": "a.pem" } }), "only one of cert and key"),
        (
            json!({ "index": { "type": "HNSW", "metric": "L2" }, "schema": { "metric": "IP" } }),
            "metric and sink.milvus.schema.metric differ",
        ),
        (json!({ "on_conflict": "upsert", "on_duplicate_id": "allow" }), "left to chance"),
        (json!({ "timeouts": { "request": 0 } }), "timeouts.request is 0"),
    ] {
        let error = try_sink("http://127.0.0.1:1", settings).err().expect("a contradiction");
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn credentials_in_the_address_are_refused_unseen() {
    let error = try_sink("http://root:hunter2@h:19530", json!({})).err().expect("a refusal");
    assert!(error.to_string().contains("holds credentials"), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[tokio::test]
async fn wrong_addresses_and_missing_files_are_config_errors() {
    for (uri, settings) in [
        ("ftp://h:1", json!({})),
        ("http://h", json!({})),
        ("https://127.0.0.1:1", json!({ "tls": { "ca": "/nowhere/ca.pem" } })),
        ("http://127.0.0.1:1", json!({ "tls": { "server_name": "x" } })),
    ] {
        assert_eq!(failure(uri, settings).await.kind(), Kind::Config, "{uri}");
    }
}

#[tokio::test]
async fn inspecting_shows_collections_fields_and_first_rows() {
    for server in Server::both() {
        let name = server.fresh("inspect").await;
        move_rows(&*sink(&server.uri, json!({})), &table(&name), vec![rows(0..7, 1.0)])
            .await
            .unwrap();
        let client = server.client().await;
        client.load_missing(&name, &["_default".to_owned()], true).await.unwrap();
        let found = vecpipe::source::inspect::inspect(&server.uri).await.unwrap();
        assert_eq!(found.title, format!("Milvus server at {}", server.uri));
        let collections = &found.sections[0];
        let row = collections.rows.iter().find(|row| row[0] == name).unwrap();
        assert_eq!(row[1..5], ["7", "_default", "embedding AUTOINDEX IP", "yes"]);
        let fields: Vec<_> = found.sections[1].rows.iter().filter(|row| row[0] == name).collect();
        assert_eq!(fields[0][1..], ["id", "Int64", "primary key"]);
        assert_eq!(fields[1][1..], ["embedding", "FloatVector(4)", ""]);
        client.drop_collection(&name).await.unwrap();
    }
}
