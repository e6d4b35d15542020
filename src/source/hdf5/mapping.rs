//! The files and datasets that a virtual dataset is made of, by their names alone. The `hdf5` crate would read
//! the selections along with them, and refuses some that libhdf5 itself writes (one block of several rows).

#![allow(unsafe_code, reason = "the crate has no call for the names alone")]

use std::ffi::c_char;
use std::ptr::null_mut;

use hdf5_sys::h5d::H5Dget_create_plist;
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::{
    H5Pclose, H5Pget_virtual_count, H5Pget_virtual_dsetname, H5Pget_virtual_filename,
};

use crate::error::{Error, Result};

/// Bytes of a name.
const LONGEST: usize = 1 << 16;

/// File and dataset of each part, in order; `.` for the file of the virtual dataset itself.
///
/// # Errors
/// When libhdf5 can't tell them.
pub fn parts(dataset: &hdf5::Dataset) -> Result<Vec<(String, String)>> {
    let id = dataset.id();
    // libhdf5 runs one call at a time.
    let parts = hdf5::sync::sync(|| {
        // SAFETY: `id` is an open dataset, which `dataset` keeps open.
        let list = unsafe { H5Dget_create_plist(id) };
        if list < 0 {
            return None;
        }
        let parts = parts_of(list);
        // SAFETY: the list was opened above, and is not used any more.
        unsafe { H5Pclose(list) };
        parts
    });
    parts.ok_or_else(|| Error::source("Cannot read what the virtual dataset is made of"))
}

fn parts_of(list: hid_t) -> Option<Vec<(String, String)>> {
    let mut count = 0;
    // SAFETY: `list` is open, and the number is written to `count`.
    if unsafe { H5Pget_virtual_count(list, &raw mut count) } < 0 {
        return None;
    }
    let part = |n| {
        // SAFETY: as `name` says; `list` is open, and has more than `n` parts.
        let file = name(|to, size| unsafe { H5Pget_virtual_filename(list, n, to, size) })?;
        // SAFETY: the same.
        let dataset = name(|to, size| unsafe { H5Pget_virtual_dsetname(list, n, to, size) })?;
        Some((file, dataset))
    };
    (0..count).map(part).collect()
}

/// A name that `get` writes to the bytes it is given, of which there are so many, and says how long it is.
fn name(get: impl Fn(*mut c_char, usize) -> isize) -> Option<String> {
    let length = usize::try_from(get(null_mut(), 0)).ok().filter(|length| *length < LONGEST)?;
    let mut bytes = vec![0u8; length + 1];
    let written = usize::try_from(get(bytes.as_mut_ptr().cast(), bytes.len())).ok()?;
    bytes.truncate(written.min(length));
    String::from_utf8(bytes).ok()
}
