//! The JSON Schema of the configuration, for editors.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::config::Config;
use crate::config::milvusdm::H2mFile;

/// The JSON Schema of a configuration file in either form, as text that ends with a line break.
/// The same configuration types give the same text.
pub fn json_schema() -> String {
    let mut generator = SchemaSettings::draft07().into_generator();
    let native = generator.subschema_for::<Config>();
    let h2m = generator.subschema_for::<H2mFile>();
    // A choice by the first key, not `oneOf`: editors then complain about, and complete, the form
    // that is being written.
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Configuration of pipeline",
        "description": "What moves, from where, to where, and how. MilvusDM's H2M files work too.",
        "type": "object",
        "if": { "required": ["H2M"] },
        "then": h2m,
        "else": native,
        "definitions": Value::Object(generator.take_definitions(true)),
    });
    format!("{schema:#}\n")
}
