//! Ctrl-C and SIGTERM: the run ends with its writes, says so by its exit code, and is gone on with.

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::material::{self, Set, Task};
use crate::milvus1_server::Milvus1;
use crate::proxy::{Fault, Proxy};
use crate::support::Folder;
use crate::target::RUNTIME;

#[test]
fn a_run_that_is_told_to_end_is_gone_on_with() {
    for signal in ["INT", "TERM"] {
        let folder = Folder::new();
        let server = RUNTIME.block_on(Milvus1::start("1.1.1"));
        let mut inserts = 0;
        let script = move |call: &str| {
            inserts += u32::from(call == "Insert");
            if call == "Insert" && inserts == 3 { Fault::ActAfter } else { Fault::None }
        };
        let proxy = RUNTIME.block_on(Proxy::scripted(&server.uri, Box::new(script)));
        folder.write(
            "run.yaml",
            &format!(
                "version: 1\n\
                 source: {{ {} }}\n\
                 sink: {{ milvus1: {{ uri: \"{}\", collection: told }} }}\n\
                 run: {{ batch_rows: 50 }}\n",
                material::source(Task::H2m, Set::Apart, "told"),
                proxy.uri
            ),
        );
        let mut command = folder.command(&["run", "run.yaml", "--report", "report.json"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let child = Arc::new(Mutex::new(Some(child)));
        let told = Arc::clone(&child);
        proxy.on_act(move || tell(told.lock().unwrap().as_ref().unwrap(), signal));
        // The proxy looks at the child while it runs: it is waited for with the lock free.
        while child.lock().unwrap().as_mut().unwrap().try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let output = child.lock().unwrap().take().unwrap().wait_with_output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{signal}: {words}");
        assert!(words.contains("Stopping: letting writes in flight end"), "{signal}: {words}");
        let report = std::fs::read_to_string(folder.path("report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["status"], "interrupted");
        let written = report["tables"][0]["rows_written"].as_u64().unwrap();
        let arrived = server.rows("told", "_default").len() as u64;
        assert_eq!(written, arrived, "{signal}: what arrived is known to have arrived");
        let done = folder.run(&["run.yaml"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let expected: Vec<_> = material::rows(Task::H2m, Set::Apart).into_iter().collect();
        assert!(server.rows("told", "_default") == expected, "{signal}");
    }
}

fn tell(child: &Child, signal: &str) {
    let kill = format!("kill -{signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}
