//! The files that people copy, and the schema that their editors read.

use std::fs;
use std::path::Path;

use vecpipe::config;
use vecpipe::milvus::Generation;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_schema_file_is_current() {
    let file = root().join("schemas/config.schema.json");
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == config::json_schema(),
        "schemas/config.schema.json is not current; regenerate it with\n  cargo run -- schema > schemas/config.schema.json"
    );
}

#[test]
fn every_config_file_is_valid_and_names_the_schema() {
    let mut seen = 0;
    for entry in fs::read_dir(root().join("configs")).expect("the folder configs") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a readable file");
        assert_eq!(
            text.lines().next(),
            Some("# yaml-language-server: $schema=../schemas/config.schema.json"),
            "{}",
            path.display()
        );
        if let Err(error) =
            config::parse(&text, &path.display().to_string(), &[], &|_| None, Generation::Two)
        {
            panic!("{error}");
        }
        seen += 1;
    }
    assert!(seen >= 4);
}
