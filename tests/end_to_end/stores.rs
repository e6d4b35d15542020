//! Files into S3, and from there into Milvus: the program as users start it.

use std::process::{Child, Stdio};

use crate::common::kill::{Random, is_done, kill_at, settled};
use crate::common::s3::{S3, folder as new_place};
use crate::support::{Done, Folder, Server, python, sample};

/// `storage:` for the S3 of the tests.
fn storage(secret: &str) -> String {
    let S3 { endpoint, key, .. } = S3::get();
    format!(
        "{{ aws_access_key_id: {key}, aws_secret_access_key: '{secret}', aws_endpoint: '{endpoint}', \
         aws_allow_http: true, aws_region: us-east-1 }}"
    )
}

/// What the environment of somebody who works with S3 says.
fn variables() -> [(&'static str, String); 5] {
    let S3 { endpoint, key, secret } = S3::get();
    [
        ("AWS_ACCESS_KEY_ID", key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ]
}

fn in_environment(folder: &Folder, arguments: &[&str]) -> (i32, String) {
    let mut command = folder.command(arguments);
    let output = command.envs(variables()).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), text)
}

/// What pyarrow reads from S3 by itself: rows of the files of a folder, and the sum of their ids.
fn as_pyarrow_reads(address: &str) -> String {
    let S3 { endpoint, key, secret } = S3::get();
    let place = address.strip_prefix("s3://").unwrap();
    let output = python("tests/judges/s3.py").args([&endpoint, &key, &secret, place]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn files_go_through_s3_into_milvus_lite() {
    let server = Server::lite();
    let collection = server.collection("stores");
    let place = new_place("through");
    let folder = Folder::new();
    folder.put(&sample("a.h5"), "a.h5");
    folder.put(&sample("b.h5"), "b.h5");
    let secret = S3::get().secret;
    folder.write(
        "out.yaml",
        &format!(
            "version: 1\n\
             source: {{ hdf5: {{ paths: [a.h5, b.h5], metric: L2 }} }}\n\
             sink: {{ parquet: {{ dir: '{place}', storage: {} }} }}\n",
            storage("${SECRET}")
        ),
    );
    let done =
        folder.run_with(&["out.yaml", "--verify", "content"], &[("SECRET", secret.as_str())]);
    assert_eq!(done.table("created")["rows_written"], 3500);
    assert!(as_pyarrow_reads(&place).starts_with("3500 rows"), "{}", as_pyarrow_reads(&place));
    let (code, shown) = in_environment(&folder, &["inspect", &place]);
    assert!(code == 0 && shown.contains("3,500"), "{shown}");

    let wrong = format!("{place}/*.parquet");
    folder.write(
        "in.yaml",
        &format!(
            "version: 1\n\
             source: {{ parquet: {{ paths: ['{place}'] }} }}\n\
             sink: {{ milvus: {{ uri: '{}', collection: {} }} }}\n",
            server.uri, collection.name
        ),
    );
    let (code, told) = in_environment(&folder, &["run", "in.yaml", "--verify", "content"]);
    assert_eq!(code, 0, "{told}");
    collection.holds(&["a.h5", "b.h5"]);
    let set = format!("source.parquet.paths=['{wrong}']");
    let (code, told) = in_environment(&folder, &["plan", "in.yaml", "--set", &set]);
    assert!(code == 2 && told.contains("is a pattern"), "{told}");
    let set = format!("source.parquet.paths=['{place}/nothing']");
    let (code, told) = in_environment(&folder, &["plan", "in.yaml", "--set", &set]);
    assert!(code == 1 && told.contains("There is no object"), "{told}");
}

/// A synthetic table of 40 splits.
fn config(place: &str, secret: &str, rows: u64) -> String {
    format!(
        "version: 1\n\
         source: {{ synthetic: {{ rows: {rows}, dim: 16, split_rows: 100 }} }}\n\
         sink: {{ parquet: {{ dir: '{place}', storage: {} }} }}\n\
         run: {{ batch_rows: 50, log_dir: logs }}\n",
        storage(secret)
    )
}

fn start(folder: &Folder, parallelism: u64) -> Child {
    let parallelism = parallelism.to_string();
    let mut command = folder.command(&["run", "run.yaml", "-q", "--parallelism", &parallelism]);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Each table replaces an older one, which is whole until then.
#[test]
fn a_table_in_s3_is_whole_after_any_number_of_kills() {
    let mut random = Random::of(21);
    let (mut kills, secret) = (0, S3::get().secret);
    let place = new_place("killed");
    for rows in [3000, 4000, 2000] {
        let folder = Folder::new();
        folder.write("run.yaml", &config(&place, &secret, rows));
        loop {
            let at = folder.path("");
            let settled = || settled(&at, "run.yaml");
            let mut child = start(&folder, 1 + random.below(4));
            if !kill_at(&mut child, settled() + random.below(1500), settled) {
                let output = child.wait_with_output().unwrap();
                let told = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(output.status.code(), Some(0), "{told}");
                break;
            }
            kills += 1;
            if is_done(&at, "run.yaml") {
                break;
            }
        }
        let sum: u64 = (0..rows).sum();
        assert_eq!(as_pyarrow_reads(&place), format!("{rows} rows, ids {sum}\n"));
        let Done { code, stdout, stderr, .. } = folder.pipeline(&["verify", "run.yaml"]);
        assert_eq!(code, 0, "{stdout}{stderr}");
        no_secret(&folder, &secret);
    }
    assert!(kills > 0, "no run was killed");
}

fn no_secret(folder: &Folder, secret: &str) {
    let mut folders = vec![folder.path(".pipeline"), folder.path("logs")];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let shows = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!shows, "{}", path.display());
        }
    }
}

