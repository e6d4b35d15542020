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

/// What others put there was taken for the program's own: a lock that was a link emptied the file that it led to, and
/// a journal could make a run leave rows out.
#[test]
fn a_state_folder_that_others_may_have_filled_is_refused() {
    let config = "version: 1
source: { synthetic: { rows: 10, dim: 4 } }
sink: { 'null': {} }
run: { state_dir: state }
";
    let program = Program::new(&[("config.yaml", config), ("victim.txt", "precious")]);
    let state = program.path().join("state");
    let run = |words: &[&str]| {
        let output = program.command(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run(&["run", "config.yaml"]).0, Some(0));
    let lock = std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path());
    let lock = lock.into_iter().find(|path| path.extension().is_some_and(|end| end == "lock"));
    let lock = lock.expect("a lock");
    std::fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink(program.path().join("victim.txt"), &lock).unwrap();
    let (code, told) = run(&["run", "config.yaml"]);
    assert_eq!(code, Some(2), "{told}");
    let victim = std::fs::read_to_string(program.path().join("victim.txt")).unwrap();
    assert_eq!(victim, "precious", "{told}");

    std::fs::remove_file(&lock).unwrap();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o777)).unwrap();
    for command in ["run", "status", "verify"] {
        let (code, told) = run(&[command, "config.yaml"]);
        assert_eq!(code, Some(2), "{command}: {told}");
        assert!(told.contains("may be written to by others"), "{command}: {told}");
        assert!(told.contains("run.state_dir"), "{command}: {told}");
    }
}
