//! What is said about dumps that can't be made or restored.

use std::fs;
use std::path::PathBuf;

use crate::common::folder::{Done, Folder};
use crate::live_support::Server;
use crate::support::{Database, done};

/// A dump of one collection, `plain`, of Milvus Lite.
struct Dumped {
    folder: Folder,
    database: Database,
}

impl Dumped {
    fn new() -> Dumped {
        let (server, folder) = (Server::lite(), Folder::new());
        let database = Database::on(&server);
        database.make("plain", 60);
        let more = ["--database", &database.name, "--set", "sink.parquet.compression=none"];
        done(&folder, &[&["dump", &server.uri, "d"][..], &more].concat());
        Dumped { folder, database }
    }

    fn part(&self) -> PathBuf {
        let folder = self.folder.path(&format!("d/{}/plain/_default", self.database.name));
        crate::common::runs::part(&folder, 0)
    }

    fn edit(&self, from: &str, to: &str) {
        let path = self.folder.path("d/manifest.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }

    /// Restores it, under another name.
    fn restore(&self) -> Done {
        let name = &self.database.name;
        let rename = format!("{name}/plain={name}/again");
        self.folder.pipeline(&["restore", "d", &self.database.server.uri, "--rename", &rename])
    }
}

#[track_caller]
fn fails(done: &Done, code: i32, words: &[&str]) {
    assert_eq!(done.code, code, "{}", done.stderr);
    for words in words {
        assert!(done.stderr.contains(words), "{words}: {}", done.stderr);
    }
}

#[test]
fn a_bit_that_changed_on_the_disk() {
    let dumped = Dumped::new();
    let mut bytes = fs::read(dumped.part()).unwrap();
    // Somewhere in the vectors, which take 8 × 4 of the bytes of each row.
    let at = 1200;
    bytes[at] ^= 4;
    fs::write(dumped.part(), bytes).unwrap();
    fails(&dumped.restore(), 1, &["The rows of row group 0 are not those that were written"]);
}

#[test]
fn a_file_that_is_gone_or_another_one() {
    let dumped = Dumped::new();
    let part = dumped.part();
    let bytes = fs::read(&part).unwrap();
    fs::write(&part, &bytes[..bytes.len() - 9]).unwrap();
    fails(&dumped.restore(), 1, &["The file is cut short"]);
    fs::remove_file(&part).unwrap();
    fails(&dumped.restore(), 1, &["No such file", "part-00000-"]);
}

#[test]
fn a_manifest_of_another_version_or_at_odds_with_itself() {
    let dumped = Dumped::new();
    dumped.edit("\"rows\": 60", "\"rows\": 61");
    fails(&dumped.restore(), 1, &["The manifest says 61 rows", "manifest.json"]);
    dumped.edit("\"rows\": 61", "\"rows\": 60");
    dumped.edit("\"kind\": \"dump\"", "\"kind\": \"dump\", \"encrypted\": true");
    fails(&dumped.restore(), 1, &["unknown field `encrypted`", "use the version that wrote it"]);
    dumped.edit("\"format\": 1", "\"format\": 7");
    fails(&dumped.restore(), 1, &["form 7", "use the version that wrote it, or a later one"]);
}

#[test]
fn a_folder_that_is_no_dump_or_holds_one_already() {
    let dumped = Dumped::new();
    let uri = &dumped.database.server.uri;
    let again = ["dump", uri, "d", "--database", &dumped.database.name];
    let there = "There is a dump in this folder already";
    fails(&dumped.folder.pipeline(&again), 2, &[there]);
    // Nor does anything else write to it.
    let rows = "version: 1\nsource: { synthetic: { rows: 1, dim: 4 } }\n";
    dumped.folder.write("sink.yaml", &format!("{rows}sink: {{ parquet: {{ dir: d }} }}\n"));
    let stage = "sink: { 'null': {} }\nstage: { parquet: { dir: d } }\n";
    dumped.folder.write("stage.yaml", &format!("{rows}{stage}"));
    for config in ["sink.yaml", "stage.yaml"] {
        fails(&dumped.folder.pipeline(&["run", config]), 2, &[there]);
        let plan = dumped.folder.pipeline(&["plan", config]);
        assert!(plan.stdout.contains("there is a dump in this folder already"), "{}", plan.stdout);
    }
    fs::remove_file(dumped.folder.path("d/manifest.json")).unwrap();
    let words = ["There is no dump here", "run an interrupted `pipeline dump` again"];
    fails(&dumped.restore(), 1, &words);
}

#[test]
fn names_that_nothing_has() {
    let dumped = Dumped::new();
    let (uri, name) = (&dumped.database.server.uri, &dumped.database.name);
    let run = |arguments: &[&str]| dumped.folder.pipeline(arguments);
    let collection = format!("{name}/plains");
    let near = ["There is no collection", "did you mean"];
    fails(&run(&["dump", uri, "e", "--collection", &collection]), 2, &near);
    fails(&run(&["restore", "d", uri, "--collection", &collection]), 2, &near);
    let database = format!("{name}x");
    fails(&run(&["dump", uri, "e", "--database", &database]), 2, &["no database", "did you mean"]);
    let of_dump = ["The dump has no database", "did you mean"];
    fails(&run(&["restore", "d", uri, "--database", &database]), 2, &of_dump);
    fails(&run(&["restore", "d", uri, "--rename", "a"]), 2, &["has no `=`"]);
    assert!(!dumped.folder.path("e").exists(), "nothing was begun");
}

#[test]
fn a_stage_is_no_dump() {
    let folder = Folder::new();
    folder.write(
        "c.yaml",
        "version: 1\nsource: { synthetic: { rows: 1, dim: 4 } }\nsink: { 'null': {} }\n\
         stage: { parquet: { dir: s, dump: true } }\n",
    );
    fails(&folder.pipeline(&["validate", "c.yaml"]), 2, &["A stage is no dump"]);
}

#[test]
fn a_partition_of_a_dump_is_not_taken_for_its_collection() {
    let (server, folder) = (Server::lite(), Folder::new());
    let database = Database::on(&server);
    database.make("parts", 60);
    let part = format!("{}/parts/_default", database.name);
    done(&folder, &["dump", &server.uri, "d", "--collection", &part]);
    let restored = folder.pipeline(&["restore", "d", &server.uri, "--mode", "overwrite"]);
    fails(&restored, 2, &["The default partition can't be overwritten"]);
    assert_eq!(database.tell(&["parts"])[0]["counts"]["_default"], 20, "nothing is gone");
}

#[test]
fn flags_that_contradict_each_other() {
    let dumped = Dumped::new();
    let (uri, name) = (&dumped.database.server.uri, &dumped.database.name);
    let run = |arguments: &[&str]| dumped.folder.pipeline(arguments);
    let collection = format!("{name}/plain");
    let both = ["dump", uri, "e", "--database", "default", "--collection", &collection];
    fails(&run(&both), 2, &["Collections are named, but none of the database default"]);
    let (one, two) = (format!("{collection}=a"), format!("{collection}=b"));
    let twice = ["restore", "d", uri, "--rename", &one, "--rename", &two];
    fails(&run(&twice), 2, &["two names"]);
    // A partition beside its whole collection is part of that.
    let part = format!("{collection}/_default");
    let config = run(&[
        "dump",
        uri,
        "e",
        "--collection",
        &part,
        "--collection",
        &collection,
        "--print-config",
    ]);
    assert!(config.stdout.contains(&format!("{collection}: []")), "{}", config.stdout);
}

/// What the flags stand for is a configuration that is understood, whichever of them are given.
#[test]
fn every_flag_has_its_place_in_the_configuration() {
    let folder = Folder::new();
    let access = ["--user", "u", "--password-file", "p", "--ca-file", "ca.pem", "--print-config"];
    let dump = ["dump", "https://127.0.0.1:1", "d$", "--database", "a", "--collection", "a/b/c"];
    let dump = [&dump[..], &["--prepare"], &access].concat();
    let restore =
        ["restore", "d$", "https://127.0.0.1:1", "--database", "a", "--collection", "a/b"];
    let more = ["--rename", "a/b=c/d", "--mode", "overwrite", "--on-conflict", "skip", "--load"];
    let restore = [&restore[..], &more, &access].concat();
    let token = ["dump", "http://127.0.0.1:1", "d", "--token-file", "t", "--print-config"];
    for flags in [&dump[..], &restore, &token] {
        let config = done(&folder, flags).stdout;
        folder.write("c.yaml", &config);
        done(&folder, &["validate", "c.yaml"]);
        let is_given = |flag: &str| flags.contains(&flag);
        assert_eq!(is_given("--ca-file"), config.contains("ca: ca.pem"), "{config}");
        assert_eq!(is_given("--token-file"), config.contains("token_file: t"), "{config}");
    }
}
