//! A checksum over the rows of a table that does not depend on their order.
//!
//! # Definition
//!
//! Each row is written down as bytes, the bytes are hashed by XXH3-128 (seed 0, the number that
//! `xxhash.xxh3_128_intdigest` of Python gives), and the checksum is the sum of all hashes modulo
//! 2^128, written as 32 hexadecimal digits. No rows: zero. A row that is missing, comes twice or
//! has a changed bit changes the sum, and so does a row whose values went to another one.
//!
//! The bytes of a row are, one after the other and with nothing in between:
//!
//! 1. The id. An integer: 8 bytes, little-endian. A text: its length, then its UTF-8.
//! 2. Each vector, in the order of the columns: its elements as they lie in memory, little-endian
//!    (of binary vectors, the packed bits). For one that is null: zeros.
//! 3. Each other column, in the order of the columns: the byte 0 where it is null, else the byte 1
//!    and the value. A number: its bytes, little-endian. A boolean: the byte 0 or 1. Text and
//!    bytes: the length, then the bytes (where the type fixes the length, the bytes alone). A list:
//!    the number of elements, then each of them like a column. A struct: its fields, each like a
//!    column. JSON (a text that Arrow's extension name `arrow.json` marks): as a text with the keys
//!    of each object in order and without spaces, because servers write it as they like. Integers keep all
//!    their digits; a number with a point or an exponent is the double that is nearest, as short as it can be.
//!
//! 4. For each vector that is null: its number among the vectors, counted from 0, in 4 bytes.
//!
//! Lengths and numbers of elements are 4 bytes, little-endian. Names of columns and whether a
//! column may be null are no part of it: a target may call a column otherwise.
//!
//! In Python, for an integer id and one vector of float32:
//!
//! ```python
//! total = 0
//! for id, vector in rows:
//!     total += xxhash.xxh3_128_intdigest(struct.pack("<q", id) + vector.astype("<f4").tobytes())
//! print(f"{total % 2**128:032x}")
//! ```

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::ArrayData;
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::DataType;
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeListArray, GenericListArray, OffsetSizeTrait,
    RecordBatch, StructArray,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use twox_hash::XxHash3_128;

use crate::error::{Error, Result};
use crate::table::json::{canonical, is_json};
use crate::table::{Role, TableSchema};

/// The sum over some rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checksum(u128);

impl Checksum {
    /// The sum over `times` rows of this hash.
    pub fn of(hash: u128, times: u64) -> Self {
        Checksum(hash.wrapping_mul(times.into()))
    }
}

impl Add for Checksum {
    type Output = Checksum;

    fn add(self, other: Checksum) -> Checksum {
        Checksum(self.0.wrapping_add(other.0))
    }
}

impl AddAssign for Checksum {
    fn add_assign(&mut self, other: Checksum) {
        *self = *self + other;
    }
}

