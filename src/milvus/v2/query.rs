//! Asking for rows: counts, ids that are there, the first few.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, cast::AsArray};

use crate::milvus::retry::Pauses;
use crate::milvus::v2::collection::Collection;
use crate::milvus::v2::field::{arrow_field, pair};
use crate::milvus::v2::freshness::Freshness;
use crate::milvus::v2::proto::milvus::{QueryRequest, QueryResults};
use crate::milvus::v2::proto::schema::{field_data::Field as Values, scalar_field::Data as Scalar};
use crate::milvus::v2::rows::rows_of;
use crate::milvus::v2::{Client, MilvusError, Result};

/// Ids looked up by one query: below every limit on an answer's rows (16,384 on 2.3.5).
pub(super) const IDS_PER_QUERY: usize = 8_192;

/// Bytes of ids in one query, about. Texts may be of 64 KiB each, and servers take requests of 64 MiB.
const BYTES_PER_QUERY: usize = 4 << 20;

/// How long a query node's list of partitions may be behind. Up to 8 s were seen after which it was not.
const BEHIND_FOR: Duration = Duration::from_secs(20);

/// What a query asks.
#[derive(Clone)]
pub(super) struct Question<'a> {
    pub collection: &'a str,
    pub partitions: &'a [String],
    pub expr: String,
    pub fields: Vec<String>,
    pub limit: Option<usize>,
    /// Rows by ascending primary key. Without it, a server that holds several rows of one key leaves
    /// out others when there are more than the limit.
    pub in_order: bool,
    /// Which rows are shown.
    pub freshness: Freshness,
}

impl<'a> Question<'a> {
    /// How many rows there are now.
    pub(super) fn count(collection: &'a str, partitions: &'a [String]) -> Question<'a> {
        Question {
            collection,
            partitions,
            expr: String::new(),
            fields: vec!["count(*)".to_owned()],
            limit: None,
            in_order: false,
            freshness: Freshness::Now,
        }
    }
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
        the_count(&self.ask(Question::count(collection, partitions)).await?)
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
        for some in portions(ids, IDS_PER_QUERY) {
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
                freshness: Freshness::Now,
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
            freshness: Freshness::Now,
        };
        rows_of(&Arc::new(Schema::new(fields)), &self.ask(question).await?)
    }

    /// Asks what is loaded. A query node whose list of partitions is behind is waited for, though not as long as
    /// calls are tried again: on 2.3.5 it may stay so.
    pub(super) async fn ask_loaded(&self, question: Question<'_>) -> Result<QueryResults> {
        let mut pauses = Pauses::new(self.retry_for().min(BEHIND_FOR));
        loop {
            match self.ask_once(question.clone()).await {
                Err(error) if error.is_behind() && pauses.pause(&error).await => {}
                answer => return answer,
            }
        }
    }

    async fn ask_once(&self, question: Question<'_>) -> Result<QueryResults> {
        let mut query_params: Vec<_> =
            question.limit.map(|limit| pair("limit", limit)).into_iter().collect();
        // Where a moment is named, only what reads page by page is shown it.
        if question.in_order || question.freshness.is_one_moment() {
            let flags = ["iterator", "reduce_stop_for_best"];
            query_params.extend(flags.map(|flag| pair(flag, "True")));
        }
        let (consistency, guarantee_timestamp) = question.freshness.as_asked();
        let partition_names = question.partitions.to_vec();
        let expr = match self.version().is_early_lite() {
            false => question.expr,
            true => for_early_lite(&question.expr).ok_or_else(|| {
                MilvusError::Settings(format!(
                    "{} can't be asked for texts with a carriage return",
                    self.version()
                ))
            })?,
        };
        let request = QueryRequest {
            db_name: self.db_name(),
            collection_name: question.collection.to_owned(),
            expr,
            output_fields: question.fields,
            partition_names,
            guarantee_timestamp,
            query_params,
            consistency_level: consistency.into(),
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

/// The number that a question for `count(*)` is answered with.
pub(super) fn the_count(answer: &QueryResults) -> Result<u64> {
    count_of(answer)
        .ok_or_else(|| MilvusError::Malformed { rpc: "Query", words: "no count".to_owned() })
}

/// Ids as many at once as a query takes: at most `most`, and fewer where they are long.
pub(super) fn portions(ids: &ArrayRef, most: usize) -> impl Iterator<Item = ArrayRef> + use<'_> {
    let texts = ids.as_string_opt::<i32>();
    let mut next = 0;
    std::iter::from_fn(move || {
        let start = next;
        let mut bytes = 0;
        while next < ids.len() && next - start < most.max(1) {
            bytes += texts.map_or(0, |texts| texts.value(next).len());
            if next > start && bytes > BYTES_PER_QUERY {
                break;
            }
            next += 1;
        }
        (next > start).then(|| ids.slice(start, next - start))
    })
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
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A condition as Milvus Lite 2.x reads it. Of escapes it drops the backslash and keeps what follows,
/// which may be a line break, but not the other character that ends lines (measured on 2.5.1): `None`
/// where that is in a text.
fn for_early_lite(condition: &str) -> Option<String> {
    let mut out = String::with_capacity(condition.len());
    let mut rest = condition.chars();
    while let Some(c) = rest.next() {
        out.push(c);
        if c == '\\' {
            match rest.next()? {
                'n' => out.push('\n'),
                'r' => return None,
                escaped => out.push(escaped),
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ids_are_asked_for_a_few_at_once() {
        let long = "x".repeat(60_000);
        let texts: ArrayRef = Arc::new(StringArray::from(vec![&*long; 200]));
        let lens: Vec<_> = portions(&texts, IDS_PER_QUERY).map(|some| some.len()).collect();
        assert_eq!(lens, [69, 69, 62]);
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..20_000));
        let lens: Vec<_> = portions(&numbers, IDS_PER_QUERY).map(|some| some.len()).collect();
        assert_eq!(lens, [8_192, 8_192, 3_616]);
        assert_eq!(portions(&numbers.slice(0, 0), 5).count(), 0);
    }

    #[test]
    fn ids_become_literals_of_the_query_language() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN, -1, 7]));
        assert_eq!(is_one_of("k", &numbers).unwrap(), "k in [-1,7] or k < -9223372036854775807");
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a\"b", "c\\d", "e\nf", "日本"]));
        let condition = is_one_of("k", &texts).unwrap();
        assert_eq!(condition, r#"k in ["a\"b","c\\d","e\nf","日本"]"#);
        let early = for_early_lite(&condition).unwrap();
        assert_eq!(early, "k in [\"a\\\"b\",\"c\\\\d\",\"e\\\nf\",\"日本\"]");
        assert_eq!(for_early_lite(r#"k > "\\r""#).unwrap(), r#"k > "\\r""#);
        assert!(for_early_lite(r#"k > "a\r""#).is_none());
    }
}
