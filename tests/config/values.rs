//! What a configuration means: overrides, variables, anchors, secrets.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use vecpipe::config::{Config, Text, parse};
use vecpipe::milvus::Generation;

fn variables(name: &str) -> Option<String> {
    Some(match name {
        "FILE" => "from env.h5".to_owned(),
        "N" => "7".to_owned(),
        "EMPTY" => String::new(),
        "NULL" => "null".to_owned(),
        "YAML" => "x, other: y } # [".to_owned(),
        "TOKEN" => "s3cret-value".to_owned(),
        _ => return None,
    })
}

fn understood(text: &str, sets: &[&str]) -> Config {
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    match parse(text, "a.yaml", &sets, &variables, Generation::Two) {
        Ok(loaded) => loaded.config,
        Err(error) => panic!("{error}"),
    }
}

fn refused(text: &str, sets: &[&str]) -> String {
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    parse(text, "a.yaml", &sets, &variables, Generation::Two).expect_err("it is wrong").to_string()
}

fn values(text: &str, sets: &[&str]) -> Value {
    serde_json::to_value(understood(text, sets)).expect("a configuration is JSON")
}

const HDF5: &str = "version: 1\nsource: { hdf5: { paths: [a.h5] } }\nsink: { null: {} }\n";

#[test]
fn defaults_hold_where_nothing_is_said() {
    let config = understood(
        "version: 1\nsource:\n  hdf5: {}\nsink:\n  null:\nrun:\n  # all\ntransforms:\n",
        &[],
    );
    assert_eq!(config.run.memory.bytes(), 512 << 20);
    assert_eq!(config.run.state_dir, Path::new(".pipeline"));
    assert!(config.run.parallelism.is_none() && config.transforms.is_empty());
}

#[test]
fn types_decide_what_a_scalar_means() {
    for (dim, expected) in [("\"8\"", 8), ("0x1F", 31), ("0o17", 15)] {
        let hdf5 = format!("{{ paths: [1, true, 2.50, \"null\", 0x1F], dim: {dim} }}");
        let text = format!("version: 1\nsource: {{ hdf5: {hdf5} }}\nsink: {{ null: {{}} }}\n");
        let source = &values(&text, &[])["source"]["hdf5"];
        assert_eq!(source["paths"], json!(["1", "true", "2.50", "null", "0x1F"]));
        assert_eq!(source["dim"], json!(expected));
    }
}

