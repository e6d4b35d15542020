//! Reading rows back by their ids. These servers show one row of each id, and count none by id; but
//! they list the ids of each segment, every row of them.

use std::sync::Arc;

use arrow::datatypes::Int64Type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, FixedSizeListArray, Int64Array, RecordBatch, make_array};
use async_trait::async_trait;
use futures::{TryStreamExt, stream};

use super::Milvus1;
use super::target::{Found, target_of};
use crate::error::{Error, Result};
use crate::milvus::v1::Client;
use crate::sink::server::{OnConflict, OnDuplicateId, Target};
use crate::sink::{Duplicates, IdPages, Leeway, OldRow, ReadBack, RowsById, TableToWrite};
use crate::table::TableSchema;

impl Milvus1 {
    pub(super) async fn read_rows_back(&self, table: &TableToWrite) -> Result<ReadBack> {
        let client = self.client().await?;
        let target = target_of(&self.config, table)?;
        let found = Found::ask(client, &target).await?;
        if !found.exists(&target) {
            return Ok(ReadBack::Absent);
        }
        // Rows that were not flushed can't be found. (A server does that by itself each second.)
        client.flush(&target.collection).await?;
        Ok(ReadBack::ById(Arc::new(Rows {
            client: client.clone(),
            target,
            schema: table.schema.clone(),
            leeway: Leeway {
                old: match self.config.on_conflict {
                    OnConflict::Skip => Some(OldRow::Stayed),
                    OnConflict::Insert => Some(OldRow::Beside),
                    OnConflict::Fail | OnConflict::Upsert => None,
                },
                duplicates: (self.config.on_duplicate_id == OnDuplicateId::Allow)
                    .then_some(Duplicates::OneShown),
            },
        })))
    }
}

struct Rows {
    client: Client,
    target: Target,
    schema: TableSchema,
    leeway: Leeway,
}

#[async_trait]
impl RowsById for Rows {
    async fn rows(&self, ids: &ArrayRef) -> Result<RecordBatch> {
        let Some(ids) = ids.as_primitive_opt::<Int64Type>() else {
            return Err(Error::internal(format!("Ids can't be {}", ids.data_type())));
        };
        let row_bytes = self.schema.column().row_bytes();
        let (collection, tag) = (&self.target.collection, self.target.partition.as_deref());
        let (there, vectors) =
            self.client.rows_by_id(collection, tag, ids.values(), row_bytes).await?;
        self.batch(there, vectors)
    }

    async fn count(&self, _: &ArrayRef) -> Result<Option<u64>> {
        Ok(None)
    }

    async fn count_all(&self) -> Result<u64> {
        Ok(self.client.count(&self.target.collection, self.target.partition.as_deref()).await?)
    }

    fn ids(&self) -> Option<IdPages<'_>> {
        let segments = async {
            let names = self
                .client
                .segments(&self.target.collection, self.target.partition.as_deref())
                .await?;
            Ok::<_, Error>(stream::iter(names.into_iter().map(Ok)))
        };
        let pages = stream::once(segments).try_flatten().and_then(async |segment: String| {
            let ids = self.client.segment_ids(&self.target.collection, &segment).await?;
            Ok(Arc::new(Int64Array::from(ids)) as ArrayRef)
        });
        Some(Box::pin(pages))
    }

    fn leeway(&self) -> Leeway {
        self.leeway
    }
}

impl Rows {
    /// Ids and the vectors' bytes, one after the other, as rows of the table.
    fn batch(&self, ids: Vec<i64>, vectors: Vec<u8>) -> Result<RecordBatch> {
        let malformed = |error: arrow::error::ArrowError| {
            Error::target("The server's rows are not those of the table").because(error)
        };
        let field = self.schema.vector();
        let arrow::datatypes::DataType::FixedSizeList(element, len) = field.data_type() else {
            return Err(Error::internal("A vector column is no list"));
        };
        let width = element.data_type().primitive_width().unwrap_or(1);
        let values = arrow::array::ArrayData::builder(element.data_type().clone())
            .len(vectors.len() / width)
            .add_buffer(vectors.into())
            .build()
            .map_err(malformed)?;
        let vectors =
            FixedSizeListArray::try_new(Arc::clone(element), *len, make_array(values), None);
        let vectors: ArrayRef = Arc::new(vectors.map_err(malformed)?);
        let ids: ArrayRef = Arc::new(Int64Array::from(ids));
        // There is nothing but the two (see `form`).
        let columns = match self.schema.id_index() {
            0 => vec![ids, vectors],
            _ => vec![vectors, ids],
        };
        RecordBatch::try_new(Arc::clone(self.schema.arrow()), columns).map_err(malformed)
    }
}
