//! One column of a request: Arrow values to `FieldData`.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, GenericStringArray, PrimitiveArray};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::compute::filter;
use arrow::datatypes::*;
use bytes::{BufMut, Bytes, BytesMut};

use crate::milvus::connection::frames::Parts;
use crate::milvus::v2::proto::schema::DataType as Milvus;
use crate::milvus::wire::{field_len, put_header, put_number, put_text, put_varint, varint_len};
use crate::milvus::{MilvusError, Result};

// Buffers go to the wire as they are; protobuf is little-endian.
#[cfg(target_endian = "big")]
compile_error!("vector buffers are sent as they lie in memory, which must be little-endian");

/// How a column of the batch becomes a field of the collection. Decided once per table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsertColumn {
    /// Index of the column in the batch.
    pub index: usize,
    /// Name of the field.
    pub name: String,
    /// Type of the field.
    pub data_type: Milvus,
    /// Type of the elements, of an Array; else `None`.
    pub element_type: Milvus,
    /// Dimensions, of a vector field.
    pub dim: usize,
    /// True for a field that is told of each row whether it has a value: one that may be null or has
    /// a default value. Milvus 2.5 refuses rows without that; others refuse rows with it.
    pub flags: bool,
    /// True for the field that holds what rows have beyond the schema.
    pub dynamic: bool,
}

/// The values of a column in their wire form, so that the lengths around them are known.
enum Payload {
    /// Values end to end, for field 1 of an array message.
    Packed(Bytes),
    /// Length-delimited values, each with the header of field 1.
    Repeated(Bytes),
}

impl Payload {
    /// True where the bytes need a header of their own, and the bytes.
    fn into_parts(self) -> (bool, Bytes) {
        match self {
            Payload::Packed(bytes) => (!bytes.is_empty(), bytes),
            Payload::Repeated(bytes) => (false, bytes),
        }
    }
}

/// Sparse vectors in their wire form.
struct Sparse {
    /// Each vector with the header of field 1.
    contents: Bytes,
    /// One more than the highest index.
    dim: u64,
}

/// `None` when they are not lists of pairs without nulls.
fn sparse(values: &ArrayRef) -> Option<Sparse> {
    let lists = values.as_list_opt::<i32>()?;
    let pairs = lists.values().as_struct_opt()?;
    let indices = pairs.column_by_name("index")?.as_primitive_opt::<UInt32Type>()?;
    let weights = pairs.column_by_name("value")?.as_primitive_opt::<Float32Type>()?;
    if lists.null_count() + pairs.null_count() + indices.null_count() + weights.null_count() > 0 {
        return None;
    }
    let (mut contents, mut dim) = (BytesMut::new(), 0);
    for ends in lists.value_offsets().windows(2) {
        let (start, end) = (usize::try_from(ends[0]).ok()?, usize::try_from(ends[1]).ok()?);
        put_header(&mut contents, 1, (end - start) * 8);
        for at in start..end {
            contents.put_u32_le(indices.value(at));
            contents.put_f32_le(weights.value(at));
            dim = dim.max(u64::from(indices.value(at)) + 1);
        }
    }
    Some(Sparse { contents: contents.freeze(), dim })
}

impl InsertColumn {
    /// Appends this column's `FieldData`, as field `fields_data` of a request.
    pub(super) fn put(&self, parts: &mut Parts, field: u32, values: &ArrayRef) -> Result<()> {
        match vector_number(self.data_type) {
            Some(number) => self.put_vector(parts, field, number, values),
            None if self.data_type == Milvus::SparseFloatVector => {
                self.put_sparse(parts, field, values)
            }
            None => self.put_scalar(parts, field, values),
        }
    }

    fn put_vector(
        &self,
        parts: &mut Parts,
        field: u32,
        number: u32,
        values: &ArrayRef,
    ) -> Result<()> {
        let (values, valid) = self.without_nulls(values)?;
        let bytes = self.vector_bytes(&values)?;
        let float = self.data_type == Milvus::FloatVector;
        // FieldData { type, field_name, vectors: VectorField { dim, … } }
        let inner = if float { field_len(1, bytes.len()) } else { bytes.len() };
        let dim_len = 1 + varint_len(self.dim as u64);
        let vector_len = dim_len + field_len(number, inner);
        let out = parts.out();
        put_header(out, field, self.head_len() + field_len(4, vector_len) + valid_len(&valid));
        self.put_head(out);
        put_header(out, 4, vector_len);
        put_number(out, 1, self.dim as u64);
        put_header(out, number, inner);
        if float {
            put_header(out, 1, bytes.len());
        }
        parts.attach(bytes);
        put_valid(parts.out(), &valid);
        Ok(())
    }

    /// Vectors without those that are null, and the flags that tell of each row whether it has one,
    /// where the field takes them.
    fn without_nulls(&self, values: &ArrayRef) -> Result<(ArrayRef, Option<NullBuffer>)> {
        match values.nulls().filter(|nulls| nulls.null_count() > 0) {
            _ if !self.flags => Ok((values.clone(), None)),
            None => Ok((values.clone(), Some(NullBuffer::new_valid(values.len())))),
            Some(nulls) => {
                let present = BooleanArray::new(nulls.inner().clone(), None);
                let values = filter(values, &present).map_err(|_| self.mismatch(values))?;
                Ok((values, Some(nulls.clone())))
            }
        }
    }

