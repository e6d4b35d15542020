//! The smallest budget of memory and many workers, for every source and sink: no run waits for itself.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::material::{self, Set, Task};
use crate::milvus1_server::Milvus1;
use crate::support::{Folder, Server};
use crate::target::RUNTIME;

/// Long enough for a loaded machine, short enough to call a run hung.
const HUNG: Duration = Duration::from_secs(180);

#[test]
fn no_run_waits_for_itself() {
    material::make();
    let lite = Server::lite();
    let old = RUNTIME.block_on(Milvus1::start("1.1.1"));
    let sources = ["synthetic", "hdf5", "faiss", "milvus1", "parquet"];
    let sinks = ["null", "parquet", "hdf5", "milvus", "milvus1"];
    let mut runs = Vec::new();
    for (n, source) in sources.iter().enumerate() {
        for sink in sinks {
            let folder = Folder::new();
            let name = lite.collection("watchdog");
            let from = match *source {
                "synthetic" => "synthetic: { rows: 900, dim: 8, split_rows: 30 }".to_owned(),
                "hdf5" => material::source(Task::H2m, Set::Apart, &name.name),
                "faiss" => material::source(Task::F2m, Set::Apart, &name.name),
                "milvus1" => material::source(Task::M2m, Set::Apart, &name.name),
                _ => {
                    staged(&folder);
                    "parquet: { paths: [staged] }".to_owned()
                }
            };
            // In M2M the source names the collection.
            let collection = match *source {
                "milvus1" => String::new(),
                _ => format!("collection: {}", name.name),
            };
            let to = match sink {
                "null" => "\"null\": {}".to_owned(),
                "milvus" => format!("milvus: {{ uri: \"{}\", {collection} }}", lite.uri),
                "milvus1" => format!("milvus1: {{ uri: \"{}\", {collection} }}", old.uri),
                files => format!("{files}: {{ dir: out }}"),
            };
            // Dedupe waits for memory of its own.
            let transforms = if n % 2 == 0 { "transforms: [ { dedupe: {} } ]\n" } else { "" };
            folder.write(
                "run.yaml",
                &format!("version: 1\nsource: {{ {from} }}\nsink: {{ {to} }}\n{transforms}"),
            );
            runs.push((format!("{source} into {sink}"), folder, name));
        }
    }
    for group in runs.chunks(4) {
        let started: Vec<_> = group.iter().map(|(name, folder, _)| (name, start(folder))).collect();
        for ((name, child), (_, folder, _)) in started.into_iter().zip(group) {
            ends(name, child, folder);
        }
    }
}

/// The same rows in Parquet files.
fn staged(folder: &Folder) {
    let source = material::source(Task::H2m, Set::Apart, "staged");
    let config =
        format!("version: 1\nsource: {{ {source} }}\nsink: {{ parquet: {{ dir: staged }} }}\n");
    folder.write("stage.yaml", &config);
    let done = folder.run(&["stage.yaml"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

fn start(folder: &Folder) -> Child {
    let flags = ["run", "run.yaml", "-q", "--parallelism", "32", "--memory", "1KiB"];
    let stderr = std::fs::File::create(folder.path("stderr")).unwrap();
    folder.command(&flags).stdout(Stdio::null()).stderr(stderr).spawn().unwrap()
}

fn ends(name: &str, mut child: Child, folder: &Folder) {
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > HUNG {
            child.kill().unwrap();
            panic!("{name} hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let said = std::fs::read_to_string(folder.path("stderr")).unwrap();
    assert_eq!(status.code(), Some(0), "{name}: {said}");
}
