//! Asking for rows: counts, ids that are there, the first few.

use std::fmt::Write;
use std::sync::Arc;

use arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::*;
use arrow_array::builder::StringBuilder;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, FixedSizeListArray, Int64Array,
    PrimitiveArray, RecordBatch, StringArray, cast::AsArray,
};
use bytes::Bytes;

use crate::milvus::v2::collection::Collection;
use crate::milvus::v2::field::{arrow_field, pair};
use crate::milvus::v2::proto::common::ConsistencyLevel;
use crate::milvus::v2::proto::milvus::{QueryRequest, QueryResults};
use crate::milvus::v2::proto::schema::{
    FieldData, field_data::Field as Values, scalar_field::Data as Scalar,
    vector_field::Data as Vector,
};
use crate::milvus::v2::{Client, MilvusError, Result};

/// Ids looked up by one query: below every limit on an answer's rows (16,384 on 2.3.5).
pub(super) const IDS_PER_QUERY: usize = 8_192;

/// What a query asks.
pub(super) struct Question<'a> {
    pub collection: &'a str,
    pub partitions: &'a [String],
    pub expr: String,
    pub fields: Vec<String>,
    pub limit: Option<usize>,
    /// Rows by ascending primary key. Without it, a server that holds several rows of one key leaves
    /// out others when there are more than the limit.
    pub in_order: bool,
}

impl Client {
    /// Rows of a loaded collection (or of some of its partitions), as it stands after everything
    /// that was acknowledged so far.
    ///
    /// Not for partitions of Milvus Lite, which counts the whole collection whatever is asked.
    ///
    /// # Errors
    /// When the collection is not loaded, or the server can't be asked.
    pub async fn count(&self, collection: &str, partitions: &[String]) -> Result<u64> {
        let fields = vec!["count(*)".to_owned()];
        let question = Question {
            collection,
            partitions,
            expr: String::new(),
            fields,
            limit: None,
            in_order: false,
        };
        let answer = self.ask(question).await?;
        the_count(&answer)
    }

