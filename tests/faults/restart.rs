//! A server that is stopped in the middle of a run, and started again.
//!
//! A Milvus has written down what it acknowledged. Milvus Lite loses some of that; then the run must not
//! say that all is well.

use std::sync::{Arc, Mutex};

use crate::lite::Lite;
use crate::material::{self, Set, Task};
use crate::milvus1_server::Milvus1;
use crate::proxy::{Fault, Proxy, Script};
use crate::support::{Folder, Server, Truth};
use crate::target::RUNTIME;

/// Three inserts in, and again seven later.
fn script() -> Script {
    let mut inserts = 0;
    Box::new(move |call| {
        inserts += u32::from(call == "Insert");
        if call == "Insert" && inserts % 7 == 3 { Fault::ActCut } else { Fault::None }
    })
}

#[test]
fn a_server_that_comes_back_holds_the_source_in_the_end() {
    let folder = Folder::new();
    let server = RUNTIME.block_on(Milvus1::start("1.1.1"));
    let proxy = RUNTIME.block_on(Proxy::scripted(&server.uri, script()));
    let restarted = server.clone();
    proxy.on_act(move || restarted.restart());
    folder.write(
        "run.yaml",
        &format!(
            "version: 1\n\
             source: {{ {} }}\n\
             sink: {{ milvus1: {{ uri: \"{}\", collection: back, retry_for: 2m, timeouts: {{ request: 2s }} }} }}\n\
             run: {{ batch_rows: 60, parallelism: 4 }}\n",
            material::source(Task::F2m, Set::Apart, "back"),
            proxy.uri
        ),
    );
    let done = folder.run(&["run.yaml"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.report["retries"].as_u64().is_some_and(|retries| retries > 0), "{}", done.report);
    let rows: Vec<_> = material::rows(Task::F2m, Set::Apart).into_iter().collect();
    assert!(server.rows("back", "_default") == rows);
}

#[test]
fn what_a_restarted_server_has_lost_is_told() {
    let folder = Folder::new();
    let lite = Arc::new(Mutex::new(Lite::start(folder.path("lite"))));
    let uri = lite.lock().unwrap().uri();
    let proxy = RUNTIME.block_on(Proxy::scripted(&uri, script()));
    // The proxy outlives the test, and the server must not.
    let restarted = Arc::downgrade(&lite);
    proxy.on_act(move || {
        let lite = restarted.upgrade().unwrap();
        let mut lite = lite.lock().unwrap();
        lite.stop();
        lite.launch();
    });
    folder.write(
        "run.yaml",
        &format!(
            "version: 1\n\
             source: {{ {} }}\n\
             sink: {{ milvus: {{ uri: \"{}\", collection: restarted, retry_for: 2m }} }}\n\
             run: {{ batch_rows: 60, parallelism: 4 }}\n",
            material::source(Task::F2m, Set::Apart, "restarted"),
            proxy.uri
        ),
    );
    let mut done = folder.run(&["run.yaml"]);
    if done.code == 5 {
        assert!(done.stderr.contains("expected 1,200"), "{}", done.stderr);
        // Nothing is left to restart it.
        let whole = uri.clone();
        let text = std::fs::read_to_string(folder.path("run.yaml")).unwrap();
        folder.write("run.yaml", &text.replace(&proxy.uri, &whole));
        // By its address it is another target, which the run that ended has marked.
        let again = ["--restart", "--take-over", "--set", "sink.milvus.mode=overwrite"];
        done = folder.run(&[&["run.yaml"], &again[..]].concat());
    }
    assert_eq!(done.code, 0, "{}", done.stderr);
    let rows: Vec<_> = material::rows(Task::F2m, Set::Apart).into_iter().collect();
    let server = Server::lite_at(uri);
    server
        .collection_named("restarted")
        .holds_parts(&[Truth::of_rows(folder.path("truth"), &rows)]);
}
