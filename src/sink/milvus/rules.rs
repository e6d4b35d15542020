//! Which rows a collection takes: what the server fails to check, or would say in worse words.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow_array::ArrayRef;

use super::shape::Shape;
use crate::milvus::v2::ServerVersion;
use crate::milvus::v2::field::{MAX_JSON, is_vector, parameter};
use crate::milvus::v2::proto::schema::DataType;
use crate::table::{ColumnRule, Place, RowRules};

impl Shape {
    /// Which rows the fields take.
    pub(super) fn rules(&self, version: &ServerVersion) -> RowRules {
        let sent = |index| self.columns.iter().any(|column| column.index == index);
        let columns = self.fields.iter().enumerate().map(|(index, field)| {
            if !sent(index) {
                return ColumnRule::any(&field.name);
            }
            let data_type = field.data_type();
            ColumnRule {
                name: field.name.clone(),
                // Milvus Lite would give back zeros.
                nulls: field.nullable && !(version.is_lite() && is_vector(data_type)),
                finite: is_vector(data_type),
                max_length: match data_type {
                    DataType::VarChar | DataType::Array => parameter(field, "max_length"),
                    DataType::Json => Some(MAX_JSON),
                    _ => None,
                },
                max_elements: match data_type {
                    DataType::Array => parameter(field, "max_capacity"),
                    _ => None,
                },
                in_characters: version.is_lite() && data_type != DataType::Json,
                json: data_type == DataType::Json,
                no_zero_bytes: false,
            }
        });
        RowRules::new(columns.collect())
    }
}

/// Says so when a row has the largest id there is: Milvus 2.3.5 takes and counts it, but no query
/// gives it back, and a search that asks for fields fails when it finds it. (Milvus Lite gives it
/// back.)
pub(super) fn tell_of_largest_id(version: &ServerVersion, ids: &ArrayRef, place: &Place) {
    let Some(ids) = ids.as_primitive_opt::<Int64Type>().filter(|_| !version.is_lite()) else {
        return;
    };
    if ids.values().contains(&i64::MAX) {
        tracing::warn!(
            table = %place.table,
            "A row has the id {}, which Milvus counts but does not give back: searches that ask for fields fail when they find it; give the row another id",
            i64::MAX
        );
    }
}
