//! What people are told about a configuration that is wrong.

use vecpipe::Kind;
use vecpipe::config::parse;
use vecpipe::milvus::Generation;

const HEAD: &str = "version: 1\nsource: { synthetic: { rows: 1, dim: 4 } }\nsink: { null: {} }\n";

/// The whole error of a configuration.
fn error(text: &str, sets: &[&str]) -> String {
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    let error = parse(text, "a.yaml", &sets, &|_| None, Generation::Two)
        .expect_err("the configuration is wrong");
    assert_eq!(error.kind(), Kind::Config);
    error.to_string()
}

#[test]
fn an_unknown_key_is_shown_with_the_nearest_known_one() {
    insta::assert_snapshot!(error(&format!("{HEAD}run:\n  paralellism: 8\n"), &[]), @r"
    Unknown key `paralellism`
      where: a.yaml:5:3, key run.paralellism
        |
      5 |   paralellism: 8
        |   ^^^^^^^^^^^
      help: did you mean `parallelism`? Known here: parallelism, memory, batch_rows, on_bad_row, rejects_dir, state_dir, log_dir
    ");
}

#[test]
fn a_missing_key_is_shown_where_it_is_missing_from() {
    let text = "version: 1\nsource:\n  synthetic: { rows: 1 }\nsink: { null: {} }\n";
    insta::assert_snapshot!(error(text, &[]), @r"
    Key `dim` is missing
      where: a.yaml:3:3, key source.synthetic
        |
      3 |   synthetic: { rows: 1 }
        |   ^^^^^^^^^
    ");
}

#[test]
fn an_unknown_kind_lists_those_there_are() {
    let text = "version: 1\nsource:\n  hdf: { paths: [a.h5] }\nsink: { null: {} }\n";
    insta::assert_snapshot!(error(text, &[]), @r"
    `hdf` is not known here
      where: a.yaml:3:3, key source
        |
      3 |   hdf: { paths: [a.h5] }
        |   ^^^
      help: did you mean `hdf5`? Known here: faiss, hdf5, milvus, milvus1, parquet, synthetic
    ");
}

#[test]
fn two_kinds_are_one_too_many_and_none_is_too_few() {
    let two =
        "version: 1\nsource: { synthetic: { rows: 1, dim: 4 }, hdf5: {} }\nsink: { null: {} }\n";
    insta::assert_snapshot!(error(two, &[]), @r"
    Exactly one kind is possible, found `synthetic` and `hdf5`
      where: a.yaml:2:43, key source
        |
      2 | source: { synthetic: { rows: 1, dim: 4 }, hdf5: {} }
        |                                           ^^^^
      help: keep one of them; kinds are faiss, hdf5, milvus, milvus1, parquet, synthetic
    ");
    let none = "version: 1\nsource:\nsink: { null: {} }\n";
    insta::assert_snapshot!(error(none, &[]), @r"
    A kind is missing
      where: a.yaml:2:1, key source
        |
      2 | source:
        | ^^^^^^
      help: write one of faiss, hdf5, milvus, milvus1, parquet, synthetic
    ");
    let bare = "version: 1\nsource: hdf5\nsink: { null: {} }\n";
    insta::assert_snapshot!(error(bare, &[]), @r"
    `hdf5` has no settings
      where: a.yaml:2:9, key source
        |
      2 | source: hdf5
        |         ^^^^
      help: write them below it: `hdf5: { … }`
    ");
}

#[test]
fn a_stage_is_parquet() {
    insta::assert_snapshot!(error(&format!("{HEAD}stage: {{ null: {{}} }}\n"), &[]), @r"
    `null` is not known here
      where: a.yaml:4:10, key stage
        |
      4 | stage: { null: {} }
        |          ^^^^
      help: known here: parquet
    ");
}

#[test]
fn a_value_of_another_sort_says_what_was_expected() {
    let text = "version: 1\nsource: { hdf5: { paths: a.h5 } }\nsink: { null: {} }\n";
    insta::assert_snapshot!(error(text, &[]), @r"
    Expected a list, found a text
      where: a.yaml:2:26, key source.hdf5.paths
        |
      2 | source: { hdf5: { paths: a.h5 } }
        |                          ^^^^
      help: write `[a, b]`, or one `- …` a line
    ");
    insta::assert_snapshot!(error(&format!("{HEAD}run: {{ batch_rows: many }}\n"), &[]), @r"
    Expected a whole number from 0, found a text
      where: a.yaml:4:20, key run.batch_rows
        |
      4 | run: { batch_rows: many }
        |                    ^^^^
    ");
    insta::assert_snapshot!(error(&format!("{HEAD}run: {{ memory: lots }}\n"), &[]), @r"
    Expected a size, like 512MiB or 2GB
      where: a.yaml:4:16, key run.memory
        |
      4 | run: { memory: lots }
        |                ^^^^
    ");
    insta::assert_snapshot!(error(&format!("{HEAD}transforms: {{ rename: {{ a: b }} }}\n"), &[]), @r"
    Expected a list, found a map
      where: a.yaml:4:13, key transforms
        |
      4 | transforms: { rename: { a: b } }
        |             ^
      help: write `[a, b]`, or one `- …` a line
    ");
}

#[test]
fn bounds_are_checked() {
    for (run, what) in [
        ("parallelism: 0", "Parallelism is between 1 and 1024"),
        ("parallelism: 1025", "Parallelism is between 1 and 1024"),
        ("memory: 0", "Without memory no row can move"),
        ("batch_rows: 0", "A batch has at least one row"),
        ("batch_rows: -1", "Expected a whole number from 0"),
    ] {
        let key = run.split(':').next().unwrap();
        let error = error(&format!("{HEAD}run:\n  {run}\n"), &[]);
        assert_eq!(error.lines().next(), Some(what));
        let place = format!("  where: a.yaml:5:{}, key run.{key}", key.len() + 5);
        assert_eq!(error.lines().nth(1), Some(place.as_str()));
    }
}

#[test]
fn the_version_is_looked_at_first() {
    insta::assert_snapshot!(error("version: 2\nfuture: { }\n", &[]), @r"
    This version of the configuration is not known
      where: a.yaml:1:10, key version
        |
      1 | version: 2
        |          ^
      help: this program reads `version: 1`
    ");
    insta::assert_snapshot!(error("source: { synthetic: { rows: 1, dim: 4 } }\n", &[]), @r"
    Key `version` is missing
      where: a.yaml:1:1
        |
      1 | source: { synthetic: { rows: 1, dim: 4 } }
        | ^
      help: write `version: 1` at the top
    ");
}

#[test]
fn a_key_given_twice_is_an_error() {
    insta::assert_snapshot!(error(&format!("{HEAD}version: 1\n"), &[]), @r"
    Key `version` is given twice
      where: a.yaml:4:1
        |
      4 | version: 1
        | ^^^^^^^
      help: it stands in line 1 already
    ");
}

#[test]
fn text_that_is_no_configuration() {
    for empty in ["", "\n\n", "# nothing\n", "---\n", "~"] {
        assert!(error(empty, &[]).starts_with("The configuration is empty\n"), "{empty:?}");
    }
    insta::assert_snapshot!(error("- a\n- b\n", &[]), @r"
    Expected a map with `version`, `source` and `sink`, found a list
      where: a.yaml:1:1
        |
      1 | - a
        | ^
      help: a configuration names a source and a sink:
        version: 1
        source: { hdf5: { paths: [vectors.h5] } }
        sink: { milvus: { uri: http://127.0.0.1:19530, collection: test } }
    ");
    insta::assert_snapshot!(error("version: 1\nrun:\n\tmemory: 1\n", &[]), @r"
    This is not YAML: tabs disallowed within this context (block indentation)
      where: a.yaml:3:2
        |
      3 |  memory: 1
        |  ^
    ");
    insta::assert_snapshot!(error("version: 1\n---\nversion: 1\n", &[]), @r"
    A second document starts here
      where: a.yaml:2:1
        |
      2 | ---
        | ^^^
      help: a configuration is one document: remove the line `---`, or use two files
    ");
    insta::assert_snapshot!(error("version: !v 1\n", &[]), @r"
    The tag `!v` has no meaning here
      where: a.yaml:1:13
        |
      1 | version: !v 1
        |             ^
      help: a configuration is plain YAML; remove the tag
    ");
    insta::assert_snapshot!(error("a: *b\n", &[]), @r"
    This is not YAML: while parsing node, found unknown anchor
      where: a.yaml:1:4
        |
      1 | a: *b
        |    ^
    ");
}

#[test]
fn aliases_cannot_blow_up() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        let uses = vec![format!("*a{}", n - 1); 10].join(", ");
        bomb.push_str(&format!("a{n}: &a{n} [{uses}]\n"));
    }
    assert!(error(&bomb, &[]).starts_with("The configuration is too large\n"));
    assert!(error("a: &a [*a]\n", &[]).starts_with("This alias stands within the value"));
    let deep = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
    assert!(error(&deep, &[]).starts_with("Lists and maps are nested too deeply\n"));
}

#[test]
fn a_flag_is_named_when_it_is_wrong() {
    insta::assert_snapshot!(error(HEAD, &["run.memory=1GiB", "run.paralellism=8"]), @r"
    Unknown key `paralellism`
      where: --set run.paralellism
       |
       | --set run.paralellism=8
       |           ^^^^^^^^^^^
      help: did you mean `parallelism`? Known here: parallelism, memory, batch_rows, on_bad_row, rejects_dir, state_dir, log_dir
    ");
    insta::assert_snapshot!(error(HEAD, &["run.parallelism=many"]), @r"
    Expected a whole number from 0, found a text
      where: --set run.parallelism
       |
       | --set run.parallelism=many
       |                       ^^^^
    ");
    insta::assert_snapshot!(error(HEAD, &["run"]), @r"
    A --set has no `=`
      where: --set run
       |
       | --set run
       |       ^^^
      help: write it like --set sink.milvus.collection=news
    ");
    insta::assert_snapshot!(error(HEAD, &["run..memory=1"]), @r"
    A --set has an empty key in its path
      where: --set run..memory
       |
       | --set run..memory=1
       |           ^
      help: write it like --set sink.milvus.collection=news
    ");
    insta::assert_snapshot!(error(HEAD, &["version.a=1"]), @r"
    `version` is a number without keys
      where: --set version.a
       |
       | --set version.a=1
       |               ^
      help: there is no `a` in it to set
    ");
    insta::assert_snapshot!(error(HEAD, &["transforms=[]", "transforms.1.rename={a: b}"]), @r"
    `1` is no item of this list
      where: --set transforms.1.rename
       |
       | --set transforms.1.rename={a: b}
       |                  ^
      help: items are numbered from 0; the list has 0, and 0 adds one
    ");
}
