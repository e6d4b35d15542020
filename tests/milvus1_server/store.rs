//! Collections in memory, with the rules of a real server.

use std::collections::BTreeMap;

use serde_json::json;
use vecpipe::milvus::v1::proto::*;

/// Id and the bytes of the vector.
pub type Row = (i64, Vec<u8>);

const DEFAULT: &str = "_default";

/// Everything that the server holds.
#[derive(Default)]
pub struct Store {
    collections: BTreeMap<String, Collection>,
    /// Names that were dropped, and how often they can't be used yet.
    dropping: BTreeMap<String, u32>,
    /// True where ids are asked for, and deleted, within a partition (since 1.1).
    pub scopes_ids: bool,
    /// True where a collection makes the ids of its rows: those that are sent are refused.
    pub makes_ids: bool,
}

struct Collection {
    schema: CollectionSchema,
    partitions: BTreeMap<String, Partition>,
}

#[derive(Default)]
struct Partition {
    flushed: Vec<Row>,
    waiting: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Insert(Vec<Row>),
    Delete(Vec<i64>),
}

type Result<T> = std::result::Result<T, Status>;

fn refuse<T>(error_code: i32, reason: &str) -> Result<T> {
    Err(Status { error_code, reason: reason.to_owned() })
}

fn is_name(name: &str) -> bool {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    first && name.len() <= 255 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Store {
    fn get(&mut self, name: &str) -> Result<&mut Collection> {
        match self.collections.get_mut(name) {
            Some(collection) => Ok(collection),
            None => refuse(4, &format!("Collection {name} does not exist")),
        }
    }

    fn partition(&mut self, name: &str, tag: &str) -> Result<&mut Partition> {
        let tag = if tag.is_empty() { DEFAULT } else { tag };
        match self.get(name)?.partitions.get_mut(tag) {
            Some(partition) => Ok(partition),
            None => refuse(1, &format!("Partition {tag} does not exist")),
        }
    }

    pub fn create(&mut self, schema: &CollectionSchema) -> Result<()> {
        let name = &schema.collection_name;
        if !is_name(name) {
            return refuse(9, "Invalid collection name");
        }
        let binary = schema.metric_type >= 3;
        if !(1..=32768).contains(&schema.dimension) || (binary && schema.dimension % 8 != 0) {
            return refuse(7, "Invalid dimension");
        }
        if !(1..=4096).contains(&schema.index_file_size) {
            return refuse(5, "Invalid index_file_size");
        }
        if !(1..=7).contains(&schema.metric_type) {
            return refuse(23, "Invalid metric type");
        }
        if self.has(name) {
            return refuse(9, "Collection already exists");
        }
        if let Some(left) = self.dropping.get_mut(name).filter(|left| **left > 0) {
            *left -= 1;
            let words = "Collection already exists and it is in delete state, please wait a second";
            return refuse(1, words);
        }
        let partitions = [(DEFAULT.to_owned(), Partition::default())].into();
        let schema = CollectionSchema { status: None, ..schema.clone() };
        self.collections.insert(name.clone(), Collection { schema, partitions });
        Ok(())
    }

    pub fn has(&self, name: &str) -> bool {
        self.collections.contains_key(name)
    }

    pub fn describe(&mut self, name: &str) -> Result<CollectionSchema> {
        let status = Some(Status { error_code: 0, reason: "OK".to_owned() });
        Ok(CollectionSchema { status, ..self.get(name)?.schema.clone() })
    }

    pub fn names(&self) -> Vec<String> {
        self.collections.keys().cloned().collect()
    }

    pub fn count(&mut self, name: &str) -> Result<usize> {
        Ok(self.get(name)?.partitions.values().map(|partition| partition.flushed.len()).sum())
    }

    pub fn info(&mut self, name: &str) -> Result<String> {
        let partitions: Vec<_> = self
            .get(name)?
            .partitions
            .iter()
            .map(|(tag, partition)| {
                let rows = partition.flushed.len();
                let segment = json!([{ "name": format!("of {tag}"), "row_count": rows }]);
                let segments = if rows > 0 { segment } else { json!(null) };
                json!({ "tag": tag, "row_count": rows, "segments": segments })
            })
            .collect();
        let rows = self.count(name)?;
        Ok(json!({ "row_count": rows, "partitions": partitions }).to_string())
    }

    pub fn drop_collection(&mut self, name: &str) -> Result<()> {
        self.get(name)?;
        self.collections.remove(name);
        self.dropping.insert(name.to_owned(), 2);
        Ok(())
    }

    pub fn create_partition(&mut self, name: &str, tag: &str) -> Result<()> {
        let (collection, tag) = (self.get(name)?, tag.trim());
        if tag == DEFAULT || collection.partitions.contains_key(tag) {
            return refuse(1, "Partition already exists");
        }
        collection.partitions.insert(tag.to_owned(), Partition::default());
        Ok(())
    }

    pub fn tags(&mut self, name: &str) -> Result<Vec<String>> {
        Ok(self.get(name)?.partitions.keys().cloned().collect())
    }

    pub fn drop_partition(&mut self, name: &str, tag: &str) -> Result<()> {
        self.partition(name, tag)?;
        if tag == DEFAULT {
            return refuse(1, "The default partition can't be dropped");
        }
        self.get(name)?.partitions.remove(tag);
        Ok(())
    }

    pub fn insert(&mut self, request: InsertParam) -> Result<()> {
        let schema = self.describe(&request.collection_name)?;
        if self.makes_ids && !request.row_id_array.is_empty() {
            return refuse(12, "Collection vector IDs are auto-generated");
        }
        let binary = schema.metric_type >= 3;
        let records = request.row_record_array;
        let vectors: Vec<_> = records
            .iter()
            .map(|row| if binary { row.binary_data.to_vec() } else { row.float_data.to_vec() })
            .collect();
        let bytes = if binary { schema.dimension / 8 } else { schema.dimension * 4 } as usize;
        // A real one adds them up; here every row is looked at.
        if vectors.iter().any(|vector| vector.len() != bytes) {
            return refuse(7, "The vector dimension must be equal to the collection dimension");
        }
        if vectors.is_empty() || vectors.len() * bytes > 256 << 20 {
            return refuse(11, "The amount of data inserted each time cannot exceed 256 MB");
        }
        assert_eq!(request.row_id_array.len(), vectors.len(), "an id for each row");
        let rows = request.row_id_array.into_iter().zip(vectors).collect();
        let partition = self.partition(&request.collection_name, &request.partition_tag)?;
        partition.waiting.push(Change::Insert(rows));
        Ok(())
    }

    pub fn delete(&mut self, request: DeleteByIdParam) -> Result<()> {
        let scoped = self.scopes_ids && !request.partition_tag.is_empty();
        for (tag, partition) in &mut self.get(&request.collection_name)?.partitions {
            if !scoped || *tag == request.partition_tag {
                partition.waiting.push(Change::Delete(request.id_array.clone()));
            }
        }
        Ok(())
    }

    pub fn by_ids(&mut self, request: &VectorsIdentity) -> Result<Vec<RowRecord>> {
        let scoped = self.scopes_ids && !request.partition_tag.is_empty();
        let collection = self.get(&request.collection_name)?;
        if request.id_array.len() > 1000 {
            return refuse(12, "The number of ids must be less than 1000");
        }
        let binary = collection.schema.metric_type >= 3;
        let asked = || {
            let partitions = collection.partitions.iter();
            partitions.filter(|(tag, _)| !scoped || **tag == request.partition_tag)
        };
        Ok(request
            .id_array
            .iter()
            .map(|id| {
                let mut rows = asked().flat_map(|(_, partition)| &partition.flushed);
                let Some((_, vector)) = rows.find(|(of, _)| of == id) else {
                    return RowRecord::default();
                };
                match binary {
                    true => RowRecord { binary_data: vector.clone().into(), ..Default::default() },
                    false => RowRecord { float_data: vector.clone().into(), ..Default::default() },
                }
            })
            .collect())
    }

    /// The ids of a segment; here each partition is one.
    pub fn ids_of(&mut self, request: &GetVectorIDsParam) -> Result<Vec<i64>> {
        let tag = request.segment_name.trim_start_matches("of ").to_owned();
        let rows = &self.partition(&request.collection_name, &tag)?.flushed;
        Ok(rows.iter().map(|(id, _)| *id).collect())
    }

    pub fn flush(&mut self, name: &str) -> Result<()> {
        for partition in self.get(name)?.partitions.values_mut() {
            for change in std::mem::take(&mut partition.waiting) {
                change.apply(&mut partition.flushed);
            }
        }
        Ok(())
    }

    /// Rows of a partition, as they would be after a flush.
    pub fn rows(&self, name: &str, tag: &str) -> Vec<Row> {
        let collection = self.collections.get(name);
        let Some(partition) = collection.and_then(|found| found.partitions.get(tag)) else {
            return Vec::new();
        };
        let mut rows = partition.flushed.clone();
        for change in partition.waiting.clone() {
            change.apply(&mut rows);
        }
        rows
    }
}

impl Change {
    fn apply(self, rows: &mut Vec<Row>) {
        match self {
            Change::Insert(new) => rows.extend(new),
            Change::Delete(ids) => rows.retain(|(id, _)| !ids.contains(id)),
        }
    }
}
