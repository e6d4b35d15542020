//! Files mapped into memory, for formats whose rows lie in the file as they travel.
//!
//! A map is bytes that are read when they are touched, and that need no memory of ours. What can go
//! wrong is that the file is cut off by somebody else meanwhile: then touching what is gone raises
//! a signal, which ends a program that does not expect it. Here such a page becomes one of zeros,
//! and the map is marked as torn, so that its reader ends with an error instead.
//!
//! Beside the one that reads into vectors, this is the only module with unsafe code.
#![allow(unsafe_code, reason = "maps, their signal, and Arrow buffers that point into them")]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};

use arrow::buffer::Buffer;
use memmap2::{Advice, Mmap, UncheckedAdvice};

/// A file in memory, read-only.
#[derive(Debug)]
pub struct FileMap {
    file: File,
    bytes: Mmap,
    place: &'static Slot,
}

impl FileMap {
    /// Maps the whole file as it is now.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn of(file: File) -> io::Result<Arc<FileMap>> {
        install()?;
        // SAFETY: another process may change the file under the map. Readers here treat the bytes
        // as untrusted anyway, and a file that is cut off is dealt with by the signal's handler.
        let bytes = unsafe { Mmap::map(&file) }?;
        // Readers go from front to back; where the system does not care, nor do they.
        let _ = bytes.advise(Advice::Sequential);
        let start = bytes.as_ptr() as usize;
        let place = Slot::take(start, start.saturating_add(bytes.len()))?;
        Ok(Arc::new(FileMap { file, bytes, place }))
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The file's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// False once bytes were touched that the file no longer has: they read as zeros.
    pub fn is_intact(&self) -> bool {
        // What was read before must have been read before this is asked.
        fence(Ordering::SeqCst);
        !self.place.torn.load(Ordering::SeqCst)
    }

    /// The bytes of `range`, not copied. They stay mapped as long as the buffer lives.
    pub fn buffer(self: &Arc<Self>, range: Range<usize>) -> Option<Buffer> {
        let bytes = self.bytes.get(range.clone())?;
        let start = NonNull::new(bytes.as_ptr().cast_mut())?;
        let owner = Arc::new(Slice { map: Arc::clone(self), range });
        // SAFETY: the bytes lie in the map, which `owner` keeps alive, and nobody writes to it.
        Some(unsafe { Buffer::from_custom_allocation(start, bytes.len(), owner) })
    }

    /// Lets go of the pages that lie wholly in `range`: they come back when they are touched. A
    /// reader that goes through a large file keeps no more of it resident than it works on.
    pub fn let_go(&self, range: &Range<usize>) {
        let page = page_size();
        let base = self.bytes.as_ptr() as usize;
        let start = (base + range.start).next_multiple_of(page) - base;
        let end = (base + range.end) / page * page;
        if let Some(len) = end.checked_sub(base + start).filter(|len| *len > 0) {
            // SAFETY: a read-only map of a file has nothing to lose: its pages are read again.
            let _ =
                unsafe { self.bytes.unchecked_advise_range(UncheckedAdvice::DontNeed, start, len) };
        }
    }
}

impl Drop for FileMap {
    fn drop(&mut self) {
        self.place.give_back();
    }
}

/// Keeps the map under a buffer alive, and lets go of the pages after it.
struct Slice {
    map: Arc<FileMap>,
    range: Range<usize>,
}

impl Drop for Slice {
    fn drop(&mut self) {
        self.map.let_go(&self.range);
    }
}

/// Maps that there can be at once. Readers hold a few each.
const SLOTS: usize = 4096;

/// Where a map lies, for the signal's handler, which may do next to nothing.
#[derive(Debug)]
struct Slot {
    taken: AtomicBool,
    start: AtomicUsize,
    end: AtomicUsize,
    torn: AtomicBool,
}

static MAPS: [Slot; SLOTS] = [const {
    Slot {
        taken: AtomicBool::new(false),
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        torn: AtomicBool::new(false),
    }
}; SLOTS];

impl Slot {
    fn take(start: usize, end: usize) -> io::Result<&'static Slot> {
        let free = MAPS.iter().find(|slot| !slot.taken.swap(true, Ordering::AcqRel));
        let slot = free.ok_or_else(|| io::Error::other("too many files are mapped at once"))?;
        slot.torn.store(false, Ordering::Release);
        slot.end.store(end, Ordering::Release);
        slot.start.store(start, Ordering::Release);
        Ok(slot)
    }

    fn give_back(&self) {
        self.end.store(0, Ordering::Release);
        self.start.store(0, Ordering::Release);
        self.taken.store(false, Ordering::Release);
    }

    fn holds(&self, address: usize) -> bool {
        (self.start.load(Ordering::Acquire)..self.end.load(Ordering::Acquire)).contains(&address)
    }
}

