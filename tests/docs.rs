//! The docs keep up with the program.

#![allow(clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).expect("a file of the repository")
}

fn keys_of(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| keys_of(value, keys));
        }
        Value::Array(items) => items.iter().for_each(|value| keys_of(value, keys)),
        _ => {}
    }
}

#[test]
fn the_configuration_reference_names_every_key() {
    let schema = serde_json::from_str(&read("schemas/config.schema.json")).expect("JSON");
    let (mut keys, docs) = (BTreeSet::new(), read("docs/configuration.md"));
    keys_of(&schema, &mut keys);
    assert!(keys.len() > 40, "the schema has keys: {keys:?}");
    let words: BTreeSet<_> =
        docs.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).collect();
    let missing: Vec<_> = keys.iter().filter(|key| !words.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "docs/configuration.md does not mention {missing:?}");
}

/// Links to files of the repository, relative to the file that holds them.
#[test]
fn links_between_the_docs_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = [
        "README.md",
        "CONTRIBUTING.md",
        "BENCHMARKS.md",
        "docs/architecture.md",
        "docs/configuration.md",
        "docs/formats/faiss.md",
        "docs/dump.md",
        "docs/reliability.md",
        "docs/verify.md",
        "docs/formats/hdf5.md",
        "docs/formats/milvus1.md",
        "docs/formats/parquet.md",
    ];
    for doc in docs {
        let folder = root.join(doc);
        let folder = folder.parent().expect("a folder");
        let text = read(doc);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let file = link.split('#').next().expect("a path");
            assert!(folder.join(file).exists(), "{doc} links to {link}");
        }
    }
}