#[test]
fn anchors_and_merge_keys_work() {
    let text = "\
version: 1
source:
  hdf5: { paths: [&file a.h5, *file] }
sink:
  milvus: { uri: http://h:1, schema: &schema { id: pk, vector: v } }
stage:
  parquet:
    <<: [{ dir: first }, { dir: second, compression: snappy }]
    mode: append
";
    let config = values(text, &[]);
    assert_eq!(config["source"]["hdf5"]["paths"], json!(["a.h5", "a.h5"]));
    let stage = json!({ "dir": "first", "mode": "append", "compression": "snappy", "dump": false });
    assert_eq!(config["stage"]["parquet"], stage);
}

#[test]
fn flags_override_the_file() {
    let sets = [
        "source.hdf5.paths.0=b.h5",
        "source.hdf5.paths.1=\"${FILE}\"",
        "sink={milvus: {uri: http://h:1}}",
        "sink.milvus.schema.id=pk",
        "run.memory=1GiB",
        "run.memory=2GiB",
        "transforms=[{rename: {a: b}}]",
        "transforms.0.rename.c=d",
        "source.hdf5.metric=",
    ];
    let config = values(HDF5, &sets);
    assert_eq!(config["source"]["hdf5"]["paths"], json!(["b.h5", "from env.h5"]));
    assert_eq!(config["sink"]["milvus"]["schema"]["id"], json!("pk"));
    assert_eq!(understood(HDF5, &sets).run.memory.bytes(), 2 << 30);
    assert_eq!(config["transforms"], json!([{ "rename": { "a": "b", "c": "d" } }]));
}

#[test]
fn variables_are_resolved_in_scalar_values_alone() {
    let text = "\
# ${UNSET} in a comment
version: 1
source:
  hdf5:
    paths: ['${FILE}', \"a${N}b\", ${FILE}, ${UNSET:-default, x}, \"${EMPTY:-d}\", $$N $${N} $5]
    dim: ${N}
    ids: ${UNSET:-}
transforms:
  - rename: { \"${N}\": ${NULL}, yaml: \"${YAML}\", plain: ${YAML} }
sink: { null: {} }
";
    let config = values(text, &[]);
    let source = &config["source"]["hdf5"];
    let paths = ["from env.h5", "a7b", "from env.h5", "default, x", "d", "$N ${N} $5"];
    assert_eq!(source["paths"], json!(paths));
    assert_eq!((&source["dim"], &source["ids"]), (&json!(7), &Value::Null));
    let yaml = "x, other: y } # [";
    let rename = json!({ "${N}": "null", "yaml": yaml, "plain": yaml });
    assert_eq!(config["transforms"][0]["rename"], rename);
}

#[test]
fn an_unset_variable_is_an_error_with_its_place() {
    insta::assert_snapshot!(refused(&HDF5.replace("a.h5", "${UNSET}"), &[]), @r"
    The environment variable `UNSET` is not set
      where: a.yaml:2:27
        |
      2 | source: { hdf5: { paths: [${UNSET}] } }
        |                           ^^^^^^^^
      help: set it, or give a default: ${UNSET:-default}
    ");
    insta::assert_snapshot!(refused(HDF5, &["run.log_dir=${UNSET}"]), @r"
    The environment variable `UNSET` is not set
      where: --set run.log_dir
       |
       | --set run.log_dir=${UNSET}
       |                   ^^^^^^^^
      help: set it, or give a default: ${UNSET:-default}
    ");
    insta::assert_snapshot!(refused(&HDF5.replace("a.h5", "\"${A B}\""), &[]), @r#"
    This is no name of an environment variable
      where: a.yaml:2:27
        |
      2 | source: { hdf5: { paths: ["${A B}"] } }
        |                           ^^^^^^^^
      help: a name has letters, digits and `_`; write $$ for a dollar sign
    "#);
    assert!(refused(&HDF5.replace("a.h5", "\"${N\""), &[]).starts_with("A `${` has no closing"));
}

#[test]
fn what_a_variable_holds_never_shows() {
    for run in [
        "parallelism: ${TOKEN}",
        "memory: \"${TOKEN}\"",
        "on_bad_row: ${TOKEN}",
        "batch_rows: x${TOKEN}",
        "log_dir: [\"${TOKEN}\"]",
    ] {
        let error = refused(&format!("{HDF5}run:\n  {run}\n"), &[]);
        assert!(!error.contains("s3cret"), "{error}");
        assert!(error.contains("TOKEN"), "{error}");
    }
    for metric in ["${TOKEN}", "'${TOKEN}'"] {
        let text = HDF5.replace("paths: [a.h5]", &format!("metric: {metric}"));
        let error = refused(&text, &[]);
        assert!(!error.contains("s3cret"), "{error}");
        assert!(
            error.starts_with("The value of `${TOKEN}` is not one of L2, IP, COSINE"),
            "{error}"
        );
    }
}

#[test]
fn secrets_written_out_never_show() {
    let sink = "sink:\n  milvus: { uri: \"http://u:hunter2@h:1\", token: hunter2, colection: x }\n";
    let text = format!("version: 1\nsource: {{ hdf5: {{}} }}\n{sink}");
    let error = refused(&text, &[]);
    // What the sink knows besides is its own affair.
    let (shown, _) = error.split_once(" Known here").expect("a list of keys");
    insta::assert_snapshot!(shown, @r#"
    Unknown key `colection`
      where: a.yaml:4:58, key sink.milvus.colection
        |
      4 |   milvus: { uri: "http://*********@h:1", token: *******, colection: x }
        |                                                          ^^^^^^^^^
      help: did you mean `collection`?
    "#);
    let broken = "sink:\n  milvus:\n    token: [hunter2\n    password: \"hunter2\n";
    let lines = "sink:\n  milvus:\n    password:\n    - x: 1\n    - hunter2: [\n";
    let list = "version: 1\nsource: { hdf5: {} }\nsink:\n  milvus: { uri: x, token: [hunter2] }\n";
    for text in [broken, lines, list] {
        let error = refused(text, &[]);
        assert!(!error.contains("hunter2"), "{error}");
    }
    let error = refused(HDF5, &["sink={milvus: {uri: x}}", "sink.milvus.token=[hunter2]"]);
    assert!(!error.contains("hunter2"), "{error}");
    let text = text.replace("colection", "collection");
    assert_eq!(values(&text, &[])["sink"]["milvus"]["token"], json!("***"));
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("a.yaml");
    let load = |path: &Path| Text::read(path)?.parse(&[], Generation::Two);
    let words = |path: &Path| load(path).expect_err("it can't be read").to_string();
    assert!(words(&file).contains("No such file"), "{}", words(&file));
    assert!(words(dir.path()).starts_with("Cannot read the configuration: "));
    std::fs::write(&file, b"version: 1\nsource: \xff\n").expect("a file is written");
    assert!(words(&file).starts_with("The configuration is not UTF-8 text (line 2)\n"));
    std::fs::write(&file, vec![b'#'; 5 << 20]).expect("a file is written");
    assert!(words(&file).contains("larger than 4 MiB"));
    std::fs::write(&file, format!("\u{feff}{}", HDF5.replace('\n', "\r\n"))).expect("written");
    load(&file).expect("a byte order mark and Windows line ends are fine");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,80}") {
        let _ = parse(&text, "a.yaml", std::slice::from_ref(&text), &variables, Generation::Two);
    }

    #[test]
    fn no_damage_to_a_good_file_makes_it_panic(
        at in 0usize..1000, cut in 0usize..20, put in "[ \\t\\n:{}\\[\\]&*!|>'\"%@`$#,a-c0-9é-]{0,6}"
    ) {
        let good = include_str!("../../configs/h2m.yaml");
        let at = good.floor_char_boundary(at % good.len());
        let end = good.floor_char_boundary((at + cut).min(good.len()));
        let text = format!("{}{put}{}", &good[..at], &good[end..]);
        let _ = parse(&text, "a.yaml", &[format!("sink.milvus.token={put}")], &variables, Generation::Two);
    }
}