    /// The memory of a vector column's values: only those of the rows of this slice.
    fn vector_bytes(&self, values: &ArrayRef) -> Result<Bytes> {
        let Some(lists) = values.as_fixed_size_list_opt() else {
            return Err(self.mismatch(values));
        };
        let list_len = usize::try_from(lists.value_length()).unwrap_or(0);
        let dims = if self.data_type == Milvus::BinaryVector { list_len * 8 } else { list_len };
        let elements = lists.values();
        let fits = match self.data_type {
            Milvus::FloatVector => *elements.data_type() == DataType::Float32,
            Milvus::Float16Vector => *elements.data_type() == DataType::Float16,
            Milvus::BFloat16Vector => *elements.data_type() == DataType::UInt16,
            Milvus::Int8Vector => *elements.data_type() == DataType::Int8,
            _ => *elements.data_type() == DataType::UInt8,
        };
        if !fits || dims != self.dim || lists.null_count() > 0 || elements.null_count() > 0 {
            return Err(self.mismatch(values));
        }
        let data = elements.to_data();
        let width = data.data_type().primitive_width().unwrap_or(1);
        // A slice of a list array keeps its child whole; `value_offset` says where it begins.
        let first = lists.value_offset_at(0);
        let start = (data.offset() + first) * width;
        let len = lists.len() * list_len * width;
        match data.buffers().first() {
            Some(buffer) if start + len <= buffer.len() => {
                Ok(shared(buffer.slice_with_length(start, len)))
            }
            _ => Err(self.mismatch(values)),
        }
    }

    /// FieldData { type, field_name, vectors: VectorField { sparse_float_vector: { contents, dim } } }
    fn put_sparse(&self, parts: &mut Parts, field: u32, values: &ArrayRef) -> Result<()> {
        let (values, valid) = self.without_nulls(values)?;
        let sparse = sparse(&values).ok_or_else(|| self.mismatch(&values))?;
        let dim_len = if sparse.dim == 0 { 0 } else { 1 + varint_len(sparse.dim) };
        let inner = sparse.contents.len() + dim_len;
        let vector_len = field_len(6, inner);
        let out = parts.out();
        put_header(out, field, self.head_len() + field_len(4, vector_len) + valid_len(&valid));
        self.put_head(out);
        put_header(out, 4, vector_len);
        put_header(out, 6, inner);
        parts.attach(sparse.contents);
        put_number(parts.out(), 2, sparse.dim);
        put_valid(parts.out(), &valid);
        Ok(())
    }

    fn put_scalar(&self, parts: &mut Parts, field: u32, values: &ArrayRef) -> Result<()> {
        let (number, payload) = self.payload(values)?;
        let valid = match values.nulls().filter(|nulls| nulls.null_count() > 0) {
            None if self.flags => Some(NullBuffer::new_valid(values.len())),
            nulls => nulls.cloned(),
        };
        let (packed, bytes) = payload.into_parts();
        let array_len = if packed { field_len(1, bytes.len()) } else { bytes.len() };
        // FieldData { type, field_name, scalars: ScalarField { …: …Array { data } }, valid_data }
        let element_len = match self.data_type {
            Milvus::Array => 1 + varint_len(self.element_type as u64),
            _ => 0,
        };
        let array_len = array_len + element_len;
        let scalar_len = field_len(number, array_len);
        let dynamic_len = if self.dynamic { 2 } else { 0 };
        let out = parts.out();
        let len = self.head_len() + field_len(3, scalar_len) + dynamic_len + valid_len(&valid);
        put_header(out, field, len);
        self.put_head(out);
        put_header(out, 3, scalar_len);
        put_header(out, number, array_len);
        if packed {
            put_header(out, 1, bytes.len());
        }
        parts.attach(bytes);
        if self.data_type == Milvus::Array {
            put_number(parts.out(), 2, self.element_type as u64);
        }
        put_number(parts.out(), 6, self.dynamic.into());
        put_valid(parts.out(), &valid);
        Ok(())
    }

    /// The field number within `ScalarField`, and the values.
    fn payload(&self, values: &ArrayRef) -> Result<(u32, Payload)> {
        match self.data_type {
            Milvus::Array => Ok((8, Payload::Repeated(self.lists(values)?))),
            data_type => self.plain(data_type, values),
        }
    }

    /// Each list as a column of its own, with the header of field 1; nulls are left out.
    fn lists(&self, values: &ArrayRef) -> Result<Bytes> {
        let lists = values.as_list_opt::<i32>().ok_or_else(|| self.mismatch(values))?;
        let mut out = BytesMut::new();
        for row in (0..lists.len()).filter(|row| lists.is_valid(*row)) {
            let elements = lists.value(row);
            if elements.null_count() > 0 {
                return Err(self.mismatch(values));
            }
            let (number, payload) = self.plain(self.element_type, &elements)?;
            // ScalarField { …: …Array { data } }
            let (packed, bytes) = payload.into_parts();
            let array_len = if packed { field_len(1, bytes.len()) } else { bytes.len() };
            put_header(&mut out, 1, field_len(number, array_len));
            put_header(&mut out, number, array_len);
            if packed {
                put_header(&mut out, 1, bytes.len());
            }
            out.put_slice(&bytes);
        }
        Ok(out.freeze())
    }

