//! What no server holds that can be installed: against one of the test suite that stands in for a
//! Milvus 2.6.

use prost::Message;
use serde_json::json;
use vecpipe::milvus::v2::proto::common::KeyValuePair;
use vecpipe::milvus::v2::proto::milvus::{
    CreateCollectionRequest, CreateIndexRequest, InsertRequest,
};
use vecpipe::milvus::v2::proto::schema::{
    CollectionSchema, DataType, FieldData, FieldSchema, ScalarField, StringArray, VectorField,
    field_data::Field as Values, scalar_field::Data as Scalars, vector_field::Data as Vectors,
};
use vecpipe::source::SourceFactory;

use crate::common::folder::Folder;
use crate::common::read::{Way, read_table};
use crate::kinds::all_arrives;
use crate::milvus2_server::Milvus2;
use crate::support::{Server, moved, run};

/// Rows with these keys, into a collection that is made if it is missing, without pymilvus, which takes
/// its time with many.
fn put_texts(server: &Milvus2, name: &str, keys: &[String]) {
    let pair = |key: &str, value: &str| KeyValuePair { key: key.into(), value: value.into() };
    let field = |name: &str, data_type: DataType, param| FieldSchema {
        name: name.to_owned(),
        data_type: data_type.into(),
        is_primary_key: name == "key",
        type_params: vec![param],
        ..FieldSchema::default()
    };
    let key = field("key", DataType::VarChar, pair("max_length", "200"));
    let vector = field("v", DataType::Int8Vector, pair("dim", "2"));
    let schema = CollectionSchema {
        name: name.to_owned(),
        fields: vec![key.clone(), vector.clone()],
        ..CollectionSchema::default()
    };
    let data = Scalars::StringData(StringArray { data: keys.to_vec() });
    let bytes = vec![7; keys.len() * 2].into();
    let vectors = VectorField { dim: 2, data: Some(Vectors::Int8Vector(bytes)) };
    let column = |field: &FieldSchema, values| FieldData {
        r#type: field.data_type,
        field_name: field.name.clone(),
        field: Some(values),
        ..FieldData::default()
    };
    let columns = vec![
        column(&key, Values::Scalars(ScalarField { data: Some(data) })),
        column(&vector, Values::Vectors(vectors)),
    ];
    let collection_name = name.to_owned();
    server.store(|store| {
        if !store.names().contains(&collection_name) {
            let schema = schema.encode_to_vec().into();
            let made = CreateCollectionRequest {
                collection_name: collection_name.clone(),
                schema,
                ..Default::default()
            };
            store.create(made).unwrap();
            let field_name = "v".to_owned();
            let index = CreateIndexRequest {
                collection_name: collection_name.clone(),
                field_name,
                ..Default::default()
            };
            store.create_index(index).unwrap();
        }
        let num_rows = u32::try_from(keys.len()).unwrap();
        let rows =
            InsertRequest { collection_name, fields_data: columns, num_rows, ..Default::default() };
        store.insert(rows, false).unwrap();
        store.load(name, true).unwrap();
    });
}

fn server() -> Server {
    Server::at(Milvus2::start("v2.6.4").uri, false)
}

/// One that shows vectors that are null.
fn later_server() -> Server {
    Server::at(Milvus2::start("v3.0.0").uri, false)
}

#[test]
fn what_others_take_in_other_ways_arrives_on_the_newest() {
    let (server, other) = (server(), server());
    for kind in ["dynamic", "keyed", "nulls", "several"] {
        all_arrives(kind, &server, &[&other]);
    }
}

#[test]
fn int8_vectors_and_a_clustering_key() {
    all_arrives("int8s", &server(), &[&server()]);
}

#[test]
fn vectors_that_are_null() {
    all_arrives("holes", &later_server(), &[&later_server()]);
}

