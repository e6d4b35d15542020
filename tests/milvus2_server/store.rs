//! Collections, partitions, indexes, rows.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use prost::Message;
use vecpipe::milvus::v2::proto::common::{IndexState, KeyValuePair};
use vecpipe::milvus::v2::proto::milvus::*;
use vecpipe::milvus::v2::proto::schema::{
    CollectionSchema, DataType, FieldData, FieldSchema, LongArray, ScalarField,
    field_data::Field as Values, scalar_field::Data as Scalar,
};

use super::Refusal;
use super::condition::{Condition, Key};
use super::values::{Value, column, values_of};

const MOST_ROWS: usize = 16_384;

/// All that a server holds.
#[derive(Default)]
pub struct Store {
    collections: BTreeMap<String, Collection>,
    /// Moments so far.
    clock: u64,
    /// Queries so far.
    pub queries: usize,
    /// How many questions for vectors are refused because there are too many at once.
    pub busy: usize,
    /// Name of an index that is not made.
    pub refused_index: Option<String>,
}

#[derive(Clone)]
struct Collection {
    schema: CollectionSchema,
    asked: CreateCollectionRequest,
    id: i64,
    partitions: Vec<String>,
    indexes: Vec<IndexDescription>,
    loaded: bool,
    rows: Vec<Row>,
}

#[derive(Clone)]
struct Row {
    partition: String,
    key: Key,
    /// When it came, and when another one took its place.
    came: u64,
    went: u64,
    values: BTreeMap<String, Value>,
}

fn is_vector(field: &FieldSchema) -> bool {
    field.data_type >= DataType::BinaryVector as i32
}

fn pair(key: &str, value: impl ToString) -> KeyValuePair {
    KeyValuePair { key: key.to_owned(), value: value.to_string() }
}

impl Store {
    fn of(&mut self, name: &str) -> Result<&mut Collection, Refusal> {
        let missing = || (100, format!("collection not found[collection={name}]"));
        self.collections.get_mut(name).ok_or_else(missing)
    }

