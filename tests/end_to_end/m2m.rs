//! Data directories of old servers into Milvus: every one, row by row, by the file in configs/.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::milvus1_cases::{Part, Row, folder, in_source_order, mysql, parts};
use crate::support::{Collection, Done, Folder, Server, Truth, repository};

/// A directory on its way: each of its collections to one of a name of its own.
struct Move<'a> {
    server: &'a Server,
    directory: &'static str,
    folder: Folder,
    /// Names in the directory, and at the target.
    collections: Vec<(String, Collection<'a>)>,
}

impl<'a> Move<'a> {
    /// All collections of the directory that `wanted` takes.
    fn new(server: &'a Server, directory: &'static str, wanted: impl Fn(&Part) -> bool) -> Self {
        let names: BTreeSet<_> =
            parts(directory).into_iter().filter(wanted).map(|part| part.collection).collect();
        let collections =
            names.into_iter().map(|name| (name.clone(), server.collection(&name))).collect();
        Move { server, directory, folder: Folder::new(), collections }
    }

    /// `pipeline run configs/m2m.yaml`, into these collections.
    fn run(&self, config: &str, sets: &[&str]) -> Done {
        let list = |entry: fn(&(String, Collection<'_>)) -> String| {
            self.collections.iter().map(entry).collect::<Vec<_>>().join(", ")
        };
        let rename = list(|(old, new)| format!("{old}: {}", new.name));
        let rename = format!("source.milvus1.rename={{{rename}}}");
        let choose =
            format!("source.milvus1.collections={{{}}}", list(|(old, _)| format!("{old}: ")));
        let mut arguments = vec![config, "--parallelism", "8", "--set", &rename, "--set", &choose];
        sets.iter().for_each(|set| arguments.extend(["--set", set]));
        let path = folder(self.directory).join("data");
        let password =
            if self.directory == "H_mysql_all" { mysql().password } else { String::new() };
        let variables = [
            ("MILVUS_URI", self.server.uri.as_str()),
            ("MILVUS1_PATH", path.to_str().unwrap()),
            ("MYSQL_PASSWORD", &password),
        ];
        self.folder.run_with(&arguments, &variables)
    }

    /// Asserts that everything arrived, and nothing else.
    fn arrived(&self, done: &Done) {
        assert_eq!(done.code, 0, "{}: {}", self.directory, done.stderr);
        let mut reported = Vec::new();
        for (old, new) in &self.collections {
            let parts = parts(self.directory);
            let parts: Vec<_> = parts.iter().filter(|part| part.collection == *old).collect();
            let truth: Vec<_> = parts.iter().map(|part| Truth::of(self.directory, part)).collect();
            let facts = new.holds_parts(&truth);
            // The one metric that Milvus 2.x lacks ranks as this one.
            let metric = parts[0].metric.replace("TANIMOTO", "JACCARD");
            assert_eq!(facts["metric"], *metric, "{old}");
            reported.extend(parts.iter().map(|part| (part.table(), part.rows as u64)));
        }
        let tables = done.report["tables"].as_array().unwrap();
        let mut said: Vec<_> = tables
            .iter()
            .map(|table| {
                assert_eq!(table["verified"], "count", "{table}");
                let source = table["source"].as_str().unwrap().to_owned();
                (source, table["rows_written"].as_u64().unwrap())
            })
            .collect();
        said.sort();
        reported.sort();
        assert_eq!(said, reported, "{}", self.directory);
    }
}

fn m2m() -> String {
    repository("configs/m2m.yaml").display().to_string()
}

/// Ids come more than once in two of them.
fn allow(directory: &str) -> &'static [&'static str] {
    match directory {
        "E_compact_dup" | "H_mysql_all" => &["sink.milvus.on_duplicate_id=allow"],
        _ => &[],
    }
}