#[test]
fn a_null_vector_that_a_target_does_not_take_is_named_with_its_row() {
    let (from, to, folder) = (later_server(), server(), Folder::new());
    let (source, target) = (from.made("holes", 5), to.name("holes"));
    let lines = [&*source.source(""), &*target.sink("")];
    let done = run(&folder, &lines, &[]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    for words in [
        "has no vectors that are null: w, s has none in the new collection",
        "w, s can't be null there: a row in which it is fails the run",
        "Row with id -993: w is null, and the target takes no nulls",
        "split 0, row 1",
    ] {
        assert!(done.stderr.contains(words), "{words}: {}", done.stderr);
    }
    let reject = "run: { on_bad_row: reject, rejects_dir: rejects }";
    let done = run(&folder, &[&lines[..], &[reject]].concat(), &["--restart"]);
    assert_eq!((done.code, &done.report["tables"][0]["rows_written"]), (4, &json!(2)));
}

#[test]
fn functions_with_what_they_compute() {
    all_arrives("computed", &server(), &[&server()]);
}

#[test]
fn several_indexes_of_one_field() {
    all_arrives("paths", &server(), &[&server()]);
}

#[test]
fn an_index_beside_others_of_its_field_is_made_by_the_run_that_goes_on() {
    let (to, milvus2, folder) = {
        let milvus2 = Milvus2::start("v2.6.4");
        (Server::at(milvus2.uri.clone(), false), milvus2, Folder::new())
    };
    let from = server();
    let (source, target) = (from.made("paths", 5), to.name("paths"));
    milvus2.store(|store| store.refused_index = Some("doc_b".to_owned()));
    let lines = [&*source.source(""), &*target.sink("")];
    let done = run(&folder, &lines, &[]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.stderr.contains("no room for an index"), "{}", done.stderr);
    milvus2.store(|store| store.refused_index = None);
    moved(&folder, &lines, &[]);
    assert_eq!(target.indexes(), json!(["v", "doc_a", "doc_b"]));
}

#[tokio::test]
async fn keys_with_a_long_common_beginning_are_divided_without_going_through_it() {
    let server = Milvus2::start("v2.6.4");
    let place = "https://documents.example.org/archive/2026/november/a/very/long/path/to/page";
    let other = "https://documents.example.org/archive/2027/january/another/path/to/something";
    let pages = (0..3000).map(|n| format!("{}/{n:06}", if n % 3 == 0 { place } else { other }));
    put_texts(&server, "pages", &pages.collect::<Vec<_>>());
    let settings = json!({ "uri": server.uri, "collections": { "pages": null } });
    let mut config: vecpipe::source::milvus::Config = serde_json::from_value(settings).unwrap();
    config.split_rows = Some(500);
    let source = config.build().unwrap();
    let tables = source.tables().await.unwrap();
    let splits = &tables[0].splits;
    assert!(splits.len() >= 6 && splits.iter().all(|split| split.rows <= 500), "{splits:?}");
    assert_eq!(splits.iter().map(|split| split.rows).sum::<u64>(), 3000);
    // Each character would take about seven.
    let queries = server.store(|store| store.queries);
    assert!(queries < 150, "{queries} questions");
}

#[test]
fn questions_that_are_asked_again_while_rows_are_read_are_counted() {
    let milvus2 = Milvus2::start("v2.6.4");
    let (from, folder) = (Server::at(milvus2.uri.clone(), false), Folder::new());
    let source = from.made("plain", 20);
    milvus2.store(|store| store.busy = 2);
    let done = moved(&folder, &[&source.source(""), "sink: { parquet: { dir: out } }"], &[]);
    assert_eq!(done.report["tables"][0]["retries"], 2);
    assert_eq!(done.report["retries"], 2);
}

#[tokio::test]
async fn all_pages_show_the_moment_of_the_plan_where_the_server_keeps_it() {
    let server = Milvus2::start("v2.6.4");
    let keys = |of: &str, n: usize| (0..n).map(|n| format!("{of}{n}")).collect::<Vec<_>>();
    put_texts(&server, "moment", &keys("m", 50));
    let settings = json!({ "uri": server.uri, "collections": { "moment": null } });
    let config: vecpipe::source::milvus::Config = serde_json::from_value(settings).unwrap();
    let source = config.build().unwrap();
    let table = source.tables().await.unwrap().remove(0);
    assert!(!table.notes.iter().any(|note| note.contains("must rest")), "{:?}", table.notes);
    put_texts(&server, "moment", &[keys("a", 20), keys("z", 5)].concat());
    let rows = read_table(&*source, &table, 1, &Way::PLAIN.context()).await.unwrap();
    assert_eq!(rows.num_rows(), 50);
    let later = source.tables().await.unwrap().remove(0);
    let rows = read_table(&*source, &later, 1, &Way::PLAIN.context()).await.unwrap();
    assert_eq!(rows.num_rows(), 75);
}
