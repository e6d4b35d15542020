//! What a mapping makes of single collections of the source.

use serde_json::{Value, json};

use crate::common::folder::Folder;
use crate::common::kill::{Random, kill_at, settled};
use crate::support::{Collection, Server, moved, run};

const CONTENT: [&str; 4] = ["--verify", "content", "--parallelism", "4"];

/// The `source` of a configuration that reads these.
fn sources(of: &[&Collection<'_>]) -> String {
    let names: Vec<_> = of.iter().map(|source| format!("{}: ", source.name)).collect();
    let (uri, names) = (&of[0].server.uri, names.join(", "));
    format!("source: {{ milvus: {{ uri: '{uri}', collections: {{ {names} }} }} }}")
}

/// The `sink` of a configuration, with what becomes of each of these.
fn sink(server: &Server, mapping: &[(&Collection<'_>, String)], more: &str) -> String {
    let all = mapping.iter().map(|(source, what)| format!("{}: {{ {what} }}", source.name));
    let all: Vec<_> = all.collect();
    let (uri, all) = (&server.uri, all.join(", "));
    format!("sink: {{ milvus: {{ uri: '{uri}'{more}, mapping: {{ {all} }} }} }}")
}

/// Rows of all partitions, by id.
fn rows(told: &Value) -> serde_json::Map<String, Value> {
    let parts = told["rows"].as_object().unwrap().values();
    parts.flat_map(|part| part.as_object().unwrap().clone()).collect()
}

fn counts(of: &Collection<'_>) -> Value {
    of.tell()["counts"].clone()
}

#[test]
fn all_mistakes_are_told_at_once() {
    let (lite, folder) = (Server::lite(), Folder::new());
    let (source, computed) = (lite.made("scalars", 5), lite.made("computed", 5));
    let target = lite.name("mistaken");
    let near = source.name.replace("live", "life");
    let what = format!(
        "collection: 'a b', partitions: {{ _defualt: q }}, leave_out: [id, v, jsn], \
         fields: {{ int9: int64s, bool: int32, bools: 'b s', json: j }}, \
         constants: {{ int16: 1, text: {}, j: 2 }}",
        "x".repeat(256)
    );
    let other =
        format!("collection: {}, leave_out: [words], constants: {{ words: 1 }}", target.name);
    let mut sink = sink(&lite, &[(&source, what), (&computed, other)], "");
    sink = sink.replace("mapping: {", &format!("mapping: {{ {near}: {{}},"));
    let done = run(&folder, &[&sources(&[&source, &computed]), &sink], &[]);
    assert_eq!(done.code, 2, "{}", done.stderr);
    for words in [
        &*format!("{near}: the source has no collection `{near}` (did you mean `{}`?", source.name),
        ".collection: Milvus does not take the name `a b`",
        ".partitions: there is no partition `_defualt` (did you mean `_default`?)",
        ".leave_out: `id` is the primary key, which can't be left out",
        ".leave_out: `v` is the only vector, which can't be left out",
        ".leave_out: there is no field `jsn` (did you mean `json`?",
        ".fields: there is no field `int9` (did you mean `int",
        ".fields: Milvus does not take the name `b s`",
        "several fields would be called `int32`: `bool` and `int32`",
        "several fields would be called `int16`: `int16` and a constant",
        "several fields would be called `j`: `json` and a constant",
        ".constants: `text`: a text may have 255 bytes, this one has 256",
        ".leave_out: `words` is computed by the server (bm25)",
        "several fields would be called `words`: one that the server computes and a constant",
        "There are 14 mistakes in sink.milvus.mapping:",
    ] {
        assert!(done.stderr.contains(words), "{words}: {}", done.stderr);
    }
    let there = lite.ask(&json!({ "do": "names", "prefix": target.name }));
    assert_eq!(there["names"], json!([]));
}

#[test]
fn a_constant_is_a_plain_value() {
    let (milvus, folder) = (Server::milvus(), Folder::new());
    let source = milvus.name("nothing");
    for (constant, words) in [
        ("[1]", "a list"),
        ("null", "true, false, a number or a text"),
        ("18446744073709551615", "18446744073709551615 is beyond 64 bits with a sign"),
    ] {
        let sink = sink(&milvus, &[(&source, format!("constants: {{ c: {constant} }}"))], "");
        let done = run(&folder, &[&sources(&[&source]), &sink], &[]);
        assert_eq!(done.code, 2, "{}", done.stderr);
        assert!(done.stderr.contains(words), "{constant}: {}", done.stderr);
        assert!(done.stderr.contains("constants.c"), "{}", done.stderr);
    }
}

#[test]
fn fields_get_other_names_are_left_out_and_are_added() {
    let (from, to) = (Server::milvus(), Server::lite());
    let folder = Folder::new();
    let (source, target) = (from.made("scalars", 12), to.name("mapped"));
    let what = format!(
        "collection: {}, fields: {{ v: vec, id: key, int8: int16, int16: int8 }}, \
         leave_out: [json, bools], constants: {{ json: news, n: 7, ok: true, x: 0.5 }}",
        target.name
    );
    // What is said about one collection wins.
    let all = ", collection: other, schema: { id: elsewhere }, load: true";
    let sink = sink(&to, &[(&source, what)], all);
    moved(&folder, &[&source.source(""), &sink], &CONTENT);
    let (before, after) = (source.tell(), target.tell());
    assert_eq!(after["indexes"]["vec"]["type"], "HNSW");
    assert_eq!(after["indexes"]["vec"]["metric"], "COSINE");
    let fields: Vec<_> = after["schema"]["fields"].as_array().unwrap().iter().collect();
    let type_of = |name: &str| {
        let field = fields.iter().find(|field| field["name"] == name);
        field.map(|field| field["type"].as_str().unwrap())
    };
    for (name, data_type) in [
        ("key", Some("INT64")),
        ("int16", Some("INT8")),
        ("int8", Some("INT16")),
        ("json", Some("VARCHAR")),
        ("n", Some("INT64")),
        ("ok", Some("BOOL")),
        ("x", Some("DOUBLE")),
        ("bools", None),
        ("v", None),
    ] {
        assert_eq!(type_of(name), data_type, "{name}");
    }
    let mut expected = rows(&before);
    for row in expected.values_mut().map(|row| row.as_object_mut().unwrap()) {
        row.remove("bools");
        let mut moved = |old: &str| row.remove(old).unwrap();
        let (v, id, int8, int16) = (moved("v"), moved("id"), moved("int8"), moved("int16"));
        let new = [("vec", v), ("key", id), ("int16", int8), ("int8", int16)];
        row.extend(new.map(|(name, value)| (name.to_owned(), value)));
        row.insert("json".to_owned(), json!("news"));
        row.extend([("n".to_owned(), json!(7)), ("ok".to_owned(), json!(true))]);
        row.insert("x".to_owned(), json!(0.5));
    }
    assert_eq!(rows(&after), expected);
}

#[test]
fn functions_whose_fields_are_left_out_are_told() {
    let (lite, folder) = (Server::lite(), Folder::new());
    let source = lite.made("computed", 6);
    let (renamed, without) = (lite.name("renamed"), lite.name("without"));
    let what = format!("collection: {}, fields: {{ text: body }}", renamed.name);
    moved(&folder, &[&source.source(""), &sink(&lite, &[(&source, what)], "")], &CONTENT);
    let told = renamed.tell();
    assert_eq!(told["schema"]["functions"], json!([["bm25", 1]]));
    assert_eq!(told["indexes"]["words"]["metric"], "BM25");
    let what = format!("collection: {}, leave_out: [text]", without.name);
    let lines = [&*source.source(""), &*sink(&lite, &[(&source, what)], "")];
    let done = moved(&folder, &lines, &CONTENT);
    let words = "bm25 and what they compute are left out: fields that they read are left out";
    assert!(done.stderr.contains(words), "{}", done.stderr);
    assert_eq!(without.tell()["schema"]["functions"], json!([]));
}

#[test]
fn a_vector_may_go_where_another_one_stays() {
    let (lite, folder) = (Server::lite(), Folder::new());
    let (source, target) = (lite.made("several", 6), lite.name("fewer"));
    let what = format!("collection: {}, leave_out: [v, s]", target.name);
    let done =
        moved(&folder, &[&source.source(""), &sink(&lite, &[(&source, what)], "")], &CONTENT);
    assert!(done.stderr.contains("FLAT on w (L2)"), "{}", done.stderr);
    assert_eq!(rows(&target.tell()).len(), 6);
}

#[test]
fn collections_and_partitions_are_merged_and_keep_where_they_come_from() {
    let (from, to) = (Server::lite(), Server::milvus());
    let folder = Folder::new();
    let (parts, plain) = (from.made("parts", 90), from.made("plain", 0));
    let ids: Vec<i64> = (0..50).map(|n| n * 7 + 1).collect();
    from.ask(&json!({ "do": "insert", "collection": plain.name, "ids": ids }));
    let target = to.name("merged");
    let into = format!("collection: {}", target.name);
    let one =
        format!("{into}, partitions: {{ _default: old, p1: old }}, constants: {{ origin: parts }}");
    let two = "partitions: { _default: _default }, constants: { origin: plain }";
    let two = format!("{into}, {two}");
    let sink = sink(&to, &[(&parts, one), (&plain, two)], ", load: true");
    let lines = [&*sources(&[&parts, &plain]), &*sink];
    moved(&folder, &lines, &CONTENT);
    let told = target.tell();
    assert_eq!(told["counts"], json!({ "_default": 50, "old": 60, "p2": 30 }));
    let mut origins = std::collections::BTreeMap::new();
    for row in rows(&told).values() {
        *origins.entry(row["origin"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(origins, [("parts".to_owned(), 90), ("plain".to_owned(), 50)].into());
    // And once more into what is there: its field says what type the constant has.
    let ids: Vec<i64> = (0..10).map(|n| n * 7 + 2).collect();
    from.ask(&json!({ "do": "insert", "collection": plain.name, "ids": ids }));
    let done = folder.pipeline(&["verify", "move.yaml"]);
    assert_eq!(done.code, 5, "{}", done.stderr);
    let more = lines[1].replace(", load", ", on_conflict: skip, load");
    let done = moved(&folder, &[lines[0], &more], &[]);
    let tables = done.report["tables"].as_array().unwrap();
    let written = tables.iter().map(|table| table["rows_written"].as_u64().unwrap());
    assert_eq!(written.sum::<u64>(), 10, "{}", done.report);
}

#[test]
fn the_fields_of_merged_collections_may_come_in_any_order() {
    let (lite, folder) = (Server::lite(), Folder::new());
    let (one, other, target) = (lite.made("nulls", 3), lite.made("plain", 0), lite.name("ordered"));
    lite.ask(&json!({ "do": "insert", "collection": other.name, "ids": [5, 6] }));
    let into = format!("collection: {}", target.name);
    let first = "leave_out: [maybe, text, often], fields: { word: z }, constants: { a: 1 }";
    let second = "constants: { a: 2, z: other }";
    let mapping = [(&one, format!("{into}, {first}")), (&other, format!("{into}, {second}"))];
    let lines = [&*sources(&[&one, &other]), &*sink(&lite, &mapping, "")];
    moved(&folder, &lines, &CONTENT);
    let rows = rows(&target.tell());
    assert_eq!((rows.len(), &rows["5"]["z"], &rows["5"]["a"]), (5, &json!("other"), &json!(2)));
}

#[test]
fn constants_take_the_type_of_the_targets_field() {
    let (milvus, folder) = (Server::milvus(), Folder::new());
    let (scalars, target) = (milvus.made("scalars", 4), milvus.name("typed"));
    let fields = "leave_out: [bools, int8s, int16s, int32s, int64s, floats, doubles, varchars, json, int32, int64, double, bool, int16]";
    let what = format!("collection: {}, {fields}", target.name);
    moved(&folder, &[&scalars.source(""), &sink(&milvus, &[(&scalars, what)], "")], &CONTENT);
    let plain = milvus.made("plain", 0);
    milvus.ask(&json!({ "do": "insert", "collection": plain.name, "ids": [5, 6] }));
    let with = |constants: &str| {
        let what = format!("collection: {}, constants: {{ {constants} }}", target.name);
        sink(&milvus, &[(&plain, what)], ", load: true")
    };
    let wrong = with("int8: 128, float: 1, varchar: x");
    let done = run(&folder, &[&plain.source(""), &wrong], &[]);
    let words = "constants: `int8`: 128 does not fit the target's field, which is Int8";
    assert!(done.code == 2 && done.stderr.contains(words), "{}", done.stderr);
    let right = with("int8: 127, float: 1, varchar: x");
    moved(&folder, &[&plain.source(""), &right], &CONTENT);
    let row = rows(&target.tell())["5"].clone();
    assert_eq!((&row["int8"], &row["varchar"]), (&json!(127), &json!("x")));
}

#[test]
fn a_collection_goes_to_another_database() {
    let (milvus, lite) = (Server::milvus(), Server::lite());
    for server in [&milvus, &lite] {
        let folder = Folder::new();
        let (moves, stays) = (server.made("plain", 20), server.made("texts", 20));
        let database = format!("vecpipe_mapped_{:06x}", std::process::id());
        let (name, here) = (server.name("moved").lasting(), server.name("stayed"));
        let one = format!("database: {database}, collection: {name}");
        let two = format!("database: default, collection: {}", here.name);
        let sink = sink(server, &[(&moves, one), (&stays, two)], ", load: true");
        let lines = [&*sources(&[&moves, &stays]), &*sink];
        moved(&folder, &lines, &CONTENT);
        assert_eq!(counts(&here)["_default"], 20);
        let done = folder.pipeline(&["verify", "move.yaml"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let inside = server.within(&database);
        let there = Collection { server: &inside, name: name.clone() };
        let back = server.name("back");
        let source = there.source(&format!(", database: {database}"));
        moved(&folder, &[&source, &back.sink(", load: true")], &CONTENT);
        assert_eq!(rows(&back.tell()), rows(&moves.tell()));
        there.lasting();
        inside.call("drop_collection", json!({ "collection_name": name }));
        server.call("drop_database", json!({ "db_name": database }));
    }
}

#[test]
fn a_killed_run_with_a_mapping_is_gone_on_with() {
    let (from, to) = (Server::lite(), Server::milvus());
    let folder = Folder::new();
    let (source, target) = (from.made("plain", 8_000), to.name("killed"));
    let mapping = |origin: &str| {
        let what = format!(
            "collection: {}, fields: {{ v: vec }}, constants: {{ origin: {origin} }}",
            target.name
        );
        sink(&to, &[(&source, what)], ", load: true")
    };
    let text = |origin| {
        let run = "run: { batch_rows: 100, parallelism: 3 }";
        format!("version: 1\n{}\n{}\n{run}\n", source.source(""), mapping(origin))
    };
    folder.write("move.yaml", &text("news"));
    let mut random = Random::of(11);
    for _ in 0..2 {
        let mut child = folder.command(&["run", "move.yaml"]).spawn().unwrap();
        let done = || settled(&folder.path(""), "move.yaml");
        assert!(kill_at(&mut child, done() + random.below(3_000), done));
    }
    // Rows with another value would be beside those that are there.
    folder.write("move.yaml", &text("views"));
    let done = folder.run(&["move.yaml"]);
    assert_eq!(done.code, 2, "{}", done.stderr);
    assert!(done.stderr.contains("constants.origin was news, is views"), "{}", done.stderr);
    folder.write("move.yaml", &text("news"));
    let done = folder.run(&["move.yaml", "--verify", "content"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let after = rows(&target.tell());
    assert_eq!(after.len(), 8_000);
    assert!(after.values().all(|row| row["origin"] == "news"));
}
