//! Metadata in MariaDB, in the clear and encrypted.

use std::fs;
use std::net::TcpListener;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use serde_json::{Value, json};
use vecpipe::source::{SourceConfig, SourceTable};
use vecpipe::{Error, Kind};

use crate::common::read::{Way, read_table};
use crate::support::{folder, mysql, parts, rows_of, source};

const DIRECTORY: &str = "H_mysql_all";

/// `source.milvus1.meta` for the tests' server, with other settings put in.
fn meta(other: Value) -> Value {
    let server = mysql();
    let mut meta = json!({
        "host": server.host, "port": server.port, "user": server.user,
        "password": server.password, "database": server.database,
    });
    for (key, value) in other.as_object().unwrap() {
        meta[key] = value.clone();
    }
    json!({ "meta": { "mysql": meta } })
}

async fn tables(other: Value) -> vecpipe::Result<Vec<SourceTable>> {
    source(&folder(DIRECTORY).join("data"), meta(other)).tables().await
}

async fn refused(other: Value) -> Error {
    tables(other).await.expect_err("it is refused")
}

/// The certificate of the authority that signed the server's.
fn ca() -> String {
    std::env::var("VECPIPE_TEST_MYSQL_CA").expect(
        "VECPIPE_TEST_MYSQL_CA is not set: run the tests with scripts/test, which starts a MariaDB \
         with TLS, or name the PEM file of the authority that signed its certificate",
    )
}

/// The servers' metadata in MariaDB: same rule, same rows.
#[tokio::test(flavor = "multi_thread")]
async fn metadata_in_mysql_gives_the_same_rows() {
    let source = source(&folder(DIRECTORY).join("data"), meta(json!({})));
    let tables = source.tables().await.unwrap();
    let parts = parts(DIRECTORY);
    assert_eq!(tables.len(), parts.len());
    for part in &parts {
        let table = tables.iter().find(|table| table.name == part.table()).unwrap();
        let rows = read_table(&*source, table, 4, &Way::PLAIN.context()).await.unwrap();
        assert!(rows_of(&rows) == part.truth(DIRECTORY), "{}", part.table());
    }
}

#[tokio::test]
async fn a_wrong_account_or_database_is_told_without_the_password() {
    for other in [json!({ "password": "wr0ng" }), json!({ "user": "nobody" })] {
        let error = refused(other).await;
        assert_eq!(error.exit_code(), 3);
        let words = error.to_string();
        assert!(words.contains("MySQL refuses") && words.contains("Access denied"), "{words}");
        assert!(words.contains("check user, password and database"), "{words}");
        assert!(!words.contains("wr0ng") && !words.contains(&mysql().password), "{words}");
    }
    let error = refused(json!({ "database": "nope" })).await;
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("/nope"), "{error}");
}

#[tokio::test]
async fn a_mysql_that_is_not_there_is_exit_code_3() {
    let error = refused(json!({ "port": 1 })).await;
    assert_eq!(error.exit_code(), 3);
    let words = error.to_string();
    assert!(words.contains("Cannot reach MySQL") && words.contains(":1/"), "{words}");
}

/// As where a server of another kind listens, which waits for its client to begin.
#[tokio::test(start_paused = true)]
async fn a_server_that_never_speaks_does_not_hang_the_plan() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let error = refused(json!({ "host": "127.0.0.1", "port": port })).await;
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("does not answer within 20 seconds"), "{error}");
}

