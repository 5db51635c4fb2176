//! Decoding: the rings of one kernel, one record at a time, everything validated.

use super::offsets::Offsets;
use super::{NoLog, Record};
use crate::boot::memory::space::{Space, Window};
use crate::boot::memory::vmcoreinfo::VmCoreInfo;

/// `CONFIG_LOG_BUF_SHIFT` is at most 25, and there is a descriptor for every 32 bytes of text (`PRB_AVGBITS`); some more for `log_buf_len=`.
const TEXT_BITS_CAP: u64 = 28;
const COUNT_BITS_CAP: u64 = 22;
/// `text_len` has 16 bits.
const TEXT_CAP: usize = 1 << 16;
/// `DESC_ID_MASK`.
const ID_MASK: u64 = (1 << 62) - 1;

/// What one look at a descriptor gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A record. It is [`open`](Record::open) while more text may be appended.
    Record(Record),
    /// Its writer is still at it.
    Pending,
    /// It was recycled, before or while it was read.
    Recycled,
    /// The kernel has it, but its text was dropped (`FAILED_LPOS`): a sequence number without a record.
    Lost,
    /// It contradicts itself.
    Torn,
    /// A free descriptor: the oldest one is kept free.
    Free,
}

/// The ring buffer of one kernel.
#[derive(Clone)]
pub struct Ring {
    offsets: Offsets,
    /// Head and tail id.
    ids: [Window; 2],
    count: u64,
    descs: Window,
    infos: Window,
    text_size: u64,
    text: Window,
}

/// First and last descriptor id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Oldest.
    pub tail: u64,
    /// Newest.
    pub head: u64,
}

impl Bounds {
    /// Ids from `from` (or the oldest) to the newest.
    pub fn ids(self, from: Option<u64>) -> impl Iterator<Item = u64> {
        let first = from.unwrap_or(self.tail);
        let count = match self.head.wrapping_sub(first) & ID_MASK {
            // `first` is one behind the newest.
            ID_MASK => 0,
            distance => distance + 1,
        };
        (0..count).map(move |n| first.wrapping_add(n) & ID_MASK)
    }
}

/// The id after this one.
pub fn next_id(id: u64) -> u64 {
    id.wrapping_add(1) & ID_MASK
}

/// Whether `id` lies behind `tail`.
pub fn behind(tail: u64, id: u64) -> bool {
    (1..1 << 61).contains(&(tail.wrapping_sub(id) & ID_MASK))
}

impl Ring {
    /// Finds the ring buffer of the kernel that wrote this note.
    pub fn open(space: &Space, info: &VmCoreInfo) -> Result<Ring, NoLog> {
        let offsets = Offsets::read(info)?;
        let damaged = |why: &str| NoLog::damaged(info, why);
        let unmapped = || damaged("the printk ring buffer is not in guest memory");
        let word = |base: u64, field: u64| {
            space
                .read_u64(base.wrapping_add(field))
                .map_err(|_| unmapped())
        };
        let rb = word(offsets.prb, 0)?;
        let desc_ring = rb.wrapping_add(offsets.desc_ring);
        let text_ring = rb.wrapping_add(offsets.text_ring);
        // `unsigned int`, with padding or another field behind it.
        let bits = |base, field| word(base, field).map(|w| w & 0xffff_ffff);
        let count_bits = bits(desc_ring, offsets.count_bits)?;
        let text_bits = bits(text_ring, offsets.size_bits)?;
        if !(1..=COUNT_BITS_CAP).contains(&count_bits) || !(3..=TEXT_BITS_CAP).contains(&text_bits)
        {
            return Err(damaged("the printk ring buffer's sizes make no sense"));
        }
        let (count, text_size) = (1u64 << count_bits, 1u64 << text_bits);
        let window = |address: u64, len: u64| space.window(address, len).ok_or_else(unmapped);
        Ok(Ring {
            ids: [
                window(desc_ring.wrapping_add(offsets.head_id), 8)?,
                window(desc_ring.wrapping_add(offsets.tail_id), 8)?,
            ],
            count,
            descs: window(word(desc_ring, offsets.descs)?, count * offsets.desc_size)?,
            infos: window(word(desc_ring, offsets.infos)?, count * offsets.info_size)?,
            text_size,
            text: window(word(text_ring, offsets.data)?, text_size)?,
            offsets,
        })
    }

    /// The ids in the ring now. `None` when memory cannot be read, or when they contradict the ring's size.
    pub fn bounds(&self) -> Option<Bounds> {
        // The tail first: it only moves forward, so that a late head never lies before it.
        let tail = self.ids[1].read_u64(0)? & ID_MASK;
        let head = self.ids[0].read_u64(0)? & ID_MASK;
        (head.wrapping_sub(tail) & ID_MASK <= self.count).then_some(Bounds { tail, head })
    }

