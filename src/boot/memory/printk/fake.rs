//! A guest whose RAM holds a note and a ring buffer, filled by the kernel's own rules (kernel/printk/printk_ringbuffer.c). Small
//! rings, so that tests see them wrap.

use super::record::Record;
use crate::boot::memory::vmcoreinfo::tests::note;
use crate::boot::memory::{GuestMemory, MemoryError};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};

const KERNEL_MAP: u64 = 0xffff_ffff_8000_0000;
const COUNT_BITS: u32 = 5;
const COUNT: u64 = 1 << COUNT_BITS;
const TEXT_BITS: u32 = 10;
const TEXT: u64 = 1 << TEXT_BITS;
const NOTE_AT: u64 = 0x1000;
const RB_AT: u64 = 0x2100;
const DESCS_AT: u64 = 0x3000;
const INFOS_AT: u64 = 0x4000;
const TEXT_AT: u64 = 0x6000;
pub(crate) const RAM: u64 = 0x7000;
const ID_MASK: u64 = (1 << 62) - 1;
const INFO: u64 = 88;

const VALUES: &str = "SYMBOL(swapper_pg_dir)=ffffffff80000800\nSYMBOL(prb)=ffffffff80002000\nNUMBER(phys_base)=0\n\
    OFFSET(printk_ringbuffer.desc_ring)=0\nOFFSET(printk_ringbuffer.text_data_ring)=48\n\
    OFFSET(prb_desc_ring.count_bits)=0\nOFFSET(prb_desc_ring.descs)=8\nOFFSET(prb_desc_ring.infos)=16\n\
    OFFSET(prb_desc_ring.head_id)=24\nOFFSET(prb_desc_ring.tail_id)=32\nSIZE(prb_desc)=24\n\
    OFFSET(prb_desc.state_var)=0\nOFFSET(prb_desc.text_blk_lpos)=8\nOFFSET(prb_data_blk_lpos.begin)=0\n\
    OFFSET(prb_data_blk_lpos.next)=8\nSIZE(printk_info)=88\nOFFSET(printk_info.seq)=0\n\
    OFFSET(printk_info.ts_nsec)=8\nOFFSET(printk_info.text_len)=16\nOFFSET(printk_info.caller_id)=20\n\
    OFFSET(printk_info.dev_info)=24\nOFFSET(dev_printk_info.subsystem)=0\nLENGTH(printk_info_subsystem)=16\n\
    OFFSET(dev_printk_info.device)=16\nLENGTH(printk_info_device)=48\nOFFSET(prb_data_ring.size_bits)=0\n\
    OFFSET(prb_data_ring.data)=8\nOFFSET(atomic_long_t.counter)=0\n";

/// State of a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Reserved = 0,
    Committed = 1,
    Finalized = 2,
}

/// The guest. Clones share its memory.
#[derive(Clone)]
pub(crate) struct Guest(Arc<Inner>);

struct Inner {
    kernel: Mutex<Kernel>,
    range: Range<u64>,
}

struct Kernel {
    ram: Vec<u8>,
    head_id: u64,
    tail_id: u64,
    head_lpos: u64,
    tail_lpos: u64,
    seq: u64,
    /// Records with text, oldest first: id and where their text ends.
    live: VecDeque<(u64, Option<u64>)>,
    model: VecDeque<Record>,
}

