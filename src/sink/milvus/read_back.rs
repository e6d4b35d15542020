//! Reading rows back by their ids.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use arrow_array::{Array, ArrayRef, RecordBatch};
use async_trait::async_trait;
use futures::stream;

use super::Milvus;
use super::count::CountBy;
use super::shape::Shape;
use super::target::Found;
use crate::error::{Error, Result};
use crate::milvus::v2::Client;
use crate::milvus::v2::by_id::ById;
use crate::sink::server::{OnConflict, OnDuplicateId, Target};
use crate::sink::{Duplicates, IdPages, Leeway, OldRow, ReadBack, RowsById, TableToWrite};

impl Milvus {
    /// How the rows of a table are read back from a target, which may wait beside its own.
    pub(super) async fn read_rows_back(
        &self,
        table: &TableToWrite,
        target: Target,
    ) -> Result<ReadBack> {
        let client = self.client().await?;
        let found = Found::ask(client, &target).await?;
        let Some(collection) = found.collection.as_ref().filter(|_| found.exists(&target)) else {
            return Ok(ReadBack::Absent);
        };
        let shape = Shape::of_existing(&self.config, table, collection, client.version())?;
        let scope = found.scope(&target);
        let lite = client.version().is_lite();
        if !lite
            && !client.is_loaded(&target.collection, &scope).await?
            && found.index_on(&shape.vector).is_none()
        {
            return Err(no_index(&target, &shape.vector));
        }
        // Where nothing is loaded, the collection is as a whole: a target that is compared next may
        // be another partition of it.
        let nothing = !client.is_loaded(&target.collection, &[]).await?;
        let scope = if nothing { &found.partitions } else { &scope };
        let whole = target.partition.is_none();
        let loaded = client.load_missing(&target.collection, scope, nothing || whole).await?;
        self.loads.note(&target.collection, &loaded);
        let names = shape.fields.iter().map(|field| field.name.clone());
        let columns = table.schema.arrow().fields().iter().map(|field| Field::clone(field));
        Ok(ReadBack::ById(Arc::new(Rows {
            client: client.clone(),
            of: ById {
                collection: target.collection.clone(),
                // Milvus Lite looks at the whole collection anyway.
                partitions: target.partition.iter().filter(|_| !lite).cloned().collect(),
                key: shape.key.clone(),
                freshness: client.since_now().await?,
            },
            fields: names.zip(columns).collect(),
            row_bytes: table.schema.row_bytes(),
            id_type: table.schema.id().data_type().clone(),
            leeway: self.leeway(lite),
            lists_ids: whole || !lite,
            target,
        })))
    }

    fn leeway(&self, lite: bool) -> Leeway {
        let duplicates = if lite { Duplicates::OneKept } else { Duplicates::OneShown };
        Leeway {
            old: match self.config.on_conflict {
                OnConflict::Skip => Some(OldRow::Stayed),
                // Milvus Lite replaces rows whose ids come again.
                OnConflict::Insert if !lite => Some(OldRow::Beside),
                OnConflict::Insert | OnConflict::Fail | OnConflict::Upsert => None,
            },
            duplicates: (self.config.on_duplicate_id == OnDuplicateId::Allow).then_some(duplicates),
        }
    }
}

/// Nothing can be asked of a collection that can't be loaded.
fn no_index(target: &Target, vector: &str) -> Error {
    Error::target(format!(
        "Rows of {target} can't be read back: its field {vector} has no index, so Milvus does not load it"
    ))
    .help("make an index (sink.milvus.index, for example auto) and compare by `pipeline verify`, or compare the counts alone: --verify count")
}

/// A target that was loaded to be asked.
struct Rows {
    client: Client,
    target: Target,
    of: ById,
    /// Name of the field and column, in the order of the table's columns.
    fields: Vec<(String, Field)>,
    row_bytes: usize,
    id_type: DataType,
    leeway: Leeway,
    /// False where the server would also list ids of other partitions.
    lists_ids: bool,
}

#[async_trait]
impl RowsById for Rows {
    async fn rows(&self, ids: &ArrayRef) -> Result<RecordBatch> {
        Ok(self.client.rows_by_id(&self.of, ids, &self.fields, self.row_bytes).await?)
    }

    async fn count(&self, ids: &ArrayRef) -> Result<Option<u64>> {
        Ok(Some(self.client.count_by_id(&self.of, ids).await?))
    }

    async fn count_all(&self) -> Result<u64> {
        let lite = self.client.version().is_lite();
        let by = if lite { CountBy::Statistics } else { CountBy::Query };
        by.count(&self.client, &self.target).await
    }

    fn ids(&self) -> Option<IdPages<'_>> {
        if !self.lists_ids {
            return None;
        }
        Some(Box::pin(stream::try_unfold(None, async |last: Option<ArrayRef>| {
            let page = self.client.ids_after(&self.of, &self.id_type, last.as_ref()).await?;
            Ok((!page.is_empty()).then(|| (Arc::clone(&page), Some(page))))
        })))
    }

    fn leeway(&self) -> Leeway {
        self.leeway
    }
}
