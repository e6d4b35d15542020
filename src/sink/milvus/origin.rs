//! What a collection is made with, where its rows come from one that had more than fields: the
//! definition travels with the rows, also through Parquet.

use arrow::datatypes::Field;

use super::shape::Shape;
use crate::error::Result;
use crate::milvus::v2::ServerVersion;
use crate::milvus::v2::collection::NewCollection;
use crate::milvus::v2::definition::{
    Definition, FIELD, FieldDefinition, FunctionDefinition, IndexDefinition,
};
use crate::milvus::v2::field::{
    DYNAMIC, arrow_field, dynamic_field, is_vector, limits_of, pair, parameter,
};
use crate::milvus::v2::proto::common::{ConsistencyLevel, KeyValuePair};
use crate::milvus::v2::proto::schema::{DataType, FieldSchema};
use crate::sink::TableToWrite;
use crate::table::Metric;

/// Properties that vecpipe gives collections for itself.
const OURS: &str = "vecpipe.";

/// The collection that rows come from.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin(Option<Definition>);

impl Origin {
    /// # Errors
    /// When what the source says of its collection can't be understood.
    pub(super) fn of(table: &TableToWrite) -> Result<Origin> {
        let definition = Definition::within(table.schema.arrow());
        definition.map(Origin).map_err(|error| error.at(format!("table {}", table.name)))
    }

    /// What the source says about a column, if that is still what it was there.
    pub(super) fn field(&self, column: &Field) -> Option<FieldSchema> {
        let name = column.metadata().get(FIELD)?;
        let schema = match name.as_str() {
            DYNAMIC => dynamic_field(),
            name => self.0.as_ref()?.field(name)?.schema()?,
        };
        let same = arrow_field(&schema)?.data_type() == column.data_type();
        same.then_some(schema)
    }

    /// The metric that the source states. Where its first vector is left out, that of the one that is
    /// first now.
    pub(super) fn metric(&self, table: &TableToWrite) -> Option<Metric> {
        let here = table.schema.vector().metadata().get(FIELD);
        let (Some(definition), Some(here)) = (&self.0, here) else { return table.metric };
        let mut fields = definition.fields.iter().filter(|field| !field.function_output);
        let is_first = |field: &&FieldDefinition| {
            field.schema().is_some_and(|schema| is_vector(schema.data_type()))
        };
        if fields.find(is_first).is_none_or(|first| first.name == *here) {
            return table.metric;
        }
        let index = definition.indexes.iter().find(|index| index.field == *here);
        index?.metric_type.parse().ok()
    }

    /// The collection to make: what it is beyond its fields, as far as this server can have it.
    pub(super) fn collection(
        &self,
        table: &TableToWrite,
        shape: &Shape,
        version: &ServerVersion,
        marks: Vec<KeyValuePair>,
    ) -> NewCollection {
        let fields: Vec<_> = shape.fields.iter().filter(|f| !f.is_dynamic).cloned().collect();
        let mut new = NewCollection {
            dynamic: shape.fields.iter().any(|field| field.is_dynamic),
            fields,
            properties: marks,
            // What pymilvus makes by default.
            consistency: ConsistencyLevel::Bounded,
            ..NewCollection::default()
        };
        let Some(definition) = &self.0 else { return new };
        let keyed = new.fields.iter().any(|field| field.is_partition_key);
        let functions = self.functions(table, shape, version);
        let outputs: Vec<_> = functions.iter().flat_map(|f| &f.outputs).collect();
        let computed = self.computed().filter(|field| outputs.contains(&&field.name));
        new.fields.extend(computed.filter_map(FieldDefinition::schema));
        new.functions = functions.iter().map(FunctionDefinition::schema).collect();
        new.description.clone_from(&definition.description);
        new.shards = definition.shards;
        new.key_partitions = if keyed { definition.key_partitions } else { 0 };
        new.consistency = definition.consistency_level();
        let theirs = definition.properties.iter().filter(|(key, _)| !key.starts_with(OURS));
        new.properties.extend(
            theirs.map(|(key, value)| KeyValuePair { key: key.clone(), value: value.clone() }),
        );
        new
    }

    /// The name that a field of the source has here; none if it is left out.
    fn renamed(&self, table: &TableToWrite, shape: &Shape, field: &str) -> Option<String> {
        let mut columns = table.schema.arrow().fields().iter();
        let column =
            columns.position(|column| column.metadata().get(FIELD).is_some_and(|f| f == field))?;
        Some(shape.fields[column].name.clone())
    }

    /// The functions that have all that they read, on a server that has functions.
    fn functions(
        &self,
        table: &TableToWrite,
        shape: &Shape,
        version: &ServerVersion,
    ) -> Vec<FunctionDefinition> {
        let all = self.0.iter().flat_map(|definition| &definition.functions);
        let known = all.filter(|_| takes_functions(version)).filter_map(|function| {
            let inputs = function.inputs.iter().map(|input| self.renamed(table, shape, input));
            Some(FunctionDefinition { inputs: inputs.collect::<Option<_>>()?, ..function.clone() })
        });
        known.collect()
    }

