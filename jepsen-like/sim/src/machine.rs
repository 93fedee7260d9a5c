//! The machine's entropy and clocks, replaced for the whole process.
//!
//! Libraries read both behind our seams: hash maps take random keys, tarpc counts deadlines from
//! the real clock. Here entropy is a fixed stream and time stands still between two steps of the
//! simulation, so that the same seed meets the same machine in every process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

static ENTROPY: AtomicU64 = AtomicU64::new(0x9e37_79b9_7f4a_7c15);
static ELAPSED_NS: AtomicU64 = AtomicU64::new(0);

/// What every clock of the process shows at the start of the simulation.
pub const EPOCH: Duration = Duration::from_secs(1_800_000_000);

/// Sets every clock of the process to `elapsed` after [`EPOCH`].
pub fn set_clocks(elapsed: Duration) {
    let elapsed_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
    ELAPSED_NS.store(elapsed_ns, Ordering::Relaxed);
}

/// SplitMix64.
fn next() -> u64 {
    let state = ENTROPY.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// Stands in for libc's function of this name, which the standard library and `getrandom` call.
///
/// # Safety
/// `buffer` must be valid for writes of `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    // SAFETY: the caller promises that the buffer is valid for this length.
    let buffer = unsafe { std::slice::from_raw_parts_mut(buffer, length) };
    for chunk in buffer.chunks_mut(8) {
        chunk.copy_from_slice(&next().to_le_bytes()[..chunk.len()]);
    }
    isize::try_from(length).unwrap_or(isize::MAX)
}

/// libc's `struct timespec` on 64-bit Linux.
#[repr(C)]
pub struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

/// Stands in for libc's function of this name, which `Instant` and `SystemTime` call.
///
/// # Safety
/// `time` must be valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(_clock: i32, time: *mut Timespec) -> i32 {
    let now = EPOCH + Duration::from_nanos(ELAPSED_NS.load(Ordering::Relaxed));
    let shown = Timespec {
        seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: i64::from(now.subsec_nanos()),
    };
    // SAFETY: the caller promises that the pointer is valid for a write.
    unsafe { time.write(shown) };
    0
}
