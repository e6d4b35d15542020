//! The JSON Schema of the configuration, for editors.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::config::milvusdm::{F2mFile, H2mFile, M2hFile, M2mFile};

/// The JSON Schema of a configuration file in either form, as text that ends with a line break.
/// The same configuration types give the same text.
pub fn json_schema() -> String {
    let mut generator = SchemaSettings::draft07().into_generator();
    let native = generator.subschema_for::<Config>();
    let h2m = generator.subschema_for::<H2mFile>();
    let f2m = generator.subschema_for::<F2mFile>();
    let m2m = generator.subschema_for::<M2mFile>();
    let m2h = generator.subschema_for::<M2hFile>();
    let mut definitions = generator.take_definitions(true);
    name_by_kind(&mut definitions);
    // A choice by the first key, not `oneOf`: editors then complain about, and complete, the form
    // that is being written.
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Configuration of pipeline",
        "description": "What moves, from where, to where, and how. MilvusDM's F2M, H2M, M2M and M2H files work too.",
        "type": "object",
        "if": { "required": ["H2M"] },
        "then": h2m,
        "else": { "if": { "required": ["F2M"] }, "then": f2m,
            "else": { "if": { "required": ["M2M"] }, "then": m2m,
                "else": { "if": { "required": ["M2H"] }, "then": m2h, "else": native } } },
        "definitions": definitions,
    });
    unwrap_lines(&mut schema);
    format!("{schema:#}\n")
}

/// Every component calls its settings `Config`, which the generator numbers in the order in which
/// it meets them. Named after their kind, they keep their names when components join.
fn name_by_kind(definitions: &mut Map<String, Value>) {
    let mut names = Vec::new();
    for (of, sort) in
        [("SourceConfig", "source"), ("TransformConfig", "transform"), ("SinkConfig", "sink")]
    {
        let kinds = definitions.get(of).and_then(|schema| schema["oneOf"].as_array());
        for (kind, settings) in kinds.into_iter().flatten().filter_map(|kind| {
            kind["properties"].as_object().and_then(|properties| properties.iter().next())
        }) {
            if let Some(old) = settings["$ref"].as_str() {
                names.push((old.to_owned(), format!("{sort}-{kind}")));
            }
        }
    }
    *definitions = std::mem::take(definitions)
        .into_iter()
        .map(|(name, mut schema)| {
            refer(&mut schema, &names);
            let reference = format!("{DEFINITIONS}{name}");
            let new = names.iter().find(|(old, _)| *old == reference);
            (new.map_or(name, |(_, new)| new.clone()), schema)
        })
        .collect();
}

const DEFINITIONS: &str = "#/definitions/";

fn refer(schema: &mut Value, names: &[(String, String)]) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                let new = match value.as_str() {
                    Some(reference) if key == "$ref" => {
                        names.iter().find(|(old, _)| old == reference)
                    }
                    _ => None,
                };
                match new {
                    Some((_, new)) => *value = Value::String(format!("{DEFINITIONS}{new}")),
                    None => refer(value, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, names)),
        _ => {}
    }
}

/// Descriptions are broken into lines as the source code is; editors break them themselves.
fn unwrap_lines(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if key == "description" => {
                        let paragraphs = text.split("\n\n").map(|lines| lines.replace('\n', " "));
                        *text = paragraphs.collect::<Vec<_>>().join("\n\n");
                    }
                    _ => unwrap_lines(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(unwrap_lines),
        _ => {}
    }
}
