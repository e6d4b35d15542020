//! Whether a dataset's bytes are numbers as this machine holds them, the same with their bytes in
//! the other order, or something that only libhdf5 can convert.
//!
//! libhdf5 compares types only with those of this machine. Of others it tells the size and the
//! byte order, which two formats can share: float16 and bfloat16 do. What it does with numbers
//! tells them apart: a type of 16 bits that holds 1 + 2⁻¹⁰ as well as 65504 and 2⁻²⁴ has no bit
//! left to be anything but IEEE's.

use std::sync::atomic::{AtomicU64, Ordering};

use hdf5::H5Type;
use hdf5::datatype::{ByteOrder, Datatype};
use hdf5::types::{IntSize, TypeDescriptor};

/// How numbers stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As this machine holds them.
    Native,
    /// With their bytes in the other order.
    Swapped,
    /// In another format; libhdf5 converts them.
    Foreign,
}

impl Form {
    /// The form of numbers of the type `stored`, which libhdf5 describes as `descriptor`.
    pub fn of(stored: &Datatype, descriptor: &TypeDescriptor) -> Form {
        if Datatype::from_descriptor(descriptor).is_ok_and(|native| native == *stored) {
            return Form::Native;
        }
        let other = if cfg!(target_endian = "big") {
            ByteOrder::LittleEndian
        } else {
            ByteOrder::BigEndian
        };
        if stored.byte_order() != other {
            return Form::Foreign;
        }
        let holds_all = match *descriptor {
            TypeDescriptor::Float(size) => match size as usize {
                2 => holds(stored, &floats(10, 15)),
                4 => holds(stored, &floats(23, 127)),
                _ => holds(stored, &floats(52, 1023)),
            },
            TypeDescriptor::Integer(IntSize::U8) => holds(stored, &[i64::MIN, i64::MAX, -2]),
            TypeDescriptor::Integer(size) => {
                let most = 1i64 << (8 * size as u32 - 1);
                holds(stored, &[-most, most - 1, -2])
            }
            TypeDescriptor::Unsigned(IntSize::U8) => holds(stored, &[u64::MAX, 1]),
            TypeDescriptor::Unsigned(size) => holds(stored, &[(1u64 << (8 * size as u32)) - 1, 1]),
            _ => return Form::Foreign,
        };
        match holds_all {
            Ok(true) => Form::Swapped,
            Ok(false) | Err(_) => Form::Foreign,
        }
    }
}

/// Numbers that need every bit of a format with `fraction` bits of fraction and exponents up to
/// `exponent`: the last bit of the fraction, the largest number and the smallest.
fn floats(fraction: i32, exponent: i32) -> [f64; 4] {
    let last_bit = 2f64.powi(-fraction);
    let largest = (2.0 - last_bit) * 2f64.powi(exponent);
    // In two steps, as 2^-1074 is no normal number.
    let smallest = 2f64.powi(1 - exponent) * last_bit;
    [1.0 + last_bit, largest, -largest, smallest]
}

/// True when the type gives all of `numbers` back unchanged. Tried in a file in memory.
fn holds<T: H5Type + PartialEq>(stored: &Datatype, numbers: &[T]) -> hdf5::Result<bool> {
    // libhdf5 takes two files of one name in memory for the same file.
    static FILES: AtomicU64 = AtomicU64::new(0);
    let name = format!("vecpipe-probe-{}", FILES.fetch_add(1, Ordering::Relaxed));
    let file = hdf5::File::with_options().with_fapl(|p| p.core_filebacked(false)).create(name)?;
    let probe = file.new_dataset_builder().empty_as(stored).shape(numbers.len()).create("probe")?;
    probe.write_raw(numbers)?;
    Ok(probe.read_raw::<T>()? == numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_need_every_bit() {
        let halves = floats(10, 15).map(half::f16::from_f64).map(f64::from);
        assert_eq!(halves, floats(10, 15));
        assert_eq!(halves[1..], [65504.0, -65504.0, 5.960_464_477_539_063e-8]);
        assert_eq!(floats(23, 127).map(|v| f64::from(v as f32)), floats(23, 127));
        assert_eq!(floats(52, 1023), [1.0 + f64::EPSILON, f64::MAX, f64::MIN, f64::from_bits(1)]);
        let bfloats = floats(10, 15).map(half::bf16::from_f64).map(f64::from);
        assert_ne!(bfloats, floats(10, 15));
    }
}