/// The loudest log holds all that is sent; the secret is not sent.
#[test]
fn a_secret_shows_nowhere() {
    let folder = Folder::new();
    let secret = S3::get().secret;
    folder.write("run.yaml", &config(&new_place("secret"), &secret, 300));
    for (set, code) in [("run.parallelism=1", 0), ("sink.parquet.storage.aws_regoin=x", 2)] {
        let mut command = folder.command(&["run", "run.yaml", "-v", "-v", "--set", set]);
        command.args(["--report", "r.json", "--report-html", "r.html"]);
        let output = command.env("RUST_LOG", "trace").output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&told);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(!told.windows(secret.len()).any(|part| part == secret.as_bytes()), "{text}");
        no_secret(&folder, &secret);
        for file in ["r.json", "r.html"] {
            let report = std::fs::read_to_string(folder.path(file)).unwrap_or_default();
            assert!(!report.contains(&secret), "{file}");
        }
    }
}

#[test]
fn what_keeps_a_store_from_being_reached_is_told() {
    let (folder, place, secret) = (Folder::new(), new_place("told"), S3::get().secret);
    folder.write("run.yaml", &config(&place, &secret, 300));
    for (set, words) in [
        ("sink.parquet.storage.aws_secret_access_key=wrong", "The store refuses to"),
        ("sink.parquet.dir=s3://no-such-bucket/a", "There is no bucket s3://no-such-bucket"),
        ("sink.parquet.storage.aws_endpoint=http://127.0.0.1:9", "Cannot reach the store"),
    ] {
        for command in ["plan", "run"] {
            let done = folder.pipeline(&[command, "run.yaml", "--set", set]);
            assert_eq!(done.code, 3, "{set}: {}", done.stderr);
            assert!(done.stderr.contains(words), "{set}: {}", done.stderr);
        }
    }
    for (set, words) in [
        ("sink.parquet.dir=s4://vecpipe/a", "did you mean `s3`?"),
        ("sink.parquet.dir=out", "`storage` is given"),
        ("sink.parquet.storage.aws_regio=x", "did you mean `aws_region`?"),
    ] {
        let done = folder.pipeline(&["plan", "run.yaml", "--set", set]);
        assert_eq!(done.code, 2, "{set}: {}", done.stderr);
        assert!(done.stderr.contains(words), "{set}: {}", done.stderr);
    }
}

/// Collections of a server into S3 and back, under another name.
#[test]
fn a_dump_in_s3_is_restored() {
    let server = Server::milvus();
    let (from, to) = (server.collection("dump_s3"), server.collection("restored_s3"));
    let (folder, place) = (Folder::new(), new_place("dump"));
    folder.put(&sample("a.h5"), "a.h5");
    folder.write(
        "make.yaml",
        &format!(
            "version: 1\n\
             source: {{ hdf5: {{ paths: [a.h5], metric: L2 }} }}\n\
             sink: {{ milvus: {{ uri: '{}', collection: {}, load: true }} }}\n",
            server.uri, from.name
        ),
    );
    folder.run(&["make.yaml"]).table("created");
    let name = from.name.as_str();
    let (code, told) =
        in_environment(&folder, &["dump", &server.uri, &place, "--collection", name]);
    assert_eq!(code, 0, "{told}");
    let (code, told) = in_environment(&folder, &["dump", &server.uri, &place]);
    assert!(code == 2 && told.contains("There is a dump in this folder already"), "{told}");
    let rename = format!("{name}={}", to.name);
    let (code, told) =
        in_environment(&folder, &["restore", &place, &server.uri, "--rename", &rename]);
    assert_eq!(code, 0, "{told}");
    to.is_same_as(&from);
}
