//! Buffers that go round: lent to a batch, and back when the last view of it is gone.
//!
//! A fresh page costs microseconds on a virtual machine; with new buffers for each read a tailer of 1 MB lines is nineteen
//! times slower. What is kept for the next read is bounded, and given up when there is nothing to read.

use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes read at once, when the line is not longer. Measured: beyond 256 KB a buffer no longer stays in the cache.
pub(super) const BLOCK: usize = 256 << 10;
/// Room in front of a block for the bytes before it, by which the file is recognised.
pub(super) const LOOK_BACK: usize = 256;
/// Usual buffers kept free: as many as are in flight at first.
const BLOCKS_MAX: usize = 16;
/// Larger buffers kept free: for long lines, one that is read while two are in flight.
const LARGE_MAX: usize = 3;
/// Larger buffers than this are not kept.
const LARGE_BYTES_MAX: usize = 64 << 20;

/// Free buffers.
#[derive(Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Free>>);

#[derive(Default)]
struct Free {
    blocks: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
}

/// A buffer that batches look at.
struct Lent {
    buffer: Vec<u8>,
    home: Buffers,
}

impl Buffers {
    /// An empty buffer with room for a block and what is before it.
    pub(super) fn take(&self) -> Vec<u8> {
        self.lock().blocks.pop().unwrap_or_else(|| Vec::with_capacity(BLOCK + LOOK_BACK))
    }

    /// An empty buffer with room for at least so many bytes.
    pub(super) fn take_large(&self, bytes: usize) -> Vec<u8> {
        if bytes <= BLOCK + LOOK_BACK {
            return self.take();
        }
        let mut free = self.lock();
        let large = &mut free.large;
        // A read fills what room there is: a buffer that is much too large would be filled for nothing.
        let fits = large.iter().position(|b| b.capacity() >= bytes && b.capacity() / 2 <= bytes);
        let taken = fits.map(|index| large.swap_remove(index));
        drop(free);
        taken.unwrap_or_else(|| Vec::with_capacity(bytes))
    }

    /// Lends a buffer to whoever looks at it. What fills little of it is copied: a few bytes must not keep a block.
    pub(super) fn lend(&self, buffer: Vec<u8>) -> Bytes {
        if buffer.len() < buffer.capacity() / 4 {
            let copy = Bytes::copy_from_slice(&buffer);
            self.give_back(buffer);
            return copy;
        }
        Bytes::from_owner(Lent { buffer, home: self.clone() })
    }

    /// Takes a buffer back.
    pub(super) fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut free = self.lock();
        if buffer.capacity() <= (BLOCK + LOOK_BACK) * 2 {
            if buffer.capacity() >= BLOCK + LOOK_BACK && free.blocks.len() < BLOCKS_MAX {
                free.blocks.push(buffer);
            }
        } else if buffer.capacity() <= LARGE_BYTES_MAX && free.large.len() < LARGE_MAX {
            free.large.push(buffer);
        }
    }

    /// There is nothing to read for a while: keeps one buffer and gives the rest back to the system.
    pub(super) fn rest(&self) {
        let mut free = self.lock();
        free.large = Vec::new();
        free.blocks.truncate(1);
    }

    fn lock(&self) -> MutexGuard<'_, Free> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, BLOCKS_MAX, Buffers, LARGE_BYTES_MAX};

    #[test]
    fn a_buffer_comes_back_when_the_last_view_of_it_is_gone() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take();
        buffer.resize(BLOCK, b'x');
        let at = buffer.as_ptr();
        let whole = buffers.lend(buffer);
        let view = whole.slice(7..9);
        drop(whole);
        assert_eq!(&view[..], b"xx");
        assert!(buffers.lock().blocks.is_empty());
        drop(view);
        let again = buffers.take();
        assert_eq!(again.as_ptr(), at);
    }

    #[test]
    fn a_short_line_does_not_keep_a_whole_block() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take();
        buffer.extend_from_slice(b"short");
        let bytes = buffers.lend(buffer);
        assert_eq!(buffers.lock().blocks.len(), 1);
        assert_eq!(&bytes[..], b"short");
    }

    #[test]
    fn what_is_kept_free_is_bounded_and_given_up_at_rest() {
        let buffers = Buffers::default();
        for _ in 0..BLOCKS_MAX * 2 {
            buffers.give_back(Vec::with_capacity(BLOCK + 256));
        }
        buffers.give_back(Vec::with_capacity(LARGE_BYTES_MAX + 1));
        buffers.give_back(Vec::with_capacity(3 << 20));
        buffers.give_back(Vec::with_capacity(5 << 20));
        let free = buffers.lock();
        assert_eq!((free.blocks.len(), free.large.len()), (BLOCKS_MAX, 2));
        drop(free);
        assert!(buffers.take_large(4 << 20).capacity() == 5 << 20);
        buffers.rest();
        let free = buffers.lock();
        assert_eq!((free.blocks.len(), free.large.len()), (1, 0));
    }
}