    /// Which of `ids` (`Int64` or `Utf8`) a loaded collection, or some of its partitions, holds;
    /// each once, in no order.
    ///
    /// # Errors
    /// When the collection is not loaded, or the server can't be asked.
    pub async fn existing_ids(
        &self,
        collection: &str,
        partitions: &[String],
        key: &str,
        ids: &ArrayRef,
    ) -> Result<ArrayRef> {
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        for start in (0..ids.len()).step_by(IDS_PER_QUERY) {
            let some = ids.slice(start, IDS_PER_QUERY.min(ids.len() - start));
            let Some(expr) = is_one_of(key, &some) else {
                return Err(MilvusError::Settings(format!("Ids can't be {}", ids.data_type())));
            };
            let question = Question {
                collection,
                partitions,
                expr,
                fields: vec![key.to_owned()],
                limit: None,
                in_order: false,
            };
            for field in self.ask(question).await?.fields_data {
                let Some(Values::Scalars(scalars)) = field.field else { continue };
                match scalars.data {
                    Some(Scalar::LongData(found)) => numbers.extend(found.data),
                    Some(Scalar::StringData(found)) => texts.extend(found.data),
                    _ => {}
                }
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        texts.sort_unstable();
        texts.dedup();
        Ok(match ids.data_type() {
            DataType::Utf8 => Arc::new(StringArray::from(texts)),
            _ => Arc::new(Int64Array::from(numbers)),
        })
    }

    /// The first `limit` rows of a loaded collection, in the server's order; fields of types that
    /// vecpipe lacks are left out.
    ///
    /// # Errors
    /// When the collection is not loaded, or the server can't be asked.
    pub async fn first_rows(&self, collection: &Collection, limit: usize) -> Result<RecordBatch> {
        let fields: Vec<Field> = collection.fields.iter().filter_map(arrow_field).collect();
        let question = Question {
            collection: &collection.name,
            partitions: &[],
            expr: String::new(),
            fields: fields.iter().map(|field| field.name().clone()).collect(),
            limit: Some(limit),
            in_order: false,
        };
        rows_of(fields, &self.ask(question).await?)
    }

    pub(super) async fn ask(&self, question: Question<'_>) -> Result<QueryResults> {
        let mut query_params: Vec<_> =
            question.limit.map(|limit| pair("limit", limit)).into_iter().collect();
        if question.in_order {
            let flags = ["iterator", "reduce_stop_for_best"];
            query_params.extend(flags.map(|flag| pair(flag, "True")));
        }
        // Milvus Lite looks at the whole collection even so.
        let partition_names = question.partitions.to_vec();
        let request = QueryRequest {
            db_name: self.db_name(),
            collection_name: question.collection.to_owned(),
            expr: question.expr,
            output_fields: question.fields,
            partition_names,
            guarantee_timestamp: 0,
            query_params,
            consistency_level: ConsistencyLevel::Strong.into(),
        };
        self.call(request).await
    }
}

/// The answer to a question for `count(*)`.
pub(in crate::milvus) fn count_of(answer: &QueryResults) -> Option<u64> {
    let Some(Values::Scalars(scalars)) = &answer.fields_data.first()?.field else { return None };
    let Some(Scalar::LongData(numbers)) = &scalars.data else { return None };
    numbers.data.first().and_then(|n| u64::try_from(*n).ok())
}

/// The rows of an answer, as columns of these fields.
pub(in crate::milvus) fn rows_of(fields: Vec<Field>, answer: &QueryResults) -> Result<RecordBatch> {
    let malformed = |words: &str| MilvusError::Malformed { rpc: "Query", words: words.to_owned() };
    let column = |field: &Field| {
        let data = answer.fields_data.iter().find(|data| data.field_name == *field.name());
        data.and_then(|data| to_arrow(field, data))
    };
    let columns = fields.iter().map(column).collect::<Option<Vec<_>>>();
    let columns = columns.ok_or_else(|| malformed("columns of other types than the schema's"))?;
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| malformed(&error.to_string()))
}

/// The number that a question for `count(*)` is answered with.
pub(super) fn the_count(answer: &QueryResults) -> Result<u64> {
    count_of(answer)
        .ok_or_else(|| MilvusError::Malformed { rpc: "Query", words: "no count".to_owned() })
}

/// The condition that `key` is one of `ids`.
pub(super) fn is_one_of(key: &str, ids: &ArrayRef) -> Option<String> {
    let mut list = String::with_capacity(ids.len() * 12);
    let mut least = false;
    if let Some(numbers) = ids.as_primitive_opt::<Int64Type>() {
        for id in numbers.iter().flatten() {
            // Milvus reads a minus and a number, and this number alone is out of range.
            match id == i64::MIN {
                true => least = true,
                false => drop(write!(list, "{id},")),
            }
        }
    } else {
        for id in ids.as_string_opt::<i32>()?.iter().flatten() {
            put_literal(&mut list, id);
            list.push(',');
        }
    }
    list.pop();
    let least = if least { format!(" or {key} < {}", i64::MIN + 1) } else { String::new() };
    Some(format!("{key} in [{list}]{least}"))
}

pub(super) fn put_literal(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A field's values as an Arrow column; `None` when they are not of the field's type.
pub(super) fn to_arrow(field: &Field, data: &FieldData) -> Option<ArrayRef> {
    let valid = &data.valid_data;
    match data.field.as_ref()? {
        Values::Vectors(vectors) => {
            let bytes = match vectors.data.as_ref()? {
                Vector::FloatVector(floats) => &floats.data,
                Vector::BinaryVector(bytes)
                | Vector::Float16Vector(bytes)
                | Vector::Bfloat16Vector(bytes)
                | Vector::Int8Vector(bytes) => bytes,
            };
            vectors_to_arrow(field, bytes)
        }
        Values::Scalars(scalars) => Some(match (scalars.data.as_ref()?, field.data_type()) {
            (Scalar::BoolData(v), DataType::Boolean) => {
                Arc::new(BooleanArray::new(v.data.clone().into(), nulls(valid, v.data.len())?))
            }
            (Scalar::IntData(v), DataType::Int8) => numbers::<Int8Type, _>(&v.data, valid)?,
            (Scalar::IntData(v), DataType::Int16) => numbers::<Int16Type, _>(&v.data, valid)?,
            (Scalar::IntData(v), DataType::Int32) => numbers::<Int32Type, _>(&v.data, valid)?,
            (Scalar::LongData(v), DataType::Int64) => numbers::<Int64Type, _>(&v.data, valid)?,
            (Scalar::FloatData(v), DataType::Float32) => floats::<Float32Type>(&v.data, valid)?,
            (Scalar::DoubleData(v), DataType::Float64) => floats::<Float64Type>(&v.data, valid)?,
            (Scalar::StringData(v), DataType::Utf8) => {
                texts(v.data.iter().map(String::as_str), v.data.len(), valid)?
            }
            (Scalar::JsonData(v), DataType::Utf8) => {
                let all = v.data.iter().map(|bytes| std::str::from_utf8(bytes).ok());
                let all = all.collect::<Option<Vec<_>>>()?;
                texts(all.iter().copied(), all.len(), valid)?
            }
            _ => return None,
        }),
    }
}

fn vectors_to_arrow(field: &Field, bytes: &Bytes) -> Option<ArrayRef> {
    let DataType::FixedSizeList(element, len) = field.data_type() else { return None };
    let width = element.data_type().primitive_width()?;
    let values = bytes.len() / width;
    let data = arrow::array::ArrayData::builder(element.data_type().clone())
        .len(values)
        .add_buffer(Buffer::from(bytes.as_ref()))
        .build()
        .ok()?;
    let values = arrow::array::make_array(data);
    FixedSizeListArray::try_new(Arc::clone(element), *len, values, None)
        .ok()
        .map(|array| Arc::new(array) as ArrayRef)
}

/// The null mask of `len` values with `valid` flags; `None` when their numbers differ.
fn nulls(valid: &[bool], len: usize) -> Option<Option<NullBuffer>> {
    match valid.len() {
        0 => Some(None),
        n if n == len => Some(Some(NullBuffer::from(valid.to_vec()))),
        _ => None,
    }
}

fn numbers<T, N>(values: &[N], valid: &[bool]) -> Option<ArrayRef>
where
    T: ArrowPrimitiveType,
    N: Copy,
    T::Native: TryFrom<N>,
{
    let all = values.iter().map(|n| T::Native::try_from(*n).ok()).collect::<Option<Vec<_>>>()?;
    let nulls = nulls(valid, all.len())?;
    Some(Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(all), nulls)))
}

fn floats<T: ArrowPrimitiveType>(bytes: &Bytes, valid: &[bool]) -> Option<ArrayRef> {
    let buffer = Buffer::from(bytes.as_ref());
    let len = buffer.len() / size_of::<T::Native>();
    let nulls = nulls(valid, len)?;
    Some(Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::new(buffer, 0, len), nulls)))
}

fn texts<'a>(
    values: impl Iterator<Item = &'a str>,
    len: usize,
    valid: &[bool],
) -> Option<ArrayRef> {
    nulls(valid, len)?;
    let mut out = StringBuilder::new();
    for (row, value) in values.enumerate() {
        out.append_option(valid.get(row).copied().unwrap_or(true).then_some(value));
    }
    Some(Arc::new(out.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_literals_of_the_query_language() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN, -1, 7]));
        assert_eq!(is_one_of("k", &numbers).unwrap(), "k in [-1,7] or k < -9223372036854775807");
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a\"b", "c\\d", "e\nf", "日本"]));
        assert_eq!(is_one_of("k", &texts).unwrap(), r#"k in ["a\"b","c\\d","e\nf","日本"]"#);
    }
}
