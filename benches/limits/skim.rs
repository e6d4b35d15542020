//! What an insert request says of itself, while its values pass by.

/// Field numbers of `InsertRequest`.
const COLLECTION: u64 = 3;
const ROWS: u64 = 7;

/// What was seen of a request so far.
pub struct Skimmed {
    pub collection: String,
    pub rows: u64,
    /// Bytes to pass over: of gRPC's prefix first, then of values.
    skip: usize,
    /// The beginning of a field that the last chunk broke off in.
    begun: Vec<u8>,
}

impl Default for Skimmed {
    fn default() -> Self {
        Skimmed { collection: String::new(), rows: 0, skip: 5, begun: Vec::new() }
    }
}

/// Looks at the next bytes of a request.
pub fn skim(seen: &mut Skimmed, chunk: &[u8]) {
    let passed = seen.skip.min(chunk.len());
    seen.skip -= passed;
    let chunk = &chunk[passed..];
    if seen.begun.is_empty() {
        let rest = fields(seen, chunk).to_vec();
        seen.begun = rest;
    } else {
        let mut begun = std::mem::take(&mut seen.begun);
        begun.extend_from_slice(chunk);
        let rest = fields(seen, &begun).to_vec();
        seen.begun = rest;
    }
}

/// Goes through the fields that begin in `bytes`; what is left of one that can't be told yet.
fn fields<'a>(seen: &mut Skimmed, mut bytes: &'a [u8]) -> &'a [u8] {
    while !bytes.is_empty() {
        let Some((tag, rest)) = varint(bytes) else { return bytes };
        let Some((number, rest)) = varint(rest) else { return bytes };
        let (field, is_bytes) = (tag >> 3, tag & 7 == 2);
        assert!(is_bytes || tag & 7 == 0, "requests have no other kinds of fields");
        let len = if is_bytes { usize::try_from(number).unwrap() } else { 0 };
        match field {
            COLLECTION if rest.len() < len => return bytes,
            COLLECTION => seen.collection = String::from_utf8(rest[..len].to_vec()).unwrap(),
            ROWS => seen.rows = number,
            _ => {}
        }
        let here = len.min(rest.len());
        seen.skip = len - here;
        bytes = &rest[here..];
    }
    bytes
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let len = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let low = bytes[..len].iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f));
    Some((low, &bytes[len..]))
}