fn move_all(server: &Server, directories: &[&'static str]) {
    let moved: Vec<_> = directories
        .iter()
        .map(|directory| {
            let moving = Move::new(server, directory, |_| true);
            let done = moving.run(&m2m(), allow(directory));
            assert_eq!(done.code, 0, "{directory}: {}", done.stderr);
            let warned = done.stderr.contains("WARN unflushed: NOT MOVED: 300 inserted");
            assert_eq!(warned, *directory == "G_wal_unflushed", "{}", done.stderr);
            (moving, done)
        })
        .collect();
    // Milvus takes its time to load a collection, and no longer for many.
    let collections = moved.iter().flat_map(|(moving, _)| &moving.collections);
    server.load(collections.map(|(_, collection)| collection));
    moved.iter().for_each(|(moving, done)| moving.arrived(done));
}

#[test]
fn directories_with_sqlite_arrive_on_milvus_2_3() {
    let directories =
        ["A_float_l2", "C_binary", "D_empty_dropped", "F_crash_indexing", "G_wal_unflushed"];
    move_all(&Server::milvus(), &directories);
}

/// Where ids come more than once, Milvus holds all their rows: so it counts them. Queries show one row
/// of each id, which must be one of the true ones; which one, Milvus decides.
#[test]
fn a_directory_with_repeated_ids_arrives_on_milvus_2_3() {
    move_all(&Server::milvus(), &["E_compact_dup"]);
}

/// The example of the file in configs/ is put in use, with the password from the environment.
fn move_with_mysql(server: &Server, wanted: fn(&Part) -> bool) {
    let moving = Move::new(server, "H_mysql_all", wanted);
    let text = fs::read_to_string(m2m()).unwrap();
    let own = text.replace("    # meta:\n    #   mysql: {", "    meta:\n      mysql: {");
    assert_ne!(own, text);
    moving.folder.write("m2m.yaml", &own);
    let database = mysql();
    let set = |key: &str, value: &str| format!("source.milvus1.meta.mysql.{key}={value}");
    let sets = [
        set("port", &database.port.to_string()),
        set("user", &database.user),
        set("database", &database.database),
        allow("H_mysql_all")[0].to_owned(),
    ];
    let sets: Vec<_> = sets.iter().map(String::as_str).collect();
    let done = moving.run("m2m.yaml", &sets);
    server.load(moving.collections.iter().map(|(_, collection)| collection));
    moving.arrived(&done);
    assert!(!done.stderr.contains(&database.password), "{}", done.stderr);
}

#[test]
fn a_directory_with_mysql_arrives_on_milvus_2_3() {
    move_with_mysql(&Server::milvus(), |_| true);
}

/// But for what Milvus Lite does not take: binary vectors, and ids that come again.
#[test]
fn a_directory_with_mysql_arrives_on_milvus_lite() {
    move_with_mysql(&Server::lite(), |part| part.kind == "float" && part.collection != "dup_ids");
}

#[test]
fn directories_of_float_vectors_arrive_on_milvus_lite() {
    let directories = ["A_float_l2", "D_empty_dropped", "F_crash_indexing", "G_wal_unflushed"];
    move_all(&Server::lite(), &directories);
}

#[test]
fn binary_vectors_are_refused_by_milvus_lite_before_anything_is_made() {
    let server = Server::lite();
    let moving = Move::new(&server, "C_binary", |_| true);
    let done = moving.run(&m2m(), &[]);
    assert_eq!(done.code, 2, "{}", done.stderr);
    assert!(done.stderr.contains("Milvus Lite"), "{}", done.stderr);
    assert!(done.stderr.contains("table bin_"), "{}", done.stderr);
    for (_, collection) in &moving.collections {
        assert_eq!(collection.partitions(), Value::Null);
    }
}

/// The rows of the directory's tables in source order, the first of each id alone.
fn first_rows(directory: &str) -> BTreeMap<String, Vec<Row>> {
    let tables = in_source_order(directory).into_iter();
    let first = |(table, mut rows): (String, Vec<Row>)| {
        let mut seen = BTreeSet::new();
        rows.retain(|(id, _)| seen.insert(*id));
        (table, rows)
    };
    tables.map(first).collect()
}

fn repeated_ids(directory: &str, table: &str) -> BTreeSet<i64> {
    let rows = in_source_order(directory).into_iter().find(|(name, _)| name == table).unwrap().1;
    let mut seen = BTreeSet::new();
    rows.into_iter().map(|(id, _)| id).filter(|id| !seen.insert(*id)).collect()
}

#[test]
fn repeated_ids_stop_the_run_unless_it_is_told_what_to_do_with_them() {
    let directory = "E_compact_dup";
    let repeated = repeated_ids(directory, "dup_ids");
    for server in [Server::milvus(), Server::lite()] {
        let moving = Move::new(&server, directory, |_| true);
        let done = moving.run(&m2m(), &[]);
        assert_eq!(done.code, 1, "{}", done.stderr);
        let count = format!("{} ids occur more than once in the source", repeated.len());
        let told = done.stderr.lines().find(|line| line.contains(&count));
        let told = told.unwrap_or_else(|| panic!("{}", done.stderr));
        let (_, named) = told.rsplit_once(": ").unwrap();
        let mut named = named.split(", ").filter_map(|id| id.parse::<i64>().ok()).peekable();
        assert!(named.peek().is_some() && named.all(|id| repeated.contains(&id)), "{told}");
        assert!(done.stderr.contains("table dup_ids"), "{}", done.stderr);
        assert!(done.stderr.contains("dedupe"), "{}", done.stderr);
        for (_, collection) in &moving.collections {
            assert_eq!(collection.partitions(), Value::Null, "something was made");
        }

        let done = moving.run(&m2m(), &["transforms=[dedupe: { keep: first }]"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let first = first_rows(directory);
        server.load(moving.collections.iter().map(|(_, collection)| collection));
        for (name, collection) in &moving.collections {
            collection.holds_parts(&[Truth::of_rows(moving.folder.path(name), &first[name])]);
        }
    }
}