    /// Values that are no lists.
    fn plain(&self, data_type: Milvus, values: &ArrayRef) -> Result<(u32, Payload)> {
        let mismatch = || self.mismatch(values);
        Ok(match data_type {
            Milvus::Bool => {
                let values = values.as_boolean_opt().ok_or_else(mismatch)?;
                let mut out = BytesMut::with_capacity(values.len());
                values.iter().flatten().for_each(|value| out.put_u8(u8::from(value)));
                (1, Payload::Packed(out.freeze()))
            }
            Milvus::Int8 => {
                (2, varints(values.as_primitive_opt::<Int8Type>().ok_or_else(mismatch)?))
            }
            Milvus::Int16 => {
                (2, varints(values.as_primitive_opt::<Int16Type>().ok_or_else(mismatch)?))
            }
            Milvus::Int32 => {
                (2, varints(values.as_primitive_opt::<Int32Type>().ok_or_else(mismatch)?))
            }
            Milvus::Int64 => {
                (3, varints(values.as_primitive_opt::<Int64Type>().ok_or_else(mismatch)?))
            }
            Milvus::Float => {
                (4, packed(values.as_primitive_opt::<Float32Type>().ok_or_else(mismatch)?))
            }
            Milvus::Double => {
                (5, packed(values.as_primitive_opt::<Float64Type>().ok_or_else(mismatch)?))
            }
            Milvus::VarChar => (6, texts(values.as_string_opt().ok_or_else(mismatch)?)),
            Milvus::Json => (9, texts(values.as_string_opt().ok_or_else(mismatch)?)),
            _ => return Err(mismatch()),
        })
    }

    /// Length of `type` and `field_name` of `FieldData`.
    fn head_len(&self) -> usize {
        1 + varint_len(self.data_type as u64) + field_len(2, self.name.len())
    }

    fn put_head(&self, out: &mut BytesMut) {
        put_number(out, 1, self.data_type as u64);
        put_text(out, 2, &self.name);
    }

    /// The server would take some of these and crash on them later.
    fn mismatch(&self, values: &ArrayRef) -> MilvusError {
        MilvusError::Settings(format!(
            "Field `{}` is {}({}), the column is {} with {} nulls",
            self.name,
            self.data_type.as_str_name(),
            self.dim,
            values.data_type(),
            values.null_count()
        ))
    }
}

/// The field number of a vector type within `VectorField`.
fn vector_number(data_type: Milvus) -> Option<u32> {
    Some(match data_type {
        Milvus::FloatVector => 2,
        Milvus::BinaryVector => 3,
        Milvus::Float16Vector => 4,
        Milvus::BFloat16Vector => 5,
        Milvus::Int8Vector => 7,
        _ => return None,
    })
}

/// Integers as varints, sign-extended to 64 bits as protobuf wants it; nulls are left out.
fn varints<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>) -> Payload
where
    T::Native: Into<i64>,
{
    let mut out = BytesMut::with_capacity(values.len() * 4);
    let mut put = |value: T::Native| put_varint(&mut out, value.into() as u64);
    match values.null_count() {
        0 => values.values().iter().copied().for_each(&mut put),
        _ => values.iter().flatten().for_each(&mut put),
    }
    Payload::Packed(out.freeze())
}

/// Floats as they lie in memory; copied only where nulls are to be left out.
fn packed<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>) -> Payload {
    match values.null_count() {
        0 => Payload::Packed(shared(values.values().inner().clone())),
        _ => {
            let present: Vec<T::Native> = values.iter().flatten().collect();
            Payload::Packed(shared(Buffer::from_vec(present)))
        }
    }
}

/// Texts, each with its header; nulls are left out.
fn texts(values: &GenericStringArray<i32>) -> Payload {
    let mut out = BytesMut::with_capacity(values.value_data().len().min(1 << 20));
    for value in values.iter().flatten() {
        put_header(&mut out, 1, value.len());
        out.put_slice(value.as_bytes());
    }
    Payload::Repeated(out.freeze())
}

/// Length of `valid_data`.
fn valid_len(valid: &Option<NullBuffer>) -> usize {
    valid.as_ref().map_or(0, |valid| field_len(7, valid.len()))
}

/// `valid_data`: one flag a row.
fn put_valid(out: &mut BytesMut, valid: &Option<NullBuffer>) {
    if let Some(valid) = valid {
        put_header(out, 7, valid.len());
        valid.iter().for_each(|valid| out.put_u8(u8::from(valid)));
    }
}

/// A buffer as `Bytes`: shared, not copied.
fn shared(buffer: Buffer) -> Bytes {
    struct Owner(Buffer);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            self.0.as_slice()
        }
    }
    Bytes::from_owner(Owner(buffer))
}