#[tokio::test]
async fn a_user_that_must_connect_encrypted_can() {
    let user = json!({ "user": "encrypted" });
    assert!(!tables(user).await.unwrap().is_empty(), "`prefer` is the default");
    let checked = json!({ "user": "encrypted", "tls": "require", "ca": ca() });
    assert!(!tables(checked).await.unwrap().is_empty());

    let error = refused(json!({ "user": "encrypted", "tls": "off" })).await;
    assert_eq!(error.exit_code(), 3);
    let words = error.to_string();
    assert!(words.contains("MySQL refuses") && words.contains("Access denied"), "{words}");
    assert!(words.contains("must connect encrypted needs `tls: prefer`"), "{words}");
    // In the clear, whoever may.
    assert!(!tables(json!({ "tls": "off" })).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_certificate_is_checked_where_tls_is_required() {
    let error = refused(json!({ "tls": "require" })).await;
    assert_eq!(error.exit_code(), 3);
    let words = error.to_string();
    assert!(words.contains("No trusted connection to MySQL"), "{words}");
    assert!(words.contains("UnknownIssuer"), "{words}");
    assert!(words.contains("set source.milvus1.meta.mysql.ca to the PEM file"), "{words}");

    // The certificate is for 127.0.0.1, and for no name.
    let error = refused(json!({ "host": "localhost", "tls": "require", "ca": ca() })).await;
    assert_eq!(error.exit_code(), 3);
    let words = error.to_string();
    assert!(words.contains("not valid for name \"localhost\""), "{words}");
    assert!(words.contains("`host` to a name that the certificate has"), "{words}");
}

#[tokio::test]
async fn a_ca_that_is_none_is_a_mistake_in_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let with_ca = || json!({ "tls": "require", "ca": file });
    let error = refused(with_ca()).await;
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("Cannot read"), "{error}");
    fs::write(&file, "no certificate\n").unwrap();
    let error = refused(with_ca()).await;
    assert_eq!(error.exit_code(), 2);
    let words = error.to_string();
    assert!(words.contains("holds no certificate"), "{words}");
    assert!(words.contains("source.milvus1.meta.mysql.ca"), "{words}");
}

/// A certificate that nobody would look at.
#[test]
fn a_ca_without_a_check_is_refused_before_anything_is_tried() {
    let mysql = json!({ "user": "root", "ca": "ca.pem" });
    let config = json!({ "milvus1": { "path": "data", "meta": { "mysql": mysql } } });
    let config: SourceConfig = serde_json::from_value(config).unwrap();
    let error = config.into_factory().build().err().expect("it makes no sense");
    assert_eq!(error.exit_code(), 2);
    let words = error.to_string();
    assert!(words.contains("`ca` has no effect") && words.contains("tls: require"), "{words}");
}

/// A database of the tests' own, filled by `sql`.
async fn scratch(sql: &[&str]) -> Error {
    const NAME: &str = "vecpipe_scratch";
    let server = mysql();
    let options = OptsBuilder::default()
        .ip_or_hostname(server.host)
        .tcp_port(server.port)
        .user(Some(server.user))
        .pass(Some(server.password))
        .db_name(Some(NAME));
    let mut connection = Conn::new(options).await.unwrap();
    for statement in ["DROP TABLE IF EXISTS Tables", "DROP TABLE IF EXISTS TableFiles"] {
        connection.query_drop(statement).await.unwrap();
    }
    for statement in sql {
        connection.query_drop(*statement).await.unwrap();
    }
    connection.disconnect().await.unwrap();
    let error = refused(json!({ "database": NAME })).await;
    assert_eq!(error.kind(), Kind::Source, "{error}");
    assert!(error.to_string().contains(NAME) || error.to_string().contains("tables"), "{error}");
    error
}

/// In turn, since they share a database.
#[tokio::test]
async fn databases_that_are_not_a_milvus_server_s_are_told() {
    const TABLES: &str = "CREATE TABLE Tables (id INT, table_id TEXT, state INT, dimension INT,
        metric_type INT, owner_table TEXT, partition_tag TEXT, version TEXT, flush_lsn BIGINT)";
    const FILES: &str = "CREATE TABLE TableFiles (id INT, table_id TEXT, segment_id TEXT,
        file_type INT, row_count BIGINT)";
    let words = scratch(&[]).await.to_string();
    assert!(words.contains("Cannot read the metadata") && words.contains("meta_uri"), "{words}");
    let words = scratch(&[TABLES, FILES]).await.to_string();
    assert!(words.contains("names no collection, but there are segments"), "{words}");
    assert!(words.contains("source.milvus1.meta.mysql.database"), "{words}");
    // A client library that takes rows on trust ends the program here.
    let row = "INSERT INTO Tables VALUES (1, 't', 0, NULL, 1, '', '', '0.10.0', 0)";
    let words = scratch(&[TABLES, FILES, row]).await.to_string();
    assert!(words.contains("Row 0 of Tables holds no values of a Milvus server"), "{words}");
    let row = "INSERT INTO TableFiles VALUES (1, 't', '1', 1, NULL)";
    let words = scratch(&[TABLES, FILES, row]).await.to_string();
    assert!(words.contains("Row 0 of TableFiles"), "{words}");
}
