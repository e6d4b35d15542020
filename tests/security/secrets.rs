//! A secret shows nowhere but in the request it is meant for: not in messages, logs, reports, state,
//! whatever goes wrong.

use std::fs;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::program::{Program, server};
use crate::refuse;

const SECRET: &str = "hunter2-Zx81Qm";

/// Files that hold it, because the test put it there.
const GIVEN: [&str; 3] = ["config.yaml", "with_break", "secret"];

/// In what forms it could show.
fn forms() -> Vec<Vec<u8>> {
    let base64 = |text: &str| BASE64_STANDARD.encode(text).trim_end_matches('=').to_owned();
    // The last characters depend on what comes after.
    let without_end = |text: String| text[..text.len() - 2].to_owned();
    [SECRET.to_owned(), without_end(base64(SECRET)), without_end(base64(&format!("root:{SECRET}")))]
        .map(String::into_bytes)
        .to_vec()
}

fn assert_hidden(what: &str, bytes: &[u8]) {
    for form in forms() {
        let shows = bytes.windows(form.len()).any(|part| part == form);
        assert!(!shows, "{what} shows the secret:\n{}", String::from_utf8_lossy(bytes));
    }
}

/// How a command ended: its exit code, and what it said.
struct Told {
    code: i32,
    text: String,
}

/// Runs a command, and looks through everything it wrote.
fn told(program: &Program, words: &[&str], rust_log: Option<&str>) -> Told {
    let mut command = program.command(words);
    command.env("SECRET", SECRET).env("RUST_BACKTRACE", "1");
    rust_log.map(|directives| command.env("RUST_LOG", directives));
    let output = command.output().unwrap();
    for (what, bytes) in [("standard output", &output.stdout), ("standard error", &output.stderr)] {
        assert_hidden(&format!("{what} of {words:?}"), bytes);
    }
    for path in program.files() {
        if !GIVEN.iter().any(|name| path.ends_with(name)) {
            assert_hidden(&path.display().to_string(), &fs::read(&path).unwrap());
        }
    }
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    Told { code: output.status.code().unwrap(), text }
}

/// Every command there is, as loud as can be; gives what `run` said.
fn all_commands(config: &str, sets: &[&str]) -> Told {
    let files =
        [("config.yaml", config), ("secret", SECRET), ("with_break", &format!("{SECRET}\n"))];
    let program = Program::new(&files);
    for subcommand in ["validate", "plan", "status"] {
        told(&program, &[&[subcommand, "config.yaml", "-v", "-v"], sets].concat(), None);
    }
    let files = ["--report", "r.json", "--report-html", "r.html"];
    let run = [&["run", "config.yaml"], sets, &files].concat();
    told(&program, &run, Some("trace"));
    told(&program, &["status", "config.yaml", "--log-format", "json"], Some("trace"));
    let done = told(&program, &[&run[..], &["-v", "-v", "--log-format", "json"]].concat(), None);
    let logs = program.files().iter().any(|path| path.extension().is_some_and(|end| end == "log"));
    assert!(logs || done.code == 2, "nothing was logged:\n{}", done.text);
    done
}

fn config(sink: &str) -> String {
    format!(
        "{{ version: 1, source: {{ synthetic: {{ rows: 9, dim: 4 }} }}, sink: {{ milvus: {{ {sink},
            collection: vecpipe_test_secrets_{} }} }}, run: {{ state_dir: state, log_dir: logs }} }}",
        std::process::id()
    )
}

const WAYS: [&str; 5] = [
    r#"token: "${SECRET}""#,
    r#"token: "root:${SECRET}""#,
    r#"user: root, password: "${SECRET}""#,
    "token_file: secret",
    "user: root, password_file: with_break",
];

#[test]
fn a_server_that_refuses_the_credentials() {
    let uri = refuse::start();
    for way in WAYS {
        let done = all_commands(&config(&format!("uri: \"{uri}\", {way}")), &[]);
        assert_eq!(done.code, 3, "{}", done.text);
        assert!(done.text.contains("auth check failure"), "{}", done.text);
    }
}

#[test]
fn a_server_that_is_not_there_or_speaks_no_tls() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let plain = server("VECPIPE_TEST_LITE").replace("http://", "https://");
    for uri in [gone, plain] {
        let done = all_commands(&config(&format!("uri: \"{uri}\", {}", WAYS[1])), &[]);
        assert_eq!(done.code, 3, "{}", done.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_moves_rows_and_one_that_is_refused_a_database() {
    use vecpipe::milvus::v2::{Client, Options};

    let uri = server("VECPIPE_TEST_MILVUS");
    let sink = format!("uri: \"{uri}\", {}", WAYS[4]);
    let done = all_commands(&config(&sink), &["--set", "sink.milvus.mode=overwrite"]);
    assert_eq!(done.code, 0, "{}", done.text);
    let name = format!("vecpipe_test_secrets_{}", std::process::id());
    let client = Client::connect(Options::new(uri)).await.unwrap();
    client.drop_collection(&name).await.unwrap();

    let done = all_commands(&config(&format!("{sink}, database: nowhere")), &[]);
    assert_eq!(done.code, 2, "{}", done.text);
}

#[test]
fn a_mysql_that_refuses_the_password() {
    let uri = server("VECPIPE_TEST_MYSQL");
    let (_, place) = uri.split_once('@').unwrap();
    let (address, database) = place.split_once('/').unwrap();
    let (host, port) = address.split_once(':').unwrap();
    for way in [r#"password: "${SECRET}""#, "password_file: with_break"] {
        let mysql =
            format!("host: {host}, port: {port}, user: milvus, database: {database}, {way}");
        let config = format!(
            "{{ version: 1, source: {{ milvus1: {{ path: ., meta: {{ mysql: {{ {mysql} }} }} }} }},
                sink: {{ \"null\": {{}} }}, run: {{ state_dir: state, log_dir: logs }} }}"
        );
        let done = all_commands(&config, &[]);
        assert_eq!(done.code, 3, "{}", done.text);
        assert!(done.text.contains("MySQL refuses"), "{}", done.text);
    }
}

#[test]
fn a_configuration_that_is_wrong() {
    let good = format!("uri: \"http://127.0.0.1:1\", token: \"{SECRET}\"");
    for sink in [
        // Beside a key that does not exist, on the same line and on the next.
        &format!("{good}, colection: x"),
        &format!("{good},\n colection: x"),
        // In the wrong place, of the wrong sort, never closed.
        &format!("uri: \"http://root:{SECRET}@127.0.0.1:1\""),
        &format!("uri: \"http://127.0.0.1:1\", token: [\"{SECRET}\"]"),
        &format!("{good}, password: \"{SECRET}\""),
        &format!("uri: \"http://127.0.0.1:1\", token: \"{SECRET}"),
        &format!("uri: \"http://127.0.0.1:1\", token_file: \"{SECRET}\""),
        "uri: \"http://127.0.0.1:1\", mode: \"${SECRET}\"",
    ] {
        let done = all_commands(&config(sink), &[]);
        assert_eq!(done.code, 2, "{sink}: {}", done.text);
    }
}

#[test]
fn a_secret_on_the_command_line_is_warned_of_without_it() {
    let uri = refuse::start();
    let sink = config(&format!("uri: \"{uri}\""));
    let set = format!("sink.milvus.token={SECRET}");
    let done = all_commands(&sink, &["--set", &set]);
    assert!(done.text.contains("--set sink.milvus.token holds a secret"), "{}", done.text);
    let done = all_commands(&sink, &["--set", "sink.milvus.token=${SECRET}"]);
    assert!(!done.text.contains("holds a secret"), "{}", done.text);
}