impl Kernel {
    fn boot(release: &str) -> Kernel {
        let first = 0u64.wrapping_sub(COUNT + 1) & ID_MASK;
        let start = 0u64.wrapping_sub(TEXT);
        let mut kernel = Kernel {
            ram: vec![0; RAM as usize],
            head_id: first,
            tail_id: first,
            head_lpos: start,
            tail_lpos: start,
            seq: 0,
            live: VecDeque::new(),
            model: VecDeque::new(),
        };
        kernel.put(NOTE_AT, &note(&format!("OSRELEASE={release}\n{VALUES}")));
        kernel.long(0x2000, KERNEL_MAP + RB_AT);
        kernel.long(RB_AT, u64::from(COUNT_BITS));
        kernel.long(RB_AT + 8, KERNEL_MAP + DESCS_AT);
        kernel.long(RB_AT + 16, KERNEL_MAP + INFOS_AT);
        kernel.long(RB_AT + 48, u64::from(TEXT_BITS));
        kernel.long(RB_AT + 56, KERNEL_MAP + TEXT_AT);
        let last = DESCS_AT + (COUNT - 1) * 24;
        kernel.long(last, first | 3 << 62);
        kernel.long(last + 8, 1);
        kernel.long(last + 16, 1);
        kernel.publish();
        kernel
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        self.ram[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    }

    fn long(&mut self, at: u64, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    fn publish(&mut self) {
        self.long(RB_AT + 24, self.head_id);
        self.long(RB_AT + 32, self.tail_id);
    }

    fn drop_oldest(&mut self) {
        let Some((id, end)) = self.live.pop_front() else {
            panic!("a record larger than the ring");
        };
        self.model.pop_front();
        self.long(DESCS_AT + (id & (COUNT - 1)) * 24, id | 3 << 62);
        if let Some(end) = end {
            self.tail_lpos = end;
        }
        self.tail_id = id;
    }

    fn alloc(&mut self, len: usize) -> (u64, u64) {
        let size = (8 + len as u64).next_multiple_of(8);
        let begin = self.head_lpos;
        let mut next = begin.wrapping_add(size);
        if begin >> TEXT_BITS != next.wrapping_sub(1) >> TEXT_BITS {
            next = (next >> TEXT_BITS << TEXT_BITS).wrapping_add(size);
        }
        while next.wrapping_sub(self.tail_lpos) > TEXT {
            self.drop_oldest();
        }
        self.head_lpos = next;
        (begin, next)
    }

    fn push(&mut self, text: &str, state: State) {
        let id = self.head_id.wrapping_add(1) & ID_MASK;
        while id.wrapping_sub(self.tail_id) & ID_MASK >= COUNT {
            self.drop_oldest();
        }
        self.head_id = id;
        let blocks = (!text.is_empty()).then(|| self.alloc(text.len()));
        let index = id & (COUNT - 1);
        let seq = self.seq;
        self.seq += 1;
        let info = INFOS_AT + index * INFO;
        self.put(info, &[0; INFO as usize]);
        self.long(info, seq);
        self.long(info + 8, seq * 1_000_000);
        self.put(info + 16, &(text.len() as u16).to_le_bytes());
        self.put(info + 18, &[3, 6 << 5 | 2, 9, 0, 0, 0]);
        self.put(info + 24, b"pci");
        self.put(info + 40, b"+pci:0000:00:1f.2");
        let desc = DESCS_AT + index * 24;
        let (begin, next) = blocks.unwrap_or((3, 3));
        self.long(desc, id | (state as u64) << 62);
        self.long(desc + 8, begin);
        self.long(desc + 16, next);
        if blocks.is_some() {
            let fits = begin >> TEXT_BITS == next.wrapping_sub(1) >> TEXT_BITS;
            let start = TEXT_AT + if fits { begin & (TEXT - 1) } else { 0 };
            self.long(start, id);
            self.put(start + 8, text.as_bytes());
        }
        self.live.push_back((id, blocks.map(|b| b.1)));
        self.model.push_back(Record {
            seq,
            nanoseconds: seq * 1_000_000,
            level: 6,
            facility: 3,
            flags: 2,
            caller: 9,
            text: text.into(),
            subsystem: b"pci".to_vec(),
            device: b"+pci:0000:00:1f.2".to_vec(),
            open: state == State::Committed,
        });
        self.publish();
    }
}

impl Guest {
    /// A booted kernel without a record.
    pub(crate) fn boot(release: &str) -> Guest {
        Guest(Arc::new(Inner {
            kernel: Mutex::new(Kernel::boot(release)),
            range: 0..RAM,
        }))
    }

    /// One more record.
    pub(crate) fn print(&self, text: &str) {
        self.print_as(text, State::Finalized);
    }

    /// One more record in any state.
    pub(crate) fn print_as(&self, text: &str, state: State) {
        self.0.kernel.lock().unwrap().push(text, state);
    }

    /// Changes the state of the newest record.
    pub(crate) fn set_newest(&self, state: State) {
        let mut kernel = self.0.kernel.lock().unwrap();
        let id = kernel.head_id;
        kernel.long(
            DESCS_AT + (id & (COUNT - 1)) * 24,
            id | (state as u64) << 62,
        );
    }

    /// The records that the ring still holds.
    pub(crate) fn model(&self) -> Vec<Record> {
        self.0
            .kernel
            .lock()
            .unwrap()
            .model
            .iter()
            .cloned()
            .collect()
    }

    /// Another kernel takes over the same memory.
    pub(crate) fn reboot(&self, release: &str) {
        *self.0.kernel.lock().unwrap() = Kernel::boot(release);
    }

    /// A copy of the RAM.
    pub(crate) fn ram(&self) -> Vec<u8> {
        self.0.kernel.lock().unwrap().ram.clone()
    }

    /// Writes into the RAM.
    pub(crate) fn poke(&self, at: u64, bytes: &[u8]) {
        self.0.kernel.lock().unwrap().put(at, bytes);
    }

    /// As memory to read.
    pub(crate) fn memory(&self) -> Arc<dyn GuestMemory> {
        Arc::new(self.clone())
    }

    /// Where the text of a ring position lies.
    pub(crate) fn text_at(index: u64) -> u64 {
        TEXT_AT + index
    }
}

impl GuestMemory for Guest {
    fn ranges(&self) -> &[Range<u64>] {
        std::slice::from_ref(&self.0.range)
    }
    fn read_at(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let kernel = self.0.kernel.lock().unwrap();
        let start = usize::try_from(address).unwrap_or(usize::MAX);
        let part = kernel
            .ram
            .get(start..start.saturating_add(buf.len()))
            .ok_or(MemoryError::NotRam { address })?;
        buf.copy_from_slice(part);
        Ok(())
    }
}
