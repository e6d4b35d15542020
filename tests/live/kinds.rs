//! One collection of each kind, from each server into each, and through Parquet: the same schema,
//! indexes and values bit by bit.

use serde_json::{Value, json};

use crate::common::folder::Folder;
use crate::support::{Collection, Server, moved, run};

const ROWS: usize = 40;
const CONTENT: [&str; 4] = ["--verify", "content", "--parallelism", "4"];
const SINK: &str = ", load: true, wait_for_index: true, aliases: false";

/// Moves a collection of this kind to all servers of `to`, straight and through Parquet.
#[track_caller]
pub fn all_arrives(kind: &str, from: &Server, to: &[&Server]) {
    let folder = Folder::new();
    let source = from.made(kind, ROWS);
    let told = source.tell();
    let staged = format!("sink: {{ parquet: {{ dir: {}, mode: overwrite }} }}", source.name);
    moved(&folder, &[&source.source(""), &staged], &CONTENT);
    let parquet = format!("source: {{ parquet: {{ paths: [{}/] }} }}", source.name);
    for (n, to) in to.iter().enumerate() {
        // Once is enough for what Parquet holds.
        let ways = [source.source(""), parquet.clone()];
        for through in &ways[..if n == 0 { 2 } else { 1 }] {
            let target = to.name(kind);
            moved(&folder, &[through, &target.sink(SINK)], &CONTENT);
            same(kind, &told, &target, from.lite || to.lite);
        }
    }
}

/// Where two values first differ, and in what.
fn first_difference(one: &Value, other: &Value) -> Option<String> {
    let below = |key: &dyn std::fmt::Display, a: &Value, b: &Value| {
        first_difference(a, b).map(|what| format!("{key}: {what}"))
    };
    match (one, other) {
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            a.iter().find_map(|(key, value)| below(key, value, b.get(key).unwrap_or(&Value::Null)))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(n, (a, b))| below(&n, a, b))
        }
        _ => (one != other).then(|| format!("{one} is not {other}")),
    }
}

#[track_caller]
fn same(kind: &str, told: &Value, target: &Collection<'_>, lite: bool) {
    let (mut before, mut after) = (told.clone(), target.tell());
    for told in [&mut before, &mut after] {
        for field in told["schema"]["fields"].as_array_mut().unwrap() {
            // The ids are kept.
            field["auto"] = Value::Null;
            if lite {
                // Milvus Lite keeps no descriptions.
                field["description"] = Value::Null;
                // A Milvus insists on limits that Milvus Lite does without.
                let params = field["params"].as_object_mut().unwrap();
                params.retain(|key, value| key == "dim" || *value != json!("65535"));
                params.remove("enable_analyzer");
                // It forgets the one of texts in arrays.
                if field["element"] == "VARCHAR" {
                    field["params"].as_object_mut().unwrap().remove("max_length");
                }
            }
        }
        if lite {
            for what in ["description", "consistency"] {
                told["schema"][what] = Value::Null;
            }
            for index in told["indexes"].as_object_mut().unwrap().values_mut() {
                for parameter in ["M", "nlist"] {
                    index[parameter] = Value::Null;
                }
            }
        }
    }
    for what in ["schema", "indexes", "aliases", "rows"] {
        let differ = first_difference(&before[what], &after[what]);
        assert_eq!(differ, None, "{what} of {kind}");
    }
}

/// Several kinds at once: most of the time, a Milvus loads collections.
fn each_kind(kinds: &[&str], arrives: impl Fn(&str) + Sync) {
    std::thread::scope(|scope| {
        let arrives = &arrives;
        let threads: Vec<_> =
            kinds.iter().map(|kind| (kind, scope.spawn(move || arrives(kind)))).collect();
        for (kind, thread) in threads {
            thread.join().unwrap_or_else(|_| panic!("{kind} does not arrive, see above"));
        }
    });
}

#[test]
fn from_milvus_into_both() {
    each_kind(&["scalars", "dynamic", "texts", "keyed", "auto", "parts", "empty"], |kind| {
        let (milvus, lite) = (Server::milvus(), Server::lite());
        all_arrives(kind, &milvus, &[&milvus, &lite]);
    });
}

#[test]
fn what_only_milvus_holds() {
    each_kind(&["bits", "halves"], |kind| {
        let milvus = Server::milvus();
        all_arrives(kind, &milvus, &[&milvus]);
    });
}

#[test]
fn from_milvus_lite_into_both() {
    each_kind(&["scalars", "dynamic", "texts", "parts"], |kind| {
        let (milvus, lite) = (Server::milvus(), Server::lite());
        all_arrives(kind, &lite, &[&lite, &milvus]);
    });
}

#[test]
fn what_only_milvus_lite_holds() {
    let lite = Server::lite();
    for kind in ["sparse", "several", "nulls", "computed", "keyed", "auto"] {
        all_arrives(kind, &lite, &[&lite]);
    }
}

