//! Vectors and metrics as these servers have them: each collection holds an id and one vector.

use arrow::datatypes::DataType;

use super::config::Config;
use crate::error::{Error, Result};
use crate::milvus::v1::collection::Collection;
use crate::sink::TableToWrite;
use crate::table::{ColumnRule, Metric, Role, RowRules, VectorType};

/// Most dimensions of a vector.
const MAX_DIM: usize = 32_768;

/// What a table's collection is like, and who said so.
#[derive(Debug, Clone)]
pub(super) struct Form {
    pub collection: Collection,
    pub metric: Metric,
    /// Where the metric comes from.
    pub why: &'static str,
}

impl Form {
    /// The collection that is made for a table.
    pub(super) fn of(config: &Config, name: &str, table: &TableToWrite) -> Result<Form> {
        let schema = &table.schema;
        let others: Vec<_> = schema
            .arrow()
            .fields()
            .iter()
            .enumerate()
            .filter(|(n, _)| *n != schema.id_index() && *n != schema.vector_index())
            .map(|(_, field)| format!("`{}`", field.name()))
            .collect();
        if !others.is_empty() {
            return Err(Error::config(format!(
                "Milvus 1.x holds an id and one vector for each row, and the table has more: {}",
                others.join(", ")
            ))
            .help(format!(
                "leave them out: transforms: [ {{ select: [{}, {}] }} ]",
                schema.id().name(),
                schema.vector().name()
            )));
        }
        if *schema.id().data_type() != DataType::Int64 {
            return Err(Error::config(
                "Milvus 1.x has integer ids, and those of the table are texts",
            )
            .help("give rows new ids: transforms: [ { remap: { strategy: sequential } } ]"));
        }
        let column = schema.column();
        if !matches!(column.vector_type, VectorType::Float32 | VectorType::Binary) {
            return Err(Error::config(format!("Milvus 1.x has no {} vectors", column.vector_type))
                .help("change them on the way: transforms: [ { cast: { vector: float32 } } ]"));
        }
        if column.dim == 0 || column.dim > MAX_DIM {
            return Err(Error::config(format!(
                "The vectors have {} dimensions, Milvus 1.x takes 1 to {MAX_DIM}",
                column.dim
            )));
        }
        let (metric, why) = metric_of(config, table);
        let Some(number) = metric.milvus1_number().filter(|_| metric.fits(column.vector_type))
        else {
            let fitting: Vec<_> = Metric::OF_MILVUS1
                .iter()
                .filter(|metric| metric.fits(column.vector_type))
                .map(|metric| metric.name())
                .collect();
            return Err(Error::config(format!(
                "Milvus 1.x has no metric {metric} for {} vectors",
                column.vector_type
            ))
            .help(format!("set sink.milvus1.schema.metric to one of {}", fitting.join(", "))));
        };
        let collection = Collection {
            name: name.to_owned(),
            dim: i64::try_from(column.dim).unwrap_or(i64::MAX),
            index_file_size: config.schema.index_file_size,
            metric: number,
        };
        Ok(Form { collection, metric, why })
    }

    /// Which rows the servers take: they check no vector, and take anything for a number.
    pub(super) fn rules(table: &TableToWrite) -> RowRules {
        let fields = table.schema.arrow().fields().iter();
        let columns = fields.map(|field| ColumnRule {
            finite: Role::of(field) == Role::Vector,
            nulls: false,
            ..ColumnRule::any(field.name())
        });
        RowRules::new(columns.collect())
    }

    /// Checks that a collection which is there takes the rows; says what the user should know.
    pub(super) fn check_fit(&self, there: &Collection, config: &Config) -> Result<Option<String>> {
        let Some(metric) = Metric::of_milvus1(there.metric.into()) else {
            return Err(Error::target(format!(
                "The collection has a metric that is unknown here (number {})",
                there.metric
            )));
        };
        let words = |dim: i64, metric: Metric| {
            format!("{dim} dimensions of {}", if metric.is_binary() { "bits" } else { "floats" })
        };
        if there.dim != self.collection.dim || metric.is_binary() != self.metric.is_binary() {
            return Err(Error::config(format!(
                "The vectors have {}, those of the collection {}",
                words(self.collection.dim, self.metric),
                words(there.dim, metric)
            ))
            .help("write to another collection, or overwrite this one"));
        }
        if metric == self.metric {
            return Ok(None);
        }
        if config.schema.metric.is_some() {
            return Err(Error::config(format!(
                "The collection has the metric {metric}, the configuration says {}",
                self.metric
            ))
            .help("leave out sink.milvus1.schema.metric, or write to another collection"));
        }
        Ok(Some(format!(
            "metric {metric} stays, although here it is {} ({})",
            self.metric, self.why
        )))
    }
}

fn metric_of(config: &Config, table: &TableToWrite) -> (Metric, &'static str) {
    match (config.schema.metric, table.metric, table.schema.column().vector_type) {
        (Some(metric), _, _) => (metric, "as configured"),
        (None, Some(metric), _) => (metric, "as the source says"),
        (None, None, VectorType::Binary) => {
            (Metric::Hamming, "assumed; set sink.milvus1.schema.metric if it is another")
        }
        (None, None, _) => (Metric::L2, "assumed; set sink.milvus1.schema.metric if it is another"),
    }
}
