//! Kernel-virtual addresses → guest-physical ones, by walking the kernel's own page tables.
//!
//! The tables give everything alike: kernel image (whatever KASLR did), direct map, memory map, vmalloc. Only their root must be found
//! by arithmetic: on x86-64 from `phys_base` (arch/x86/mm/physaddr.c), on arm64 from `kimage_voffset`
//! (arch/arm64/include/asm/memory.h).

pub mod window;

pub use window::Window;

use super::vmcoreinfo::VmCoreInfo;
use super::{GuestMemory, MemoryError};
use std::sync::Arc;

/// `__START_KERNEL_map` of x86-64.
const X86_KERNEL_MAP: u64 = 0xffff_ffff_8000_0000;
/// Bits 12–51 of an entry are the address; the rest are flags.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// arm64 has 48 bits of address; QEMU places no RAM above.
const ARM_ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// A kernel's address space.
#[derive(Clone)]
pub struct Space {
    memory: Arc<dyn GuestMemory>,
    tables: Tables,
}

/// How the page tables are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tables {
    X86 {
        root: u64,
        levels: u32,
        encrypted: u64,
        phys_base: u64,
        image: u64,
    },
    Arm {
        root: u64,
        va_bits: u32,
        page_bits: u32,
        voffset: u64,
        text: u64,
    },
}

/// Guest-physical bytes behind a virtual address, until the end of its mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapped {
    /// Guest-physical address.
    pub address: u64,
    /// Bytes that follow it in one piece.
    pub left: u64,
}

impl Space {
    /// The address space of the kernel that wrote this note. `None` when the note lacks what is needed.
    pub fn new(memory: Arc<dyn GuestMemory>, info: &VmCoreInfo) -> Option<Space> {
        let root = info.symbol("swapper_pg_dir")?;
        let tables = if let Some(voffset) = info.number("kimage_voffset") {
            let page_bits = info.get("PAGESIZE")?.parse::<u64>().ok()?.checked_ilog2()?;
            let size_bits = info.number("TCR_EL1_T1SZ").unwrap_or(0);
            let va_bits = match u32::try_from(size_bits).ok()? {
                0 => u32::try_from(info.number("VA_BITS")?).ok()?,
                unused => 64u32.checked_sub(unused)?,
            };
            if !matches!(page_bits, 12 | 14 | 16) || !(page_bits + 9..=52).contains(&va_bits) {
                return None;
            }
            Tables::Arm {
                root: root.wrapping_sub(voffset),
                va_bits,
                page_bits,
                voffset,
                text: info.symbol("_stext")?,
            }
        } else {
            let phys_base = info.number("phys_base")?;
            Tables::X86 {
                root: root.wrapping_sub(X86_KERNEL_MAP).wrapping_add(phys_base),
                levels: if info.number("pgtable_l5_enabled") == Some(1) {
                    5
                } else {
                    4
                },
                encrypted: info.number("sme_mask").unwrap_or(0),
                phys_base,
                image: info.number("KERNEL_IMAGE_SIZE").unwrap_or(1 << 30),
            }
        };
        Some(Space { memory, tables })
    }

    /// Guest memory.
    pub fn memory(&self) -> &Arc<dyn GuestMemory> {
        &self.memory
    }

    /// Where a virtual address lies. `None` when nothing is mapped there.
    pub fn translate(&self, address: u64) -> Option<Mapped> {
        match self.tables {
            Tables::X86 {
                root,
                levels,
                encrypted,
                phys_base,
                image,
            } => self
                .walk_x86(root, levels, !encrypted, address)
                .or_else(|| {
                    // Before the final tables are up, or where a dump lacks them.
                    let offset = address.checked_sub(X86_KERNEL_MAP)?;
                    let left = image.checked_sub(offset).filter(|left| *left > 0)?;
                    let address = offset.wrapping_add(phys_base);
                    Some(Mapped { address, left })
                }),
            Tables::Arm {
                root,
                va_bits,
                page_bits,
                voffset,
                text,
            } => self
                .walk_arm(root, va_bits, page_bits, address)
                .or_else(|| {
                    let offset = address.checked_sub(text)?;
                    let left = (64u64 << 20).checked_sub(offset).filter(|left| *left > 0)?;
                    let address = address.wrapping_sub(voffset);
                    Some(Mapped { address, left })
                }),
        }
    }

    /// Intel SDM 3A, 4.5: 4- and 5-level paging.
    fn walk_x86(&self, root: u64, levels: u32, mask: u64, address: u64) -> Option<Mapped> {
        let mut table = root & ADDRESS;
        for level in (0..levels).rev() {
            let shift = 12 + 9 * level;
            let entry = self.entry(table, (address >> shift) & 0x1ff)? & mask;
            if entry & 1 == 0 {
                return None;
            }
            let large = entry & 0x80 != 0 && matches!(level, 1 | 2);
            if level == 0 || large {
                return Some(mapped(entry & ADDRESS, shift, address));
            }
            table = entry & ADDRESS;
        }
        None
    }

    /// Arm ARM, D8.3: translation table descriptor formats; every granule, up to four levels (five with 52-bit addresses and 4 KiB).
    fn walk_arm(&self, root: u64, va_bits: u32, page_bits: u32, address: u64) -> Option<Mapped> {
        let per_level = page_bits - 3;
        let levels = (va_bits - page_bits).div_ceil(per_level);
        let mut table = root & ARM_ADDRESS;
        for level in (0..levels).rev() {
            let shift = page_bits + per_level * level;
            let bits = per_level.min(va_bits - shift);
            let entry = self.entry(table, (address >> shift) & ((1 << bits) - 1))?;
            match (entry & 3, level) {
                (3, 0) | (1, 1..) => return Some(mapped(entry & ARM_ADDRESS, shift, address)),
                (3, _) => table = entry & ARM_ADDRESS & !((1 << page_bits) - 1),
                _ => return None,
            }
        }
        None
    }

    fn entry(&self, table: u64, index: u64) -> Option<u64> {
        self.memory.read_u64(table.checked_add(index * 8)?).ok()
    }

    /// Fills `buf` from a virtual address.
    pub fn read(&self, mut address: u64, mut buf: &mut [u8]) -> Result<(), MemoryError> {
        while !buf.is_empty() {
            let mapped = self
                .translate(address)
                .ok_or(MemoryError::NotRam { address })?;
            let here = usize::try_from(mapped.left)
                .unwrap_or(usize::MAX)
                .min(buf.len());
            let (part, rest) = buf.split_at_mut(here);
            self.memory.read_at(mapped.address, part)?;
            address = address.wrapping_add(here as u64);
            buf = rest;
        }
        Ok(())
    }

    /// A little-endian 64-bit word at a virtual address.
    pub fn read_u64(&self, address: u64) -> Result<u64, MemoryError> {
        let mut word = [0; 8];
        self.read(address, &mut word)?;
        Ok(u64::from_le_bytes(word))
    }
}

/// A page or block of `1 << shift` bytes.
fn mapped(base: u64, shift: u32, address: u64) -> Mapped {
    let inside = address & ((1 << shift) - 1);
    Mapped {
        address: (base & !((1 << shift) - 1)) | inside,
        left: (1 << shift) - inside,
    }
}

#[cfg(test)]
mod tests;