fn page_size() -> usize {
    static PAGE: OnceLock<usize> = OnceLock::new();
    *PAGE.get_or_init(|| {
        // SAFETY: asks for a number.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(size).unwrap_or(4096)
    })
}

/// What was done about the signal before.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();
/// [`page_size`], for the handler.
static HANDLER_PAGE: AtomicUsize = AtomicUsize::new(4096);

/// Installs the handler, once.
fn install() -> io::Result<()> {
    static DONE: OnceLock<i32> = OnceLock::new();
    let failed = DONE.get_or_init(|| {
        HANDLER_PAGE.store(page_size(), Ordering::Release);
        // SAFETY: both structures are plain, and the handler does only what a handler may.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(libc::SIGBUS, std::ptr::null(), &mut before) != 0 {
                return io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL);
            }
            let _ = BEFORE.set(before);
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_bus_error as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            libc::sigemptyset(&mut action.sa_mask);
            match libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut()) {
                0 => 0,
                _ => io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL),
            }
        }
    });
    match failed {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(*code)),
    }
}

/// A page of a map can't be had: the file is shorter now, or its disk failed.
extern "C" fn on_bus_error(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the system passes a valid structure. Only atomics and system calls are used.
    unsafe {
        let address = (*info).si_addr() as usize;
        // A positive code comes from the system, and not from another program's `kill`.
        let is_fault = (*info).si_code > 0;
        let mut is_ours = false;
        // Before the zeros are there: no other thread may see them and find the map intact. And all
        // that seem to hold the address: a slot that just changes hands may show half of each.
        for slot in MAPS.iter().filter(|slot| is_fault && slot.holds(address)) {
            slot.torn.store(true, Ordering::SeqCst);
            is_ours = true;
        }
        if is_ours {
            let page = HANDLER_PAGE.load(Ordering::Acquire);
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
            let start = (address / page * page) as *mut libc::c_void;
            if libc::mmap(start, page, libc::PROT_READ, flags, -1, 0) != libc::MAP_FAILED {
                return;
            }
        }
        // Not a page of ours: what happened before this handler happens, when the access is
        // tried again.
        if let Some(before) = BEFORE.get() {
            libc::sigaction(libc::SIGBUS, before, std::ptr::null_mut());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn a_file_that_is_cut_off_reads_as_zeros_and_is_known_to_be_torn() {
        let page = page_size();
        let file = file_of(&vec![7; 4 * page]);
        let map = FileMap::of(File::open(file.path()).unwrap()).unwrap();
        assert!(map.bytes().iter().all(|&byte| byte == 7));
        assert!(map.is_intact());
        let other = FileMap::of(File::open(file.path()).unwrap()).unwrap();
        file.as_file().set_len(page as u64).unwrap();
        assert_eq!(map.bytes()[0], 7);
        assert!(map.is_intact());
        map.let_go(&(0..4 * page));
        assert_eq!(map.bytes()[3 * page], 0);
        assert!(!map.is_intact());
        assert!(other.is_intact(), "nobody touched it there");
    }

    #[test]
    fn buffers_outlive_their_map_s_owner_and_pages_come_back() {
        let page = page_size();
        let bytes: Vec<u8> = (0..3 * page).map(|n| (n % 251) as u8).collect();
        let file = file_of(&bytes);
        let map = FileMap::of(File::open(file.path()).unwrap()).unwrap();
        assert!(map.buffer(0..3 * page + 1).is_none());
        let buffer = map.buffer(5..2 * page).unwrap();
        let again = map.buffer(5..2 * page).unwrap();
        drop(map);
        assert_eq!(buffer.as_slice(), &bytes[5..2 * page]);
        drop(buffer);
        assert_eq!(again.as_slice(), &bytes[5..2 * page]);
    }

    #[test]
    fn an_empty_file_is_an_empty_map() {
        let map = FileMap::of(File::open(file_of(b"").path()).unwrap()).unwrap();
        assert!(map.bytes().is_empty());
        map.let_go(&(0..0));
    }
}
