//! What is dumped, dropped and restored is as it was.

use serde_json::{Value, json};

use crate::common::folder::Folder;
use crate::live_support::Server;
use crate::support::{Database, done};

const ROWS: usize = 60;

/// Dumps two databases, drops them, restores them, and compares what pymilvus tells.
#[track_caller]
fn comes_back(server: &Server, kinds: [&[&str]; 2]) {
    let folder = Folder::new();
    let databases = [Database::on(server), Database::on(server)];
    for (database, kinds) in databases.iter().zip(kinds) {
        kinds.iter().for_each(|kind| database.make(kind, ROWS));
    }
    let alias = format!("{}_alias", databases[0].name);
    let aliased = json!({ "collection_name": kinds[0][0], "alias": alias });
    databases[0].server.call("create_alias", aliased);
    let told = || -> Vec<_> {
        let both = databases.iter().zip(kinds);
        both.flat_map(|(database, kinds)| database.tell(kinds)).collect()
    };
    let before = told();
    assert_eq!(before[0]["aliases"], json!([alias]));
    let [first, second] = &databases;
    let of = ["--database", &first.name, "--database", &second.name];
    let dump = ["dump", &server.uri, "d", "--verify", "content"];
    done(&folder, &[&dump[..], &of].concat());
    databases.iter().for_each(Database::drop);
    let restore = ["restore", "d", &server.uri, "--load", "--verify", "content"];
    done(&folder, &[&restore[..], &["--set", "sink.milvus.wait_for_index=true"]].concat());
    for (before, after) in before.iter().zip(told()) {
        for what in ["schema", "indexes", "aliases", "counts", "rows"] {
            assert_eq!(before[what], after[what], "{what}");
        }
    }
}

#[test]
fn a_milvus_comes_back_as_it_was() {
    comes_back(&Server::milvus(), [&["parts", "scalars"], &["keyed"]]);
}

#[test]
fn a_milvus_lite_comes_back_as_it_was() {
    let first = &["parts", "scalars", "sparse", "nulls", "several", "keyed"];
    comes_back(&Server::lite(), [first, &["texts", "computed", "auto", "dynamic", "empty"]]);
}

#[test]
fn one_collection_comes_back_under_another_name_in_another_database() {
    let (server, folder) = (Server::lite(), Folder::new());
    let (old, new) = (Database::on(&server), Database::on(&server));
    ["plain", "parts"].iter().for_each(|kind| old.make(kind, ROWS));
    new.drop();
    done(&folder, &["dump", &server.uri, "d", "--database", &old.name]);
    let collection = format!("{}/parts", old.name);
    let rename = format!("{collection}={}/others", new.name);
    let only = ["--collection", &collection, "--rename", &rename, "--load"];
    let restored = done(&folder, &[&["restore", "d", &server.uri][..], &only].concat());
    let note = format!("there is no database {} yet: it is made", new.name);
    assert!(restored.stderr.contains(&note), "{}", restored.stderr);
    assert_eq!(new.names(), json!(["others"]));
    let rows = |told: Vec<Value>| told[0]["rows"].clone();
    assert_eq!(rows(new.tell(&["others"])), rows(old.tell(&["parts"])));
    // One partition of it.
    let partition = format!("{collection}/p1");
    let rename = format!("{collection}={}/single", new.name);
    let only = ["--collection", &partition, "--rename", &rename, "--load"];
    done(&folder, &[&["restore", "d", &server.uri][..], &only].concat());
    let (single, whole) = (rows(new.tell(&["single"])), rows(old.tell(&["parts"])));
    assert_eq!(single["p1"], whole["p1"]);
    assert_eq!(single["_default"], json!({}));
}

#[test]
fn a_definition_that_was_edited_in_the_manifest_counts() {
    let (server, folder) = (Server::lite(), Folder::new());
    let database = Database::on(&server);
    database.make("plain", ROWS);
    done(&folder, &["dump", &server.uri, "d", "--database", &database.name]);
    let path = folder.path("d/manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"metric_type\": \"COSINE\""), "{text}");
    std::fs::write(&path, text.replace("\"metric_type\": \"COSINE\"", "\"metric_type\": \"L2\""))
        .unwrap();
    database.drop();
    done(&folder, &["restore", "d", &server.uri, "--load"]);
    assert_eq!(database.tell(&["plain"])[0]["indexes"]["v"]["metric"], "L2");
}

#[test]
fn modes_and_conflicts_are_those_of_run() {
    let (server, folder) = (Server::lite(), Folder::new());
    let database = Database::on(&server);
    database.make("plain", ROWS);
    done(&folder, &["dump", &server.uri, "d", "--database", &database.name]);
    let restore = |more: &[&str]| folder.pipeline(&[&["restore", "d", &server.uri], more].concat());
    let twice = restore(&[]);
    assert_eq!(twice.code, 1, "{}", twice.stderr);
    assert!(twice.stderr.contains("60 ids are in the target already"), "{}", twice.stderr);
    for more in [&["--mode", "skip"][..], &["--on-conflict", "skip"], &["--mode", "overwrite"]] {
        let done = restore(more);
        assert_eq!(done.code, 0, "{more:?} {}", done.stderr);
        let ids = database.tell(&["plain"])[0]["rows"]["_default"].as_object().unwrap().len();
        assert_eq!(ids, ROWS, "{more:?}");
    }
}

/// Through a server that asks for a password and speaks TLS, with an authority of its own.
#[test]
fn flags_say_how_a_guarded_server_is_reached() {
    let variable = |name: &str| std::env::var(name).expect("scripts/test starts such a server");
    let (uri, ca) = (variable("VECPIPE_TEST_GUARDED"), variable("VECPIPE_TEST_GUARDED_CA"));
    let (folder, name) = (Folder::new(), format!("vecpipe_dump_guarded_{:x}", std::process::id()));
    folder.write("password", "Milvus\n");
    folder.write("token", "root:Milvus\n");
    folder.write(
        "fill.yaml",
        &format!(
            "version: 1\nsource: {{ synthetic: {{ rows: 20, dim: 4 }} }}\n\
             sink: {{ milvus: {{ uri: '{uri}', user: root, password_file: password, \
             tls: {{ ca: '{ca}' }}, collection: {name} }} }}\n"
        ),
    );
    done(&folder, &["run", "fill.yaml"]);
    let user = ["--user", "root", "--password-file", "password", "--ca-file", &ca];
    done(&folder, &[&["dump", &uri, "d", "--collection", &name][..], &user].concat());
    let token = ["--token-file", "token", "--ca-file", &ca, "--mode", "overwrite"];
    let restored = done(&folder, &[&["restore", "d", &uri][..], &token].concat());
    assert!(restored.stdout.contains("overwritten"), "{}", restored.stdout);
}
