//! Where the fields of the ring buffer's structures are, by vmcoreinfo (kernel/printk/printk.c, `log_buf_vmcoreinfo_setup`).

use super::NoLog;
use crate::boot::memory::vmcoreinfo::VmCoreInfo;

/// The largest structure, `struct printk_info`, has about 88 bytes.
const SIZE_CAP: u64 = 4096;

/// Offsets and sizes in bytes; all below the cap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offsets {
    /// Address of the pointer to the active `struct printk_ringbuffer`.
    pub(super) prb: u64,
    pub(super) desc_ring: u64,
    pub(super) text_ring: u64,
    pub(super) count_bits: u64,
    pub(super) descs: u64,
    pub(super) infos: u64,
    pub(super) head_id: u64,
    pub(super) tail_id: u64,
    pub(super) size_bits: u64,
    pub(super) data: u64,
    pub(super) desc_size: u64,
    pub(super) state_var: u64,
    pub(super) begin: u64,
    pub(super) next: u64,
    pub(super) info_size: u64,
    pub(super) seq: u64,
    pub(super) ts: u64,
    pub(super) text_len: u64,
    pub(super) caller: u64,
    /// Start and length of subsystem and device, when the kernel has them.
    pub(super) device: Option<[(u64, u64); 2]>,
}

impl Offsets {
    /// All that decoding needs, or what is missing.
    pub(super) fn read(info: &VmCoreInfo) -> Result<Offsets, NoLog> {
        let Some(prb) = info.symbol("prb") else {
            if info.version().is_some_and(|v| v < (5, 10)) {
                let release = info.release().to_owned();
                return Err(NoLog::TooOld { release });
            }
            return Err(NoLog::incomplete(info, "SYMBOL(prb) (CONFIG_PRINTK)"));
        };
        let offset = |name: &str| {
            info.offset(name)
                .filter(|o| *o < SIZE_CAP)
                .ok_or_else(|| NoLog::incomplete(info, format!("OFFSET({name})")))
        };
        let size = |name: &str| {
            info.size(name)
                .filter(|s| (8..SIZE_CAP).contains(s))
                .ok_or_else(|| NoLog::incomplete(info, format!("SIZE({name})")))
        };
        let counter = info
            .offset("atomic_long_t.counter")
            .filter(|o| *o < SIZE_CAP)
            .unwrap_or(0);
        let lpos = offset("prb_desc.text_blk_lpos")?;
        Ok(Offsets {
            prb,
            desc_ring: offset("printk_ringbuffer.desc_ring")?,
            text_ring: offset("printk_ringbuffer.text_data_ring")?,
            count_bits: offset("prb_desc_ring.count_bits")?,
            descs: offset("prb_desc_ring.descs")?,
            infos: offset("prb_desc_ring.infos")?,
            head_id: offset("prb_desc_ring.head_id")? + counter,
            tail_id: offset("prb_desc_ring.tail_id")? + counter,
            size_bits: offset("prb_data_ring.size_bits")?,
            data: offset("prb_data_ring.data")?,
            desc_size: size("prb_desc")?,
            state_var: offset("prb_desc.state_var")? + counter,
            begin: lpos + offset("prb_data_blk_lpos.begin")?,
            next: lpos + offset("prb_data_blk_lpos.next")?,
            info_size: size("printk_info")?,
            seq: offset("printk_info.seq")?,
            ts: offset("printk_info.ts_nsec")?,
            text_len: offset("printk_info.text_len")?,
            caller: offset("printk_info.caller_id")?,
            device: device(info),
        })
    }
}

fn device(info: &VmCoreInfo) -> Option<[(u64, u64); 2]> {
    let base = info.offset("printk_info.dev_info")?;
    let field = |field: &str, length: &str| {
        let start = base.checked_add(info.offset(field)?)?;
        let len = info.length(length)?;
        (start < SIZE_CAP && len < SIZE_CAP).then_some((start, len))
    };
    Some([
        field("dev_printk_info.subsystem", "printk_info_subsystem")?,
        field("dev_printk_info.device", "printk_info_device")?,
    ])
}
