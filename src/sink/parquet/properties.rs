//! How the files are encoded.

use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression as Codec, Encoding, ZstdLevel};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};

use crate::sink::TableToWrite;
use crate::sink::parquet::Compression;
use crate::table::{Role, TableSchema};

/// File metadata key of the metric.
pub const METRIC: &str = "vecpipe.metric";
/// File metadata key of the table at the source.
pub const SOURCE: &str = "vecpipe.source";

/// Writer properties for one table.
///
/// Vectors get no dictionary and no statistics: neither says anything about them, and both cost
/// time. Ids keep theirs. Row groups end only where the writer is told so.
///
/// # Errors
/// When the schema has a type that Parquet does not know.
pub fn properties(table: &TableToWrite, compression: Compression) -> Result<WriterProperties> {
    let mut notes = vec![KeyValue::new(SOURCE.to_owned(), table.name.clone())];
    if let Some(metric) = table.metric {
        notes.push(KeyValue::new(METRIC.to_owned(), metric.name().to_owned()));
    }
    let codec = match compression {
        Compression::Zstd => Codec::ZSTD(ZstdLevel::try_new(1)?),
        Compression::Snappy => Codec::SNAPPY,
        Compression::None => Codec::UNCOMPRESSED,
    };
    let builder = WriterProperties::builder()
        .set_created_by(concat!("vecpipe ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(notes))
        .set_compression(codec)
        .set_max_row_group_row_count(None);
    Ok(per_column(builder, &table.schema)?.build())
}

fn per_column(
    mut builder: WriterPropertiesBuilder,
    schema: &TableSchema,
) -> Result<WriterPropertiesBuilder> {
    let leaves = ArrowSchemaConverter::new().convert(schema.arrow())?;
    for (leaf, descriptor) in leaves.columns().iter().enumerate() {
        let field = schema.arrow().field(leaves.get_column_root_idx(leaf));
        let path = descriptor.path().clone();
        builder = match Role::of(field) {
            Role::Vector => builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path, EnabledStatistics::None),
            // Ids are mostly sorted and all different.
            Role::Id if field.data_type().is_integer() => builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            Role::Id => builder.set_column_dictionary_enabled(path, false),
            Role::Scalar => builder,
        };
    }
    Ok(builder)
}