    pub fn moment(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    pub fn names(&self) -> Vec<String> {
        self.collections.keys().rev().cloned().collect()
    }

    pub fn create(&mut self, asked: CreateCollectionRequest) -> Result<(), Refusal> {
        let mut schema = CollectionSchema::decode(asked.schema.clone())
            .map_err(|error| (1100, error.to_string()))?;
        if schema.enable_dynamic_field {
            schema.fields.push(FieldSchema {
                name: "$meta".to_owned(),
                data_type: DataType::Json.into(),
                is_dynamic: true,
                ..FieldSchema::default()
            });
        }
        for (n, field) in schema.fields.iter_mut().enumerate() {
            field.field_id = 100 + n as i64;
            let mut functions = schema.functions.iter();
            field.is_function_output =
                functions.any(|f| f.output_field_names.contains(&field.name));
            if field.data_type() == DataType::VarChar
                && !field.type_params.iter().any(|pair| pair.key == "max_length")
            {
                return Err((1100, format!("max_length of {} is missing", field.name)));
            }
        }
        let keyed = schema.fields.iter().any(|field| field.is_partition_key);
        let partitions = match keyed {
            true => (0..asked.num_partitions.max(1)).map(|n| format!("_default_{n}")).collect(),
            false => vec!["_default".to_owned()],
        };
        let id = self.moment() as i64;
        let (indexes, rows) = (Vec::new(), Vec::new());
        let name = asked.collection_name.clone();
        let made = Collection { schema, asked, id, partitions, indexes, loaded: false, rows };
        match self.collections.contains_key(&name) {
            true => Err((65_535, "create duplicate collection with different parameters".into())),
            false => {
                self.collections.insert(name, made);
                Ok(())
            }
        }
    }

    pub fn drop(&mut self, name: &str) {
        self.collections.remove(name);
    }

    pub fn describe(&mut self, name: &str) -> Result<DescribeCollectionResponse, Refusal> {
        let Collection { mut schema, asked, id, partitions, .. } = self.of(name)?.clone();
        schema.fields.retain(|field| !field.is_dynamic);
        Ok(DescribeCollectionResponse {
            collection_name: schema.name.clone(),
            schema: Some(schema),
            collection_id: id,
            shards_num: asked.shards_num.max(1),
            consistency_level: asked.consistency_level,
            properties: asked.properties,
            num_partitions: partitions.len() as i64,
            ..DescribeCollectionResponse::default()
        })
    }

    pub fn partitions(&mut self, name: &str) -> Result<Vec<String>, Refusal> {
        Ok(self.of(name)?.partitions.clone())
    }

    pub fn create_partition(&mut self, name: &str, partition: String) -> Result<(), Refusal> {
        self.of(name)?.partitions.push(partition);
        Ok(())
    }

    pub fn create_index(&mut self, asked: CreateIndexRequest) -> Result<(), Refusal> {
        if self.refused_index.as_ref() == Some(&asked.index_name) {
            return Err((65_535, "no room for an index".to_owned()));
        }
        let collection = self.of(&asked.collection_name)?;
        let fields = &collection.schema.fields;
        let Some(field) = fields.iter().find(|field| field.name == asked.field_name) else {
            return Err((
                1100,
                format!("cannot create index on non-existed field {}", asked.field_name),
            ));
        };
        let mut index_name = asked.index_name;
        if index_name.is_empty() {
            index_name.clone_from(&asked.field_name);
        }
        // One index a path within JSON, and one a field else.
        let path = |params: &[KeyValuePair]| {
            params.iter().find(|pair| pair.key == "json_path").map(|pair| pair.value.clone())
        };
        let of_field = collection.indexes.iter().filter(|index| index.field_name == field.name);
        for index in of_field {
            if path(&index.params) == path(&asked.extra_params) && index.index_name != index_name {
                return Err((65_535, "at most one distinct index is allowed per field".into()));
            }
        }
        if collection.indexes.iter().all(|index| index.index_name != index_name) {
            collection.indexes.push(IndexDescription {
                index_name,
                params: asked.extra_params,
                field_name: asked.field_name,
                state: IndexState::Finished.into(),
                ..IndexDescription::default()
            });
        }
        Ok(())
    }

    pub fn drop_index(&mut self, asked: &DropIndexRequest) -> Result<(), Refusal> {
        let indexes = &mut self.of(&asked.collection_name)?.indexes;
        indexes.retain(|index| index.index_name != asked.index_name);
        Ok(())
    }

    /// Its indexes, or the one of a name.
    pub fn indexes(&mut self, name: &str, one: &str) -> Result<Vec<IndexDescription>, Refusal> {
        let mut indexes = self.of(name)?.indexes.clone();
        indexes.retain(|index| one.is_empty() || index.index_name == one);
        match indexes.is_empty() {
            true => Err((700, format!("index not found[collection={name}]"))),
            false => Ok(indexes),
        }
    }

    pub fn load(&mut self, name: &str, load: bool) -> Result<(), Refusal> {
        let collection = self.of(name)?;
        let indexed =
            |field: &FieldSchema| collection.indexes.iter().any(|i| i.field_name == field.name);
        let mut vectors = collection.schema.fields.iter().filter(|field| is_vector(field));
        if load && let Some(bare) = vectors.find(|field| !indexed(field)) {
            return Err((700, format!("there is no vector index on field: [{}]", bare.name)));
        }
        collection.loaded = load;
        Ok(())
    }

    pub fn is_loaded(&mut self, name: &str) -> Result<bool, Refusal> {
        Ok(self.of(name)?.loaded)
    }

    pub fn insert(&mut self, request: InsertRequest, upsert: bool) -> Result<(), Refusal> {
        let moment = self.moment();
        let collection = self.of(&request.collection_name)?;
        let Collection { schema, partitions, rows, .. } = collection;
        let count = request.num_rows as usize;
        let refused = |what: String| (1100, what);
        let mut columns = Vec::new();
        let mut left: Vec<&FieldData> = request.fields_data.iter().collect();
        for field in schema.fields.iter().filter(|field| !field.is_function_output) {
            let at = left.iter().position(|data| {
                data.field_name == field.name || data.is_dynamic && field.is_dynamic
            });
            let Some(at) = at else {
                return Err(refused(format!("field {} is missing", field.name)));
            };
            let data = left.swap_remove(at);
            columns.push((field, values_of(field, data, count).map_err(refused)?));
        }
        if let Some(extra) = left.first() {
            return Err(refused(format!("field {} is none of the schema's", extra.field_name)));
        }
        for row in 0..count {
            let named = columns.iter().map(|(field, of)| (field.name.clone(), of[row].clone()));
            let values: BTreeMap<_, _> = named.collect();
            let of = |is: fn(&FieldSchema) -> bool| {
                schema.fields.iter().find(|field| is(field)).and_then(|f| values[&f.name].key())
            };
            let key = of(|field| field.is_primary_key).ok_or_else(|| refused("no key".into()))?;
            let partition = match of(|field| field.is_partition_key) {
                Some(key) => {
                    let mut hasher = DefaultHasher::new();
                    key.hash(&mut hasher);
                    partitions[hasher.finish() as usize % partitions.len()].clone()
                }
                None if request.partition_name.is_empty() => "_default".to_owned(),
                None => request.partition_name.clone(),
            };
            if upsert {
                let same =
                    |r: &&mut Row| r.key == key && r.partition == partition && r.went > moment;
                rows.iter_mut().filter(same).for_each(|row| row.went = moment);
            }
            rows.push(Row { partition, key, came: moment, went: u64::MAX, values });
        }
        Ok(())
    }

    pub fn statistics(
        &mut self,
        name: &str,
        partition: Option<&str>,
    ) -> Result<Vec<KeyValuePair>, Refusal> {
        let rows = &self.of(name)?.rows;
        let there = rows.iter().filter(|row| partition.is_none_or(|name| name == row.partition));
        Ok(vec![pair("row_count", there.count())])
    }

    /// Columns of rows, and the moment that they show.
    pub fn query(&mut self, asked: &QueryRequest) -> Result<(Vec<FieldData>, u64), Refusal> {
        let now = self.moment();
        self.queries += 1;
        if self.busy > 0 && asked.output_fields.iter().any(|field| field == "v") {
            self.busy -= 1;
            return Err((8, "rate limit exceeded[rate=1]".to_owned()));
        }
        let collection = self.of(&asked.collection_name)?;
        if !collection.loaded {
            return Err((101, "collection not loaded".to_owned()));
        }
        let param = |key: &str| {
            let pair = asked.query_params.iter().find(|pair| pair.key == key);
            pair.map(|pair| pair.value.to_ascii_lowercase())
        };
        let set = |key: &str| param(key).is_some_and(|value| value == "true");
        let limit = param("limit").and_then(|limit| limit.parse::<usize>().ok());
        if limit.is_some_and(|limit| limit > MOST_ROWS) {
            return Err((65_535, "invalid max query result window".to_owned()));
        }
        // By the source of the proxy, only an iteration is shown a moment that is named.
        let moment = match asked.guarantee_timestamp {
            moment if set("iterator") && moment > 2 => moment,
            _ => now,
        };
        let condition = Condition::parse(&asked.expr).map_err(|words| (1100, words))?;
        let here = |row: &&Row| {
            let partition =
                asked.partition_names.is_empty() || asked.partition_names.contains(&row.partition);
            let there = (row.came..row.went).contains(&moment);
            let field = |name: &str| row.values.get(name).and_then(Value::key);
            partition && there && condition.holds(&field)
        };
        let mut rows: Vec<_> = collection.rows.iter().filter(here).collect();
        if asked.output_fields.iter().any(|field| field == "count(*)") {
            let data = Scalar::LongData(LongArray { data: vec![rows.len() as i64] });
            let count = FieldData {
                r#type: DataType::Int64.into(),
                field_name: "count(*)".to_owned(),
                field: Some(Values::Scalars(ScalarField { data: Some(data) })),
                ..FieldData::default()
            };
            return Ok((vec![count], 0));
        }
        if condition_is_empty(&asked.expr) && limit.is_none() {
            return Err((1100, "empty expression should be used with limit".to_owned()));
        }
        // In order, and each key once, is what was asked for; else it is whatever comes first.
        match set("iterator") && set("reduce_stop_for_best") {
            true => {
                rows.sort_by(|a, b| a.key.cmp(&b.key));
                rows.dedup_by(|a, b| a.key == b.key);
            }
            false => rows.reverse(),
        }
        rows.truncate(limit.unwrap_or(MOST_ROWS));
        let everything = asked.output_fields.iter().any(|field| field == "*");
        let mut columns = Vec::new();
        for field in &collection.schema.fields {
            let named = asked.output_fields.contains(&field.name);
            if field.is_function_output && named {
                return Err((
                    65_535,
                    format!("not allowed to retrieve raw data of field {}", field.name),
                ));
            }
            if (everything || named || field.is_primary_key) && !field.is_function_output {
                let values: Vec<_> =
                    rows.iter().map(|row| row.values[&field.name].clone()).collect();
                columns.push(column(field, &values));
            }
        }
        // By the source of the proxy, it tells the moment only where none is named.
        let told = set("iterator") && asked.guarantee_timestamp == 0;
        Ok((columns, if told { now } else { 0 }))
    }
}

fn condition_is_empty(expr: &str) -> bool {
    expr.trim().is_empty()
}
