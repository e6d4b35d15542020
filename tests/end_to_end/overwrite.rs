//! Overwriting whole collections: what comes from an old server with all its partitions, aliases,
//! and what is loaded.

use serde_json::{Value, json};

use crate::milvus1_cases::{folder, parts};
use crate::support::{Done, Folder, Server, repository, sample};

/// Rows by table, as a run reports them.
fn rows(done: &Done, field: &str) -> Vec<(String, u64)> {
    let tables = done.report["tables"].as_array().unwrap();
    let name = |table: &Value| table["source"].as_str().unwrap().to_owned();
    tables.iter().map(|table| (name(table), table[field].as_u64().unwrap())).collect()
}

#[test]
fn a_collection_with_partitions_is_overwritten_from_milvusdm_s_own_file() {
    for server in [Server::milvus(), Server::lite()] {
        let work = Folder::new();
        let collection = server.collection("m2m_over");
        let config = repository("configs/milvusdm-m2m.yaml").display().to_string();
        let sets = [
            format!("M2M.dest_port={}", server.port()),
            format!("M2M.source_milvus_path={}", folder("A_float_l2").join("data").display()),
            "M2M.source_collection={float_l2: }".to_owned(),
            "M2M.mode=overwrite".to_owned(),
            format!("source.milvus1.rename={{float_l2: {}}}", collection.name),
        ];
        let mut arguments = vec![&*config, "--parallelism", "8"];
        arguments.extend(sets.iter().flat_map(|set| ["--set", set]));
        let expected: Vec<_> = parts("A_float_l2")
            .iter()
            .filter(|part| part.collection == "float_l2")
            .map(|part| (part.table(), part.rows as u64))
            .collect();
        for decision in ["created", "overwritten", "overwritten"] {
            let done = work.run(&arguments);
            done.table(decision);
            assert_eq!(rows(&done, "rows_written"), expected);
            assert_eq!(rows(&done, "target_rows_after"), expected);
            assert_eq!(collection.partitions(), json!(["_default", "p1", "p2"]));
        }
        // The mode is about the collection: a table of it that the target lacks changes nothing.
        let skip = work.run(&[&arguments[..], &["--set", "M2M.mode=skip"]].concat());
        assert!(
            skip.report["tables"].as_array().unwrap().iter().all(|t| t["decision"] == "skipped")
        );
        // A partition that is named is overwritten alone.
        let one = "M2M.source_collection={float_l2: [p1]}";
        let done = work.run(&[&arguments[..], &["--set", one]].concat());
        done.table("overwritten");
        assert_eq!(collection.partitions(), json!(["_default", "p1", "p2"]));
        let one = "M2M.source_collection={float_l2: [_default]}";
        let refused = work.run(&[&arguments[..], &["--set", one]].concat());
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(
            refused.stderr.contains("default partition can't be overwritten"),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn aliases_move_along_and_what_is_loaded_stays_so() {
    for server in [Server::milvus(), Server::lite()] {
        let work = Folder::new();
        let collection = server.collection("aliases");
        let alias = format!("{}_alias", collection.name);
        let config = |file: &str, name: &str| {
            let path = sample(file).display().to_string();
            format!(
                "version: 1\nsource: {{ hdf5: {{ paths: ['{path}'] }} }}\nsink: {{ milvus: {{ uri: '{}', collection: {name}, mode: overwrite }} }}\n",
                server.uri
            )
        };
        work.write("a.yaml", &config("a.h5", &collection.name));
        work.write("b.yaml", &config("b.h5", &collection.name));
        work.run(&["a.yaml"]).table("created");
        collection.add_alias(&alias);
        // Which also loads it.
        collection.holds(&["a.h5"]);
        assert_eq!(server.seen(&alias), json!({ "collection": collection.name, "rows": 2000 }));

        let plan = work.pipeline(&["plan", "b.yaml"]);
        assert!(
            plan.stdout.contains(&format!("its aliases move along: {alias}")),
            "{}",
            plan.stdout
        );
        work.run(&["b.yaml"]).table("overwritten");
        assert_eq!(server.seen(&alias), json!({ "collection": collection.name, "rows": 1500 }));
        collection.holds(&["b.h5"]);

        // An alias is not overwritten: the collection behind it would be.
        work.write("alias.yaml", &config("a.h5", &alias));
        let refused = work.run(&["alias.yaml"]);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains("is an alias of the collection"), "{}", refused.stderr);
        collection.holds(&["b.h5"]);
        server.drop_alias(&alias);
    }
}
