//! A dump and a restore that are killed again and again give what one that is not killed gives.

use std::process::Stdio;

use serde_json::json;

use crate::common::folder::Folder;
use crate::common::kill::{Random, is_done, kill_at, settled};
use crate::live_support::Server;
use crate::support::{Database, done};

const ROWS: u64 = 3000;

/// Runs the configuration `name` until it is done, and kills it at moments that the seed chooses. How
/// often it was killed.
fn until_done(folder: &Folder, name: &str, random: &mut Random) -> u64 {
    let mut kills = 0;
    loop {
        let mut command = folder.command(&["run", name, "--parallelism", "3"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let settled = || settled(&folder.path(""), name);
        let at = settled() + 1 + random.below(ROWS / 3);
        let killed = kill_at(&mut child, at, settled);
        if is_done(&folder.path(""), name) {
            return kills;
        }
        assert!(killed, "it failed: {:?}", child.wait());
        kills += 1;
        assert!(kills < 50, "it never ends");
    }
}

#[test]
fn killed_until_they_are_done() {
    let (server, folder) = (Server::lite(), Folder::new());
    let (old, new) = (Database::on(&server), Database::on(&server));
    old.make("parts", ROWS as usize);
    old.make("scalars", 500);
    let mut random = Random::of(61);
    let dump = ["dump", &server.uri, "d", "--database", &old.name, "--print-config"];
    let config = done(&folder, &dump);
    folder.write("dump.yaml", &format!("{}run: {{ batch_rows: 40 }}\n", config.stdout));
    let killed = until_done(&folder, "dump.yaml", &mut random);
    assert!(killed > 0, "the dump was never killed");
    let manifest = std::fs::read(folder.path("d/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["rows"], json!(ROWS + 500));

    let renames = ["parts", "scalars"].map(|c| format!("{}/{c}={}/{c}", old.name, new.name));
    let restore = ["restore", "d", &server.uri, "--rename", &renames[0], "--rename", &renames[1]];
    let config = done(&folder, &[&restore[..], &["--load", "--print-config"]].concat());
    folder.write("restore.yaml", &format!("{}run: {{ batch_rows: 40 }}\n", config.stdout));
    let killed = until_done(&folder, "restore.yaml", &mut random);
    assert!(killed > 0, "the restore was never killed");
    let collections = ["parts", "scalars"];
    for (before, after) in old.tell(&collections).into_iter().zip(new.tell(&collections)) {
        for what in ["schema", "indexes", "counts", "rows"] {
            assert_eq!(before[what], after[what], "{what}");
        }
    }
    done(&folder, &["verify", "restore.yaml"]);
}

#[test]
fn what_another_run_has_completed_meanwhile_is_left_alone() {
    let (server, folder) = (Server::lite(), Folder::new());
    let database = Database::on(&server);
    database.make("plain", ROWS as usize);
    let dump = ["dump", &server.uri, "d", "--database", &database.name, "--print-config"];
    let config = done(&folder, &dump).stdout;
    folder.write("dump.yaml", &format!("{config}run: {{ batch_rows: 40 }}\n"));
    let mut command = folder.command(&["run", "dump.yaml"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    assert!(kill_at(&mut child, 1, || settled(&folder.path(""), "dump.yaml")), "it was too fast");
    let other = json!({
        "kind": "dump", "format": 1, "tool": "vecpipe 0.1.0", "created": "2026-01-01T00:00:00Z",
        "run": "another", "rows": 0, "databases": [],
    });
    folder.write("d/manifest.json", &other.to_string());
    let again = folder.pipeline(&["run", "dump.yaml"]);
    assert_eq!(again.code, 2, "{}", again.stderr);
    let told = "There is a dump in this folder already";
    assert!(again.stderr.contains(told), "{}", again.stderr);
    let left = std::fs::read_to_string(folder.path("d/manifest.json")).unwrap();
    assert_eq!(left, other.to_string());
}