    /// Fields that the server computes.
    fn computed(&self) -> impl Iterator<Item = &FieldDefinition> {
        self.0.iter().flat_map(|definition| &definition.fields).filter(|f| f.function_output)
    }

    /// The source's indexes on fields that come along.
    pub(super) fn indexes(
        &self,
        table: &TableToWrite,
        shape: &Shape,
        version: &ServerVersion,
    ) -> Vec<IndexDefinition> {
        let computed = self.functions(table, shape, version);
        let is_computed =
            |field: &str| computed.iter().any(|f| f.outputs.iter().any(|o| o == field));
        let named = |field: &str| match self.renamed(table, shape, field) {
            None if is_computed(field) => Some(field.to_owned()),
            name => name,
        };
        let all = self.0.iter().flat_map(|definition| &definition.indexes);
        let here = all.filter_map(|index| {
            let index = index.clone().renamed(named(&index.field)?);
            Some(if version.is_lite() { index } else { complete(index) })
        });
        here.collect()
    }

    /// The type of a field of the collection that is made; what has no column is computed.
    pub(super) fn type_of(shape: &Shape, field: &str) -> DataType {
        let field = shape.fields.iter().find(|there| there.name == field);
        field.map_or(DataType::SparseFloatVector, |field| field.data_type())
    }

    /// Further names of the collection.
    pub(super) fn aliases(&self) -> &[String] {
        self.0.as_ref().map_or(&[], |definition| &definition.aliases)
    }

    /// What this server can't have, or has otherwise.
    pub(super) fn notes(
        &self,
        table: &TableToWrite,
        shape: &Shape,
        version: &ServerVersion,
    ) -> Vec<String> {
        let Some(definition) = &self.0 else { return Vec::new() };
        let mut notes = Vec::new();
        let made = |field: &&FieldDefinition| field.primary_key && field.auto_id;
        if let Some(key) = definition.fields.iter().find(made)
            && shape.fields.iter().all(|field| !field.auto_id)
        {
            notes.push(format!(
                "{} keeps its ids, so the new collection does not make them itself (auto_id)",
                key.name
            ));
        }
        let kept = self.functions(table, shape, version);
        let is_kept = |function: &&FunctionDefinition| kept.iter().any(|k| k.name == function.name);
        let lost: Vec<_> = definition.functions.iter().filter(|f| !is_kept(f)).collect();
        if !lost.is_empty() {
            let names: Vec<_> = lost.iter().map(|f| f.name.as_str()).collect();
            let why = match takes_functions(version) {
                true => "fields that they read are left out".to_owned(),
                false => format!("{version} has no functions"),
            };
            notes.push(format!("{} and what they compute are left out: {why}", names.join(", ")));
        }
        let these = |what: &dyn Fn(&FieldDefinition) -> bool| {
            let fields = definition.fields.iter().filter(|field| what(field));
            fields.map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let (nulls, keys) = (version.takes_nulls(), version.reads_partition_keys());
        let is_vector = |f: &FieldDefinition| f.schema().is_some_and(|f| is_vector(f.data_type()));
        for (names, what, has) in [
            (these(&|f| f.nullable && !is_vector(f)), "nulls", nulls),
            (
                these(&|f| f.nullable && is_vector(f)),
                "vectors that are null",
                version.takes_null_vectors(),
            ),
            (these(&|f| f.default_value.is_some()), "default values that are safe", nulls),
            (these(&|f| f.partition_key), "partition keys with which rows can be found", keys),
        ] {
            if !names.is_empty() && !has {
                notes.push(format!(
                    "{version} has no {what}: {names} has none in the new collection"
                ));
            }
        }
        notes
    }
}

/// Milvus Lite may make an index without the parameters that a Milvus insists on, and show those of an
/// index that it picked, which a Milvus refuses.
fn complete(mut index: IndexDefinition) -> IndexDefinition {
    if index.index_type == "AUTOINDEX" {
        index.params.clear();
    }
    let needed: &[(&str, i64)] = match index.index_type.as_str() {
        "HNSW" => &[("M", 16), ("efConstruction", 200)],
        index_type if index_type.contains("IVF_") => &[("nlist", 1024)],
        _ => &[],
    };
    for (key, value) in needed {
        index.params.entry(*key).or_insert_with(|| (*value).into());
    }
    index
}

/// True when a collection can have functions: since 2.5.
fn takes_functions(version: &ServerVersion) -> bool {
    version.takes_nulls()
}

/// A field of the source as this server can have it, under its new name.
pub(super) fn adapted(field: FieldSchema, name: &str, version: &ServerVersion) -> FieldSchema {
    let nulls = version.takes_nulls();
    let mut type_params = field.type_params.clone();
    // Milvus Lite does without limits that a Milvus insists on.
    for (key, most) in limits_of(&field) {
        if parameter(&field, key).is_none() {
            type_params.push(pair(key, most));
        }
    }
    FieldSchema {
        type_params,
        name: name.to_owned(),
        nullable: field.nullable && version.takes_nulls_of(field.data_type()),
        // 2.3.5 falls over when a client leaves such a field out.
        default_value: field.default_value.filter(|_| nulls),
        is_partition_key: field.is_partition_key && version.reads_partition_keys(),
        // Ids are kept.
        auto_id: false,
        ..field
    }
}