#[test]
fn from_milvus_lite_2_and_back() {
    // Only this one takes `bfloats`.
    let kinds = ["bfloats", "scalars", "dynamic", "texts", "bits", "halves", "sparse"];
    each_kind(&kinds, |kind| {
        let (early, milvus, lite) = (Server::early_lite(), Server::milvus(), Server::lite());
        match kind {
            "bfloats" => all_arrives(kind, &early, &[&early]),
            "scalars" => all_arrives(kind, &early, &[&early, &milvus, &lite]),
            "bits" => all_arrives(kind, &milvus, &[&early]),
            "halves" => all_arrives(kind, &early, &[&early, &milvus]),
            "sparse" => {
                all_arrives(kind, &lite, &[&early]);
                all_arrives(kind, &early, &[&lite]);
            }
            _ => all_arrives(kind, &early, &[&early, &lite]),
        }
    });
}

#[test]
fn a_partition_key_on_milvus_lite_2_is_left_out_and_not_read() {
    let (early, lite, folder) = (Server::early_lite(), Server::lite(), Folder::new());
    let (source, target) = (lite.made("keyed", ROWS), early.name("keyed"));
    let sink = target.sink(", index: { type: AUTOINDEX }");
    let done = moved(&folder, &[&source.source(""), &sink], &CONTENT);
    let said = "has no partition keys with which rows can be found: tenant has none";
    assert!(done.stderr.contains(said), "{}", done.stderr);
    assert_eq!(target.tell()["rows"]["_default"].as_object().unwrap().len(), ROWS);
    let unread = early.made("keyed", 5);
    let done = run(&folder, &[&unread.source(""), "sink: { parquet: { dir: out } }"], &[]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(
        done.stderr.contains("answers no question about rows of a collection with a partition")
    );
}

#[test]
fn into_another_database_and_back() {
    each_kind(&["scalars", "parts"], |kind| {
        let (milvus, other) = (Server::milvus(), Server::milvus().database("vecpipe_live"));
        let (from, to) = if kind == "scalars" { (&milvus, &other) } else { (&other, &milvus) };
        let (folder, source, target) = (Folder::new(), from.made(kind, ROWS), to.name(kind));
        moved(&folder, &[&source.source(""), &target.sink(SINK)], &CONTENT);
        same(kind, &source.tell(), &target, false);
    });
}

#[test]
fn an_index_that_a_server_lacks_is_found_before_anything_is_made() {
    let (early, milvus, lite) = (Server::early_lite(), Server::milvus(), Server::lite());
    let (source, target, folder) = (milvus.made("plain", 5), early.name("plain"), Folder::new());
    let done = run(&folder, &[&source.source(""), &target.sink("")], &[]);
    assert_eq!(done.code, 2, "{}", done.stderr);
    let words = "Milvus Lite 2.4 or 2.5 has no index HNSW, which is what the source has on v";
    assert!(done.stderr.contains(words), "{}", done.stderr);
    let remedy = "index: { type: AUTOINDEX, metric: COSINE }";
    assert!(done.stderr.contains(remedy), "{}", done.stderr);
    moved(&folder, &[&source.source(""), &target.sink(&format!(", {remedy}"))], &CONTENT);
    // What only makes conditions faster is left out, and that is said.
    let (source, target) = (milvus.made("sorted", 5), lite.name("sorted"));
    let done = moved(&folder, &[&source.source(""), &target.sink("")], &[]);
    let left_out = "left out, as Milvus Lite 3.2.2 has no such index: STL_SORT on n";
    assert!(done.stderr.contains(left_out), "{}", done.stderr);
}

#[test]
fn the_dynamic_field_by_another_name_is_a_field_of_json() {
    let (lite, folder) = (Server::lite(), Folder::new());
    let (source, target) = (lite.made("dynamic", 8), lite.name("renamed"));
    let rename = "transforms: [ rename: { $meta: rest } ]";
    moved(&folder, &[&source.source(""), rename, &target.sink("")], &CONTENT);
    let told = target.tell();
    assert_eq!(told["schema"]["dynamic"], false);
    let fields = told["schema"]["fields"].as_array().unwrap();
    let rest = fields.iter().find(|field| field["name"] == "rest").expect("a field");
    assert_eq!(rest["type"], "JSON");
    assert_eq!(told["rows"]["_default"]["-993"]["rest"], json!({ "extra": 1 }));
}

#[test]
fn aliases_come_along_where_they_are_asked_for() {
    let (milvus, lite, folder) = (Server::milvus(), Server::lite(), Folder::new());
    let source = milvus.made("plain", ROWS);
    let alias = format!("{}_alias", source.name);
    milvus.call("create_alias", json!({ "collection_name": source.name, "alias": alias }));
    let target = lite.name("aliased");
    moved(&folder, &[&source.source(""), &target.sink(", aliases: true")], &[]);
    assert_eq!(target.tell()["aliases"], json!([alias]));
    // On its own server it stays where it is.
    let beside = milvus.name("aliased");
    let done = moved(&folder, &[&source.source(""), &beside.sink(", aliases: true")], &[]);
    assert!(done.stderr.contains(&format!("{alias} stays the name of {}", source.name)));
}
