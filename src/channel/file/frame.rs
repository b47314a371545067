//! What is written: frames. One header, two checksums. `FORMAT.md` §3 has every byte.
//!
//! The payload's checksum is taken by whoever makes the frame, on its own thread and while the bytes are in its cache; the
//! header's by the committer, which alone knows where the frame comes to lie.

/// Bytes of a frame's header.
pub(super) const HEADER: usize = 64;
/// Frames begin at multiples of this.
pub(super) const ALIGN: u64 = 8;

const VERSION: u8 = 1;
/// Where the header's own checksum lies; it counts as zero in itself.
const HEADER_CRC: std::ops::Range<usize> = 44..48;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Events that entered together, and their origin.
    Batch,
    /// Ranges of sequences that are settled.
    Settled,
    /// The state of the channel at the beginning of a segment (R3).
    Snapshot,
    /// Nothing follows in this segment.
    Seal,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Batch, Self::Settled, Self::Snapshot, Self::Seal];

    fn code(self) -> u8 {
        match self {
            Self::Batch => 1,
            Self::Settled => 2,
            Self::Snapshot => 3,
            Self::Seal => 4,
        }
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    /// Bytes of payload behind the header.
    pub(super) payload: u32,
    /// CRC-32C of the payload.
    pub(super) payload_crc: u32,
    /// The frame's number in the channel's life.
    pub(super) index: u64,
    /// R1: frames below this number were durable when this one was written.
    pub(super) synced: u64,
    /// Sequence of the first event; for other frames, of the next event to come.
    pub(super) first: u64,
    /// Events.
    pub(super) count: u32,
    /// When it was made, in milliseconds since 1970.
    pub(super) wall_ms: i64,
    /// The life of the segment it is in: what an earlier life left behind does not pass for this one's.
    pub(super) generation: u64,
}

impl Header {
    /// How every frame begins.
    pub(super) const MAGIC: [u8; 4] = *b"TAW1";

    /// Bytes from this frame's begin to the next one's.
    pub(super) fn stride(&self) -> u64 {
        stride(u64::from(self.payload))
    }

    pub(super) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0..4].copy_from_slice(&Self::MAGIC);
        bytes[4] = self.kind.code();
        bytes[5] = VERSION;
        bytes[8..12].copy_from_slice(&self.payload.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.payload_crc.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.index.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.synced.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.first.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.count.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.wall_ms.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.generation.to_le_bytes());
        let crc = crc32c::crc32c(&bytes);
        bytes[HEADER_CRC].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header that these bytes are, if their checksum holds.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes: [u8; HEADER] = bytes.get(..HEADER)?.try_into().ok()?;
        let crc = u32_at(&bytes, 44);
        bytes[HEADER_CRC].fill(0);
        if !bytes.starts_with(&Self::MAGIC) || bytes[5] != VERSION || crc32c::crc32c(&bytes) != crc
        {
            return None;
        }
        Some(Self {
            kind: Kind::ALL.into_iter().find(|kind| kind.code() == bytes[4])?,
            payload: u32_at(&bytes, 8),
            payload_crc: u32_at(&bytes, 12),
            index: u64_at(&bytes, 16),
            synced: u64_at(&bytes, 24),
            first: u64_at(&bytes, 32),
            count: u32_at(&bytes, 40),
            wall_ms: i64::from_le_bytes(u64_at(&bytes, 48).to_le_bytes()),
            generation: u64_at(&bytes, 56),
        })
    }
}

/// Bytes that a frame with so much payload takes.
pub(super) fn stride(payload: u64) -> u64 {
    (u64::try_from(HEADER).expect("64 fits") + payload).next_multiple_of(ALIGN)
}

fn u32_at(bytes: &[u8; HEADER], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8; HEADER], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::{HEADER, Header, Kind};

    fn header() -> Header {
        Header {
            kind: Kind::Batch,
            payload: 3,
            payload_crc: crc32c::crc32c(b"abc"),
            index: 0x0102_0304_0506_0708,
            synced: 7,
            first: 42,
            count: 2,
            wall_ms: -5,
            generation: 9,
        }
    }

    #[test]
    fn the_bytes_of_a_header_never_change() {
        let hex = header().encode().iter().fold(String::new(), |hex, b| format!("{hex}{b:02x}"));
        let expected = "54415731010100000300000".to_owned()
            + "0b73f4b36080706050403020107000000000000002a0000000000000002000000";
        assert!(hex.starts_with(&expected), "{hex}");
        assert_eq!(Header::decode(&header().encode()), Some(header()));
    }

    /// Whether both checksums hold.
    fn holds(bytes: &[u8]) -> bool {
        Header::decode(bytes).is_some_and(|header| {
            let payload = bytes[HEADER..].get(..usize::try_from(header.payload).unwrap());
            payload.is_some_and(|payload| crc32c::crc32c(payload) == header.payload_crc)
        })
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let mut bytes = header().encode().to_vec();
        bytes.extend_from_slice(b"abc");
        assert!(holds(&bytes));
        for bit in 0..(HEADER + 3) * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!holds(&bytes), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for short in 0..bytes.len() {
            assert!(!holds(&bytes[..short]));
        }
    }
}
