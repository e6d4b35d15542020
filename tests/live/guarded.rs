//! A server that asks for a password and speaks TLS, with a certificate of an authority of its own.

use crate::common::folder::Folder;
use crate::support::{moved, run};

const PARQUET: &str = "sink: { parquet: { dir: out } }";

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the tests with scripts/test, which starts servers")
    })
}

/// What a configuration says of the server.
fn place(more: &str) -> String {
    format!("uri: '{}'{more}", variable("VECPIPE_TEST_GUARDED"))
}

fn trusted(more: &str) -> String {
    place(&format!(", tls: {{ ca: '{}' }}{more}", variable("VECPIPE_TEST_GUARDED_CA")))
}

#[test]
fn rows_go_there_and_come_back() {
    let folder = Folder::new();
    let name = format!("vecpipe_live_guarded_{:x}", std::process::id());
    let account = trusted(", user: root, password: Milvus");
    let rows = "source: { synthetic: { rows: 20, dim: 4 } }";
    let there = format!("sink: {{ milvus: {{ {account}, collection: {name}, load: true }} }}");
    moved(&folder, &[rows, &there], &["--verify", "content"]);
    let token = trusted(", token: 'root:Milvus'");
    let back = format!("source: {{ milvus: {{ {token}, collections: {{ {name}: }} }} }}");
    let done = moved(&folder, &[&back, PARQUET], &["--verify", "content"]);
    assert_eq!(done.report["tables"][0]["rows_written"], 20);
}

#[test]
fn who_is_refused_is_told_why() {
    let denied: [&str; 3] = ["Milvus denies", "auth check failure", "check token"];
    for (settings, words) in [
        (trusted(", token: 'root:wrong'"), denied),
        (trusted(", user: nobody, password: Milvus"), denied),
        (trusted(""), ["Milvus denies", "missing authorization", "check token"]),
        (
            place(", token: 'root:Milvus'"),
            ["Cannot reach Milvus", "UnknownIssuer", "name its authority by `tls: { ca: … }`"],
        ),
        (
            place("").replace("https:", "http:"),
            ["is not a Milvus server", "does not answer like a gRPC server", "https:// where it"],
        ),
    ] {
        for lines in [
            [format!("source: {{ milvus: {{ {settings} }} }}"), PARQUET.to_owned()],
            [
                "source: { synthetic: { rows: 5, dim: 4 } }".to_owned(),
                format!("sink: {{ milvus: {{ {settings}, collection: c }} }}"),
            ],
        ] {
            let done = run(&Folder::new(), &[&lines[0], &lines[1]], &[]);
            assert_eq!(done.code, 3, "{}", done.stderr);
            for word in words {
                assert!(done.stderr.contains(word), "{word}: {}", done.stderr);
            }
            assert!(!done.stderr.contains("wrong'"), "{}", done.stderr);
        }
    }
}