impl Sum for Checksum {
    fn sum<I: Iterator<Item = Checksum>>(all: I) -> Checksum {
        all.fold(Checksum::default(), Add::add)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Checksum {
    type Err = Error;

    fn from_str(text: &str) -> Result<Checksum> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let sum = u128::from_str_radix(text, 16).ok().filter(|_| digits);
        let wrong =
            || Error::source(format!("`{text}` is no checksum: it has 32 hexadecimal digits"));
        sum.map(Checksum).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for Checksum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Checksum, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Checksum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Hashes the rows of one table.
#[derive(Debug, Clone)]
pub struct RowHasher {
    /// Indices of the columns: the id, the vectors, the others.
    order: Vec<usize>,
    /// How many of them are the id and vectors.
    without_mark: usize,
    /// Which columns are JSON.
    json: Vec<bool>,
}

impl RowHasher {
    /// For rows whose columns are those of `schema`, perhaps under other names.
    pub fn new(schema: &TableSchema) -> Self {
        let fields = || schema.arrow().fields().iter().enumerate();
        let with_role = |role| fields().filter(move |(_, f)| Role::of(f) == role).map(|(n, _)| n);
        let mut order: Vec<_> = with_role(Role::Id).chain(with_role(Role::Vector)).collect();
        let without_mark = order.len();
        order.extend(with_role(Role::Scalar));
        let json = fields().map(|(_, field)| is_json(field)).collect();
        RowHasher { order, without_mark, json }
    }

    /// The hash of each row.
    ///
    /// # Errors
    /// For columns of types that the checksum is not defined for.
    pub fn hashes(&self, rows: &RecordBatch) -> Result<Vec<u128>> {
        let arrays: Vec<_> = self.order.iter().map(|index| self.array(rows, *index)).collect();
        let mut columns = Vec::with_capacity(self.order.len());
        for (n, array) in arrays.iter().enumerate() {
            columns.push((n >= self.without_mark, self.values(n, array)?));
        }
        let (mut row_bytes, mut null_vectors) = (Vec::new(), Vec::new());
        let hash = |row| {
            row_bytes.clear();
            null_vectors.clear();
            for (n, (marked, values)) in columns.iter().enumerate() {
                match marked {
                    true => values.put_marked(row, &mut row_bytes),
                    false if values.is_null(row) => {
                        values.put_nothing(&mut row_bytes);
                        // The id comes before the vectors.
                        put_len(n.saturating_sub(1), &mut null_vectors);
                    }
                    false => values.put(row, &mut row_bytes),
                }
            }
            row_bytes.extend_from_slice(&null_vectors);
            XxHash3_128::oneshot(&row_bytes)
        };
        Ok((0..rows.num_rows()).map(hash).collect())
    }

    /// The checksum of some rows.
    ///
    /// # Errors
    /// As [`hashes`](Self::hashes).
    pub fn sum(&self, rows: &RecordBatch) -> Result<Checksum> {
        Ok(self.hashes(rows)?.into_iter().map(|hash| Checksum::of(hash, 1)).sum())
    }

    /// The first column, in the order of the hash, in which a row of `one` differs from a row of
    /// `other`.
    ///
    /// # Errors
    /// As [`hashes`](Self::hashes).
    pub fn first_difference(
        &self,
        (one, row): (&RecordBatch, usize),
        (other, other_row): (&RecordBatch, usize),
    ) -> Result<Option<usize>> {
        for (n, index) in self.order.iter().enumerate() {
            let (mut here, mut there) = (Vec::new(), Vec::new());
            let of = |rows: &RecordBatch, row| self.array(&rows.slice(row, 1), *index);
            self.values(n, &of(one, row))?.put_marked(0, &mut here);
            self.values(n, &of(other, other_row))?.put_marked(0, &mut there);
            if here != there {
                return Ok(Some(*index));
            }
        }
        Ok(None)
    }

    /// A column, JSON in the one way in which it is compared.
    fn array(&self, rows: &RecordBatch, index: usize) -> ArrayRef {
        match self.json.get(index) {
            Some(true) => canonical(rows.column(index)),
            _ => Arc::clone(rows.column(index)),
        }
    }

    /// The values of the `n`th column in order.
    fn values<'a>(&self, n: usize, array: &'a ArrayRef) -> Result<Values<'a>> {
        match array.as_fixed_size_list_opt() {
            Some(vectors) if n < self.without_mark => Values::of_vectors(vectors),
            _ => Values::of(array),
        }
    }
}

/// The values of a column, looked up once a batch.
enum Values<'a> {
    /// Each of so many bytes.
    Fixed {
        bytes: Buffer,
        width: usize,
        nulls: Option<&'a NullBuffer>,
    },
    Boolean(&'a BooleanArray),
    /// Bytes of any length.
    Any {
        bytes: &'a [u8],
        ends: Ends<'a>,
        nulls: Option<&'a NullBuffer>,
    },
    List {
        ends: Ends<'a>,
        nulls: Option<&'a NullBuffer>,
        elements: Box<Values<'a>>,
    },
    FixedList {
        len: usize,
        nulls: Option<&'a NullBuffer>,
        elements: Box<Values<'a>>,
    },
    Struct {
        nulls: Option<&'a NullBuffer>,
        fields: Vec<Values<'a>>,
    },
    Null,
}

/// Where values of any length end: one more than there are values.
enum Ends<'a> {
    Short(&'a [i32]),
    Long(&'a [i64]),
}

impl Ends<'_> {
    fn of(&self, row: usize) -> std::ops::Range<usize> {
        // Arrow's own offsets are never negative.
        let at = |n: usize| match self {
            Ends::Short(ends) => ends[n] as usize,
            Ends::Long(ends) => ends[n] as usize,
        };
        at(row)..at(row + 1)
    }
}

impl<'a> Values<'a> {
    fn of(array: &'a ArrayRef) -> Result<Values<'a>> {
        let nulls = array.nulls();
        Ok(match array.data_type() {
            DataType::Null => Values::Null,
            DataType::Boolean => Values::Boolean(array.as_boolean()),
            DataType::Utf8 => {
                let texts = array.as_string::<i32>();
                let ends = Ends::Short(texts.value_offsets());
                Values::Any { bytes: texts.value_data(), ends, nulls }
            }
            DataType::LargeUtf8 => {
                let texts = array.as_string::<i64>();
                let ends = Ends::Long(texts.value_offsets());
                Values::Any { bytes: texts.value_data(), ends, nulls }
            }
            DataType::Binary => {
                let all = array.as_binary::<i32>();
                let ends = Ends::Short(all.value_offsets());
                Values::Any { bytes: all.value_data(), ends, nulls }
            }
            DataType::LargeBinary => {
                let all = array.as_binary::<i64>();
                let ends = Ends::Long(all.value_offsets());
                Values::Any { bytes: all.value_data(), ends, nulls }
            }
            DataType::List(_) => Values::list(array.as_list::<i32>(), Ends::Short)?,
            DataType::LargeList(_) => Values::list(array.as_list::<i64>(), Ends::Long)?,
            DataType::FixedSizeList(_, len) => {
                let elements = Box::new(Values::of(array.as_fixed_size_list().values())?);
                Values::FixedList { len: usize::try_from(*len).unwrap_or(0), nulls, elements }
            }
            DataType::FixedSizeBinary(width) => {
                Values::fixed(&array.to_data(), usize::try_from(*width).unwrap_or(0), nulls)
            }
            DataType::Struct(_) => Values::of_struct(array.as_struct())?,
            other => match other.primitive_width() {
                Some(width) => Values::fixed(&array.to_data(), width, nulls),
                None => return Err(not_defined(other)),
            },
        })
    }

    /// Vectors lie one after the other, without marks.
    fn of_vectors(vectors: &'a FixedSizeListArray) -> Result<Values<'a>> {
        let element = vectors.value_type();
        let len = usize::try_from(vectors.value_length()).unwrap_or(0);
        let width = element.primitive_width().ok_or_else(|| not_defined(&element))?;
        Ok(Values::fixed(&vectors.values().to_data(), len * width, vectors.nulls()))
    }

    fn fixed(data: &ArrayData, width: usize, nulls: Option<&'a NullBuffer>) -> Values<'a> {
        let element = data.data_type().primitive_width().unwrap_or(width);
        let bytes =
            data.buffers().first().cloned().unwrap_or_else(|| Buffer::from_vec(vec![0u8; 0]));
        Values::Fixed { bytes: bytes.slice(data.offset() * element), width, nulls }
    }

    fn list<O: OffsetSizeTrait>(
        list: &'a GenericListArray<O>,
        ends: impl Fn(&'a [O]) -> Ends<'a>,
    ) -> Result<Values<'a>> {
        let elements = Box::new(Values::of(list.values())?);
        Ok(Values::List { ends: ends(list.value_offsets()), nulls: list.nulls(), elements })
    }

    fn of_struct(array: &'a StructArray) -> Result<Values<'a>> {
        let fields = array.columns().iter().map(Values::of).collect::<Result<_>>()?;
        Ok(Values::Struct { nulls: array.nulls(), fields })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Values::Null => true,
            Values::Boolean(values) => values.is_null(row),
            Values::Fixed { nulls, .. }
            | Values::Any { nulls, .. }
            | Values::List { nulls, .. }
            | Values::FixedList { nulls, .. }
            | Values::Struct { nulls, .. } => nulls.is_some_and(|nulls| nulls.is_null(row)),
        }
    }

    fn put_marked(&self, row: usize, out: &mut Vec<u8>) {
        let null = self.is_null(row);
        out.push(u8::from(!null));
        if !null {
            self.put(row, out);
        }
    }

    /// What stands in the place of a vector that is null.
    fn put_nothing(&self, out: &mut Vec<u8>) {
        match self {
            Values::Fixed { width, .. } => out.resize(out.len() + width, 0),
            _ => put_len(0, out),
        }
    }

    fn put(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Values::Null => {}
            Values::Boolean(values) => out.push(values.value(row).into()),
            Values::Fixed { bytes, width, .. } => {
                out.extend_from_slice(&bytes[row * width..(row + 1) * width]);
            }
            Values::Any { bytes, ends, .. } => {
                let bytes = &bytes[ends.of(row)];
                put_len(bytes.len(), out);
                out.extend_from_slice(bytes);
            }
            Values::List { ends, elements, .. } => {
                let range = ends.of(row);
                put_len(range.len(), out);
                range.for_each(|element| elements.put_marked(element, out));
            }
            Values::FixedList { len, elements, .. } => {
                put_len(*len, out);
                (row * len..(row + 1) * len).for_each(|element| elements.put_marked(element, out));
            }
            Values::Struct { fields, .. } => {
                fields.iter().for_each(|field| field.put_marked(row, out));
            }
        }
    }
}

fn not_defined(data_type: &DataType) -> Error {
    Error::config(format!("Values of the type {data_type} can't be compared by their content"))
        .help("leave the column out with the transform `select`, or compare the counts alone: --verify count")
}

/// A length of more than 4 GiB does not fit a batch.
fn put_len(len: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{Field, Int32Type, Schema};
    use arrow_array::{Float32Array, Int64Array, ListArray, StringArray};
    use proptest::prelude::*;

    use super::*;
    use crate::table::{VectorColumn, VectorType, id_field, vector_field};

    const PAIR: VectorColumn = VectorColumn { vector_type: VectorType::Float32, dim: 2 };

    fn vectors(values: Vec<f32>) -> ArrayRef {
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        Arc::new(FixedSizeListArray::new(item, 2, Arc::new(Float32Array::from(values)), None))
    }

    fn rows(fields: Vec<Field>, columns: Vec<ArrayRef>) -> RecordBatch {
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    fn plain(ids: &[i64]) -> RecordBatch {
        let fields = vec![id_field("id", DataType::Int64), vector_field("v", PAIR)];
        let values = ids.iter().flat_map(|id| [*id as f32, 0.5]).collect();
        rows(fields, vec![Arc::new(Int64Array::from(ids.to_vec())), vectors(values)])
    }

    fn all_kinds() -> RecordBatch {
        let texts = StringArray::from(vec![Some("ä"), None, Some("")]);
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1), None]),
            None,
            Some(vec![]),
        ]);
        let fields = vec![
            Field::new("text", DataType::Utf8, true),
            vector_field("v", PAIR),
            Field::new("flag", DataType::Boolean, true),
            id_field("id", DataType::Utf8),
            Field::new("list", lists.data_type().clone(), true),
        ];
        let flags = BooleanArray::from(vec![Some(true), Some(false), None]);
        rows(
            fields,
            vec![
                Arc::new(texts),
                vectors(vec![1.0, -0.0, 2.0, f32::NAN, 3.0, 1e-40]),
                Arc::new(flags),
                Arc::new(StringArray::from(vec!["a", "b\"c", "日"])),
                Arc::new(lists),
            ],
        )
    }

    fn hashes(rows: &RecordBatch) -> Vec<u128> {
        RowHasher::new(&TableSchema::new(rows.schema()).unwrap()).hashes(rows).unwrap()
    }

    fn sum(rows: &RecordBatch) -> Checksum {
        hashes(rows).into_iter().map(|hash| Checksum::of(hash, 1)).sum()
    }

    #[test]
    fn a_row_is_hashed_as_the_definition_says() {
        let mut bytes = (-7i64).to_le_bytes().to_vec();
        bytes.extend((-7f32).to_le_bytes());
        bytes.extend(0.5f32.to_le_bytes());
        assert_eq!(hashes(&plain(&[-7])), [XxHash3_128::oneshot(&bytes)]);

        let mut bytes = b"\x01\0\0\0a".to_vec();
        bytes.extend(1f32.to_le_bytes());
        bytes.extend((-0f32).to_le_bytes());
        bytes.extend([1, 2, 0, 0, 0, 0xc3, 0xa4]);
        bytes.extend([1, 1]);
        bytes.extend([1, 2, 0, 0, 0, 1, 1, 0, 0, 0, 0]);
        assert_eq!(hashes(&all_kinds())[0], XxHash3_128::oneshot(&bytes));
        assert_eq!(Checksum::default().to_string(), "0".repeat(32));
    }

    #[test]
    fn python_comes_to_the_same() {
        // By the lines above, with xxhash 3: ids -7, 9 and 9 once more.
        let fields = vec![id_field("id", DataType::Int64), vector_field("v", PAIR)];
        let ids = Arc::new(Int64Array::from(vec![-7, 9, 9]));
        let values = vectors(vec![0.5, -1.0, 1e-40, 2.0, 1e-40, 2.0]);
        let sum = sum(&rows(fields, vec![ids, values]));
        assert_eq!(sum.to_string(), "6193d79167ee9728419e0a0d959547ed");
    }

    /// What lies below a null is zeros, or anything.
    #[test]
    fn a_null_vector_is_no_vector_of_zeros_wherever_it_stands() {
        let of = |which: [Option<[f32; 2]>; 2]| {
            let vector = |values: Option<[f32; 2]>, below: [f32; 2]| -> ArrayRef {
                let item = Arc::new(Field::new("item", DataType::Float32, false));
                let nulls = NullBuffer::from(vec![values.is_some()]);
                let values = Float32Array::from(values.unwrap_or(below).to_vec());
                Arc::new(FixedSizeListArray::new(item, 2, Arc::new(values), Some(nulls)))
            };
            let fields = vec![
                id_field("id", DataType::Int64),
                vector_field("a", PAIR).with_nullable(true),
                vector_field("b", PAIR).with_nullable(true),
            ];
            let hashes = [[0.0, 0.0], [5.0, 6.0]].map(|below| {
                let id: ArrayRef = Arc::new(Int64Array::from(vec![1]));
                let columns = vec![id, vector(which[0], below), vector(which[1], below)];
                hashes(&rows(fields.clone(), columns))[0]
            });
            assert_eq!(hashes[0], hashes[1], "what lies below a null does not count");
            hashes[0]
        };
        let zero = Some([0.0, 0.0]);
        let all = [[zero, zero], [None, zero], [zero, None], [None, None]].map(of);
        let distinct: std::collections::HashSet<u128> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
        let mut bytes = 1i64.to_le_bytes().to_vec();
        bytes.extend([0; 16]);
        assert_eq!(all[0], XxHash3_128::oneshot(&bytes), "without a null, nothing is added");
        bytes.extend(1u32.to_le_bytes());
        assert_eq!(all[2], XxHash3_128::oneshot(&bytes));
    }

    #[test]
    fn a_slice_hashes_like_the_whole() {
        for rows in [all_kinds(), plain(&[1, 2, 3])] {
            let whole = hashes(&rows);
            assert_eq!(hashes(&rows.slice(1, 2)), whole[1..]);
            assert_eq!(hashes(&rows.slice(1, 2).slice(1, 1)), whole[2..]);
            assert_eq!(hashes(&rows.slice(0, 0)), []);
        }
    }

    #[test]
    fn empty_and_null_are_not_the_same() {
        let text = |text: Option<&str>| {
            let fields = vec![
                id_field("id", DataType::Int64),
                vector_field("v", PAIR),
                Field::new("t", DataType::Utf8, true),
            ];
            let columns: Vec<ArrayRef> = vec![
                Arc::new(Int64Array::from(vec![1])),
                vectors(vec![1.0, 2.0]),
                Arc::new(StringArray::from(vec![text])),
            ];
            sum(&rows(fields, columns))
        };
        assert_ne!(text(None), text(Some("")));
        assert_ne!(text(Some("a")), text(Some("a\0")));
    }

    #[test]
    fn the_first_column_that_differs_is_found() {
        let rows = all_kinds();
        let hasher = RowHasher::new(&TableSchema::new(rows.schema()).unwrap());
        let mut columns = rows.columns().to_vec();
        columns[2] = Arc::new(BooleanArray::from(vec![Some(false), Some(false), None]));
        columns[1] = vectors(vec![1.0, -0.0, 2.0, f32::NAN, 3.0, 2e-40]);
        let other = RecordBatch::try_new(rows.schema(), columns).unwrap();
        let first = |row| hasher.first_difference((&rows, row), (&other, row)).unwrap();
        assert_eq!([first(0), first(1), first(2)], [Some(2), None, Some(1)]);
    }

    proptest! {
        #[test]
        fn neither_order_nor_batches_matter(
            ids in prop::collection::vec(any::<i64>(), 1..60),
            cut in 0usize..60,
            turn in 0usize..60,
        ) {
            let whole = sum(&plain(&ids));
            let (cut, mut turned) = (cut.min(ids.len()), ids.clone());
            turned.rotate_left(turn % ids.len());
            prop_assert_eq!(sum(&plain(&turned)), whole);
            prop_assert_eq!(sum(&plain(&ids[..cut])) + sum(&plain(&ids[cut..])), whole);
        }

        #[test]
        fn one_row_more_or_less_or_one_bit_matters(
            ids in prop::collection::vec(any::<i64>(), 1..40),
            row in 0usize..40,
            bit in 0u32..64,
        ) {
            let row = row % ids.len();
            let whole = sum(&plain(&ids));
            let mut other = ids.clone();
            other.remove(row);
            prop_assert_ne!(sum(&plain(&other)), whole);
            other.extend([ids[row]; 2]);
            prop_assert_ne!(sum(&plain(&other)), whole);
            other = ids.clone();
            other[row] ^= 1 << bit;
            prop_assert_ne!(sum(&plain(&other)), whole);
        }

        #[test]
        fn a_bit_of_a_vector_matters(row in 0usize..5, at in 0usize..2, bit in 0u32..32) {
            let batch = plain(&[1, 2, 3, 4, 5]);
            let mut values: Vec<f32> =
                (1..=5u8).flat_map(|id| [f32::from(id), 0.5]).collect();
            let value = &mut values[row * 2 + at];
            *value = f32::from_bits(value.to_bits() ^ 1 << bit);
            let columns = vec![Arc::clone(batch.column(0)), vectors(values)];
            let other = RecordBatch::try_new(batch.schema(), columns).unwrap();
            prop_assert_ne!(sum(&other), sum(&batch));
        }
    }
}
