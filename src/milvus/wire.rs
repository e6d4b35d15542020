//! The protobuf wire format: varints, tags, lengths.

use bytes::{BufMut, BytesMut};

/// Wire type of a varint.
pub(crate) const VARINT: u32 = 0;
/// Wire type of a length-delimited field.
pub(crate) const BYTES: u32 = 2;

/// Length of `value` as a varint.
pub(crate) fn varint_len(value: u64) -> usize {
    // Seven bits a byte, at least one byte.
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Writes a varint.
pub(crate) fn put_varint(out: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8((value as u8) | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn tag(field: u32, wire_type: u32) -> u64 {
    u64::from(field << 3 | wire_type)
}

/// Writes a varint field, unless it is 0, which is what its absence means.
pub(crate) fn put_number(out: &mut BytesMut, field: u32, value: u64) {
    if value != 0 {
        put_varint(out, tag(field, VARINT));
        put_varint(out, value);
    }
}

/// Writes the tag and the length of a length-delimited field; its bytes follow.
pub(crate) fn put_header(out: &mut BytesMut, field: u32, len: usize) {
    put_varint(out, tag(field, BYTES));
    put_varint(out, len as u64);
}

/// Writes a string field, unless it is empty.
pub(crate) fn put_text(out: &mut BytesMut, field: u32, text: &str) {
    if !text.is_empty() {
        put_header(out, field, text.len());
        out.put_slice(text.as_bytes());
    }
}

/// Length of a length-delimited field of `len` bytes with its header.
pub(crate) fn field_len(field: u32, len: usize) -> usize {
    varint_len(tag(field, BYTES)) + varint_len(len as u64) + len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_as_long_as_announced() {
        for shift in 0..64 {
            for value in [1u64 << shift, (1u64 << shift) - 1, u64::MAX >> shift] {
                let mut out = BytesMut::new();
                put_varint(&mut out, value);
                assert_eq!(out.len(), varint_len(value), "{value}");
                assert_eq!(prost::encoding::decode_varint(&mut out).unwrap(), value);
            }
        }
    }
}
