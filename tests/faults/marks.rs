//! A run that is killed while it marks its target.

use std::sync::{Arc, Mutex};

use crate::material::{self, Set, Task};
use crate::milvus1_server::Milvus1;
use crate::proxy::{Fault, Proxy};
use crate::support::Folder;
use crate::target::RUNTIME;

/// On a Milvus 1.x a mark is a collection first, and gets its text afterwards. A run that was killed between the two
/// was kept from its target by its own mark, which named no run.
#[test]
fn a_mark_without_its_text_is_known_by_its_run() {
    for fault in [Fault::ActBefore, Fault::ActAfter] {
        let folder = Folder::new();
        folder.put(&material::joined("h5"), "a.h5");
        let server = RUNTIME.block_on(Milvus1::start("1.1.1"));
        let mut marked = false;
        let script = move |call: &str| match call {
            "CreatePartition" if !std::mem::replace(&mut marked, true) => fault,
            _ => Fault::None,
        };
        let proxy = RUNTIME.block_on(Proxy::scripted(&server.uri, Box::new(script)));
        let config = |paths: &str| {
            format!(
                "version: 1\n\
                 source: {{ hdf5: {{ paths: [{paths}], ids: ids }} }}\n\
                 sink: {{ milvus1: {{ uri: \"{}\", collection: marked }} }}\n",
                proxy.uri
            )
        };
        folder.write("run.yaml", &config("a.h5"));
        let child = folder.command(&["run", "run.yaml", "-q"]).spawn().unwrap();
        let child = Arc::new(Mutex::new(child));
        let victim = Arc::clone(&child);
        proxy.on_act(move || victim.lock().unwrap().kill().unwrap());
        while child.lock().unwrap().try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        RUNTIME.block_on(proxy.at_rest());

        // Of another run it is known that there is one, and no more.
        folder.put(&material::joined("h5"), "b.h5");
        folder.write("other.yaml", &config("b.h5"));
        let done = folder.run(&["other.yaml", "-q"]);
        assert_eq!(done.code, 75, "{}", done.stderr);
        let done = folder.run(&["run.yaml", "-q"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let rows: Vec<_> = material::rows(Task::H2m, Set::Old).into_iter().collect();
        assert!(server.rows("marked", "_default") == rows, "the target is the source");
        assert_eq!(server.store(|store| store.names()), ["marked"], "no mark is left");
    }
}
