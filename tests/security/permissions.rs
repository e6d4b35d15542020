//! State, reports, logs and lists of ids are their owner's, also where the umask hides nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::program::{Program, server};

/// The rights of a file or folder, and of nobody but its owner.
fn is_private(path: &Path) -> bool {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o077 == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_writes_for_itself_is_its_owners() {
    use vecpipe::milvus::v2::{Client, Options};

    let uri = server("VECPIPE_TEST_LITE");
    let name = format!("vecpipe_test_permissions_{}", std::process::id());
    let config = format!(
        "version: 1
source: {{ synthetic: {{ rows: 3000, dim: 4, distinct_ids: 1000, split_rows: 500 }} }}
transforms: [{{ dedupe: {{}} }}, {{ remap: {{ strategy: sequential }} }}]
sink: {{ milvus: {{ uri: \"{uri}\", collection: {name}, ids_file: ids.txt }} }}
run: {{ state_dir: state, log_dir: logs, memory: 1MiB }}
"
    );
    let program = Program::new(&[("config.yaml", &config)]);
    let flags = "--report report.json --report-html report.html";
    let run = format!("umask 000; exec \"$PIPELINE\" run config.yaml {flags}");
    let output = program.shell(&run).output().unwrap();
    let client = Client::connect(Options::new(uri)).await.unwrap();
    client.drop_collection(&name).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut seen = Vec::new();
    for path in program.files().iter().filter(|path| !path.ends_with("config.yaml")) {
        assert!(is_private(path), "{} is for others to read", path.display());
        seen.push(path.extension().unwrap_or_default().to_string_lossy().into_owned());
    }
    for folder in ["state", "logs"] {
        assert!(is_private(&program.path().join(folder)), "{folder} is for others to look into");
    }
    for end in ["journal", "log", "txt", "parquet", "json", "html"] {
        assert!(seen.iter().any(|seen| seen == end), "no .{end} among {seen:?}");
    }
}
