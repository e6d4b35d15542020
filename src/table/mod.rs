//! What a table of vectors is: its Arrow schema with roles, its vector types and metrics, the
//! splits it is read in, the rules a row must keep, and the
//! checksum of rows. No input or output happens here.

mod checksum;
mod json;
mod metric;
mod misfit;
mod part;
mod rules;
mod schema;
mod split;
mod validate;
mod vector;

pub use checksum::{Checksum, RowHasher};
pub use json::{EXTENSION_NAME, JSON, is_json};
pub use metric::Metric;
pub use misfit::{Misfit, Misfits, shown, shown_id, without_nulls};
pub use part::Part;
pub use rules::{ColumnRule, RowRules};
pub use schema::{ROLE, Role, TableSchema, VECTOR_TYPE, id_field, vector_column, vector_field};
pub use split::{Place, Split};
pub use validate::{first_non_finite_f16, first_non_finite_f32};
pub use vector::{VectorColumn, VectorType};