    /// Reads the record of one descriptor.
    pub fn record(&self, id: u64) -> Found {
        let index = id & (self.count - 1);
        let mut desc = vec![0; self.offsets.desc_size as usize];
        let desc_at = index * self.offsets.desc_size;
        if self.descs.read(desc_at, &mut desc).is_err() {
            return Found::Torn;
        }
        let Some(before) = long(&desc, self.offsets.state_var) else {
            return Found::Torn;
        };
        let open = match state(before, id) {
            State::Reserved => return Found::Pending,
            State::Committed => true,
            State::Finalized => false,
            State::Reusable => return Found::Free,
            State::Other => return Found::Recycled,
        };
        let found = self.content(id, &desc, index, open);
        match self.descs.read_u64(desc_at + self.offsets.state_var) {
            Some(after) if after == before => found,
            // It was finished, or opened again, meanwhile.
            Some(after) if !matches!(state(after, id), State::Reusable | State::Other) => {
                Found::Pending
            }
            _ => Found::Recycled,
        }
    }

    fn content(&self, id: u64, desc: &[u8], index: u64, open: bool) -> Found {
        let offsets = &self.offsets;
        let mut info = vec![0; offsets.info_size as usize];
        let at = index * offsets.info_size;
        if self.infos.read(at, &mut info).is_err() {
            return Found::Torn;
        }
        let (Some(seq), Some(nanoseconds), Some(lengths), Some(caller)) = (
            long(&info, offsets.seq),
            long(&info, offsets.ts),
            int(&info, offsets.text_len),
            int(&info, offsets.caller),
        ) else {
            return Found::Torn;
        };
        // Descriptors are used in turn, and so are sequence numbers (`desc_reserve`, `prb_reserve`).
        if seq & (self.count - 1) != index {
            return Found::Torn;
        }
        let (Some(begin), Some(next)) = (long(desc, offsets.begin), long(desc, offsets.next))
        else {
            return Found::Torn;
        };
        // `u16 text_len; u8 facility; u8 flags:5, level:3;`
        let [len_low, len_high, facility, flags] = lengths.to_le_bytes();
        let len = usize::from(u16::from_le_bytes([len_low, len_high]));
        let text = match self.text(id, begin, next, len) {
            Ok(text) => text,
            Err(found) => return found,
        };
        let device = |n: usize| {
            let (start, len) = offsets.device?[n];
            let field = info.get(start as usize..(start + len) as usize)?;
            Some(field.split(|b| *b == 0).next()?.to_vec())
        };
        Found::Record(Record {
            seq,
            nanoseconds,
            level: flags >> 5,
            facility,
            flags: flags & 0x1f,
            caller,
            text,
            subsystem: device(0).unwrap_or_default(),
            device: device(1).unwrap_or_default(),
            open,
        })
    }

    /// The text of a data block (`get_data` of kernel/printk/printk_ringbuffer.c). A block begins with its descriptor's id; one that
    /// does not fit behind `begin` lies, whole, at the start of the ring.
    fn text(&self, id: u64, begin: u64, next: u64, len: usize) -> Result<Vec<u8>, Found> {
        if begin & 1 == 1 && next & 1 == 1 {
            // Data-less: an empty line (`EMPTY_LINE_LPOS`, 3), or text that did not fit (`FAILED_LPOS`, 1).
            return if begin == 3 && next == 3 {
                Ok(Vec::new())
            } else {
                Err(Found::Lost)
            };
        }
        let wraps = |lpos: u64| lpos / self.text_size;
        let index = |lpos: u64| lpos & (self.text_size - 1);
        // `next` is where the following block begins: the last byte of this one tells where it lies (`is_blk_wrapped`; before that
        // function, a block that just fitted was wrapped too, and the other branch takes it). Positions overflow in time.
        let last = wraps(next.wrapping_sub(1));
        let (start, size) = if wraps(begin) == last {
            (index(begin), next.wrapping_sub(begin))
        } else if wraps(begin.wrapping_add(self.text_size)) == last {
            (0, index(next))
        } else {
            return Err(Found::Torn);
        };
        if size > self.text_size {
            return Err(Found::Torn);
        }
        let Some(room) = size.checked_sub(8).filter(|_| start % 8 == 0) else {
            return Err(Found::Torn);
        };
        // A truncated record may claim more than its block holds.
        let len = len.min(usize::try_from(room).unwrap_or(0)).min(TEXT_CAP);
        let mut block = vec![0; 8 + len];
        if self.text.read(start, &mut block).is_err() || long(&block, 0) != Some(id) {
            return Err(Found::Torn);
        }
        block.drain(..8);
        Ok(block)
    }
}

/// `enum desc_state`; states of other ids count as recycled.
enum State {
    Reserved,
    Committed,
    Finalized,
    Reusable,
    Other,
}

fn state(state_var: u64, id: u64) -> State {
    if state_var & ID_MASK != id {
        return State::Other;
    }
    match state_var >> 62 {
        0 => State::Reserved,
        1 => State::Committed,
        2 => State::Finalized,
        _ => State::Reusable,
    }
}

fn long(bytes: &[u8], offset: u64) -> Option<u64> {
    let start = usize::try_from(offset).ok()?;
    let part = bytes.get(start..start.checked_add(8)?)?;
    Some(u64::from_le_bytes(part.try_into().ok()?))
}

fn int(bytes: &[u8], offset: u64) -> Option<u32> {
    let start = usize::try_from(offset).ok()?;
    let part = bytes.get(start..start.checked_add(4)?)?;
    Some(u32::from_le_bytes(part.try_into().ok()?))
}
