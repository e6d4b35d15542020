//! The docs keep up with the program.

#![allow(clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).expect("a file of the repository")
}

/// The lines of a section, from its heading to the next one of its level or above.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let level = heading.split(' ').next().unwrap_or_default().len();
    let start = text.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let body = &text[start + heading.len() + 1..];
    let is_end = |line: &str| {
        let marks = line.bytes().take_while(|byte| *byte == b'#').count();
        marks > 0 && marks <= level && line.as_bytes().get(marks) == Some(&b' ')
    };
    let mut end = 0;
    for line in body.split_inclusive('\n') {
        if is_end(line) {
            break;
        }
        end += line.len();
    }
    &body[..end]
}

/// The words of a text that stand in code: between backticks, or in a block of it.
fn code_words(text: &str) -> BTreeSet<&str> {
    let blocks = text.split("```").enumerate();
    let code = blocks.flat_map(|(n, part)| {
        let spans =
            if n % 2 == 1 { vec![part] } else { part.split('`').skip(1).step_by(2).collect() };
        spans.into_iter()
    });
    code.flat_map(|code| code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')))
        .collect()
}

/// A key is described where its source, sink or transform is, and as code: a word of the same letters in some other
/// place is no description.
#[test]
fn the_configuration_reference_describes_every_key_in_its_place() {
    let schema: Value = serde_json::from_str(&read("schemas/config.schema.json")).expect("JSON");
    let docs = read("docs/configuration.md");
    let (all, mut looked_for) = (code_words(&docs), 0);
    for (name, definition) in schema["definitions"].as_object().expect("definitions") {
        let Some(properties) = definition["properties"].as_object() else { continue };
        let place = match name.split_once('-') {
            Some(("transform", _)) => code_words(section(&docs, "## transforms")),
            Some((side, kind)) => {
                code_words(section(section(&docs, &format!("## {side}")), &format!("### {kind}")))
            }
            None if name == "RunConfig" => code_words(section(&docs, "## run")),
            None => all.clone(),
        };
        let missing: Vec<_> =
            properties.keys().filter(|key| !place.contains(key.as_str())).collect();
        assert!(
            missing.is_empty(),
            "docs/configuration.md does not describe {missing:?} of {name}"
        );
        looked_for += properties.len();
    }
    assert!(looked_for > 100, "the schema has keys: {looked_for}");
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
