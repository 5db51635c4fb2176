//! Files in the guest's page cache: the pages of a tmpfs file, or of a file on disk that the guest has read or written.
//!
//! The kernel has a `struct page` for every page of RAM; `mapping` says which file the page belongs to and `index` where in it
//! (include/linux/mm_types.h). Pages with the same mapping, by their index, *are* the file. The array of these structures is found through
//! `mem_section` (include/linux/mmzone.h, `CONFIG_SPARSEMEM_EXTREME`, which x86-64 and arm64 use).

pub mod cached_file;
pub mod xarray;

pub use cached_file::CachedFile;

use super::space::Space;
use super::vmcoreinfo::VmCoreInfo;
use std::collections::BTreeMap;

/// Structures read at a time; holes in the array are skipped in such pieces.
const BATCH: u64 = 1024;
/// `struct page` has 64 bytes, more with debugging options.
const PAGE_STRUCT_CAP: u64 = 256;
/// Pages of one file; journal files have at most 4 GiB, those of a test guest some MiB.
const FILE_PAGES_CAP: usize = 1 << 18;
/// Flags in the low bits of `section_mem_map`.
const SECTION_FLAGS: u64 = 0xff;

/// Where the fields of `struct page` are.
#[derive(Debug, Clone, Copy)]
struct Fields {
    size: u64,
    mapping: usize,
    index: usize,
    compound_head: usize,
}

/// The kernel's array of page structures.
#[derive(Clone)]
pub struct PageMap {
    space: Space,
    fields: Fields,
    page: u64,
    sections: Vec<Section>,
}

/// A piece of physical memory that has page structures.
#[derive(Debug, Clone, Copy)]
struct Section {
    /// First page frame number, and the one behind the last.
    pages: (u64, u64),
    /// Address of the structure of page frame 0, if the array went down to it.
    base: u64,
}

/// One page of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CachedPage {
    /// Address of the `struct address_space` of its file.
    pub mapping: u64,
    /// Its number in the file.
    pub index: u64,
    /// Its number in physical memory.
    pub frame: u64,
}

impl PageMap {
    /// Finds the array. `None` when the note lacks what is needed, or the kernel keeps the array in another way.
    pub fn open(space: &Space, info: &VmCoreInfo) -> Option<PageMap> {
        let field = |name: &str| {
            let offset = info.offset(&format!("page.{name}"))?;
            usize::try_from(offset)
                .ok()
                .filter(|o| *o < PAGE_STRUCT_CAP as usize)
        };
        let mapping = field("mapping")?;
        let fields = Fields {
            size: info
                .size("page")
                .filter(|s| (32..=PAGE_STRUCT_CAP).contains(s))?,
            mapping,
            // `struct address_space *mapping; pgoff_t index; unsigned long private;`
            index: field("private")?
                .checked_sub(8)
                .filter(|i| *i == mapping + 8)?,
            compound_head: field("compound_head").unwrap_or(8),
        };
        let page: u64 = info.get("PAGESIZE")?.parse().ok()?;
        if !page.is_power_of_two() || !(4096..=65536).contains(&page) {
            return None;
        }
        let mut map = PageMap {
            space: space.clone(),
            fields,
            page,
            sections: Vec::new(),
        };
        map.sections = map.sections(info)?;
        (!map.sections.is_empty()).then_some(map)
    }

    /// Walks `mem_section[root][number]` for every range of RAM.
    fn sections(&self, info: &VmCoreInfo) -> Option<Vec<Section>> {
        let roots = info.symbol("mem_section")?;
        let size = info.size("mem_section").filter(|s| (8..=256).contains(s))?;
        let map_at = info.offset("mem_section.section_mem_map")?;
        let bits = u32::try_from(info.number("SECTION_SIZE_BITS")?).ok()?;
        let page_bits = self.page.ilog2();
        let pages = 1u64.checked_shl(bits.checked_sub(page_bits)?)?;
        let per_root = self.page / size;
        let mut sections = Vec::new();
        for range in self.space.memory().ranges() {
            let first = range.start >> bits;
            let last = (range.end - 1) >> bits;
            for number in first..=last {
                let root = roots.wrapping_add(number / per_root * 8);
                let Ok(root) = self.space.read_u64(root) else {
                    continue;
                };
                let entry = root.wrapping_add(number % per_root * size + map_at);
                let base = match self.space.read_u64(entry) {
                    // `SECTION_HAS_MEM_MAP`
                    Ok(map) if root != 0 && map & 2 != 0 => map & !SECTION_FLAGS,
                    _ => continue,
                };
                let start = (number * pages).max(range.start >> page_bits);
                let end = ((number + 1) * pages).min(range.end >> page_bits);
                match sections.last_mut() {
                    Some(Section { pages, base: other }) if pages.1 == start && *other == base => {
                        pages.1 = end;
                    }
                    _ => sections.push(Section {
                        pages: (start, end),
                        base,
                    }),
                }
            }
        }
        Some(sections)
    }

    /// Bytes per page.
    pub fn page_size(&self) -> u64 {
        self.page
    }

    /// Visits the structure of every page that belongs to a file.
    fn each(&self, visit: &mut dyn FnMut(CachedPage)) {
        let size = self.fields.size as usize;
        let mut buf = vec![0; BATCH as usize * size];
        for section in &self.sections {
            let mut frame = section.pages.0;
            while frame < section.pages.1 {
                let count = BATCH.min(section.pages.1 - frame);
                let part = &mut buf[..count as usize * size];
                let address = section.base.wrapping_add(frame * self.fields.size);
                if self.space.read(address, part).is_ok() {
                    for (n, structure) in part.chunks_exact(size).enumerate() {
                        if let Some(page) = self.decode(structure, frame + n as u64) {
                            visit(page);
                        }
                    }
                }
                frame += count;
            }
        }
    }

    /// What a structure says, when it is of a file's page.
    fn decode(&self, structure: &[u8], frame: u64) -> Option<CachedPage> {
        let word = |at: usize| {
            Some(u64::from_le_bytes(
                structure.get(at..at + 8)?.try_into().ok()?,
            ))
        };
        let mapping = word(self.fields.mapping)?;
        // Kernel addresses only; the two lowest bits mark anonymous and movable pages (`PAGE_MAPPING_FLAGS`).
        (mapping >> 48 >= 0xff00 && mapping & 3 == 0).then_some(CachedPage {
            mapping,
            index: word(self.fields.index)?,
            frame,
        })
    }

    /// The structure of one page, by its address in the array.
    fn page_at(&self, address: u64) -> Option<CachedPage> {
        let section = self.sections.iter().find(|s| {
            let frame = address.wrapping_sub(s.base) / self.fields.size;
            (s.pages.0..s.pages.1).contains(&frame)
        })?;
        let offset = address.wrapping_sub(section.base);
        if offset % self.fields.size != 0 {
            return None;
        }
        let mut structure = vec![0; self.fields.size as usize];
        self.space.read(address, &mut structure).ok()?;
        self.decode(&structure, offset / self.fields.size)
    }

    /// Address of the structure of a page frame.
    fn structure(&self, frame: u64) -> Option<u64> {
        let inside = |s: &&Section| (s.pages.0..s.pages.1).contains(&frame);
        let base = self.sections.iter().find(inside)?.base;
        Some(base.wrapping_add(frame.checked_mul(self.fields.size)?))
    }

    /// Address of the head's structure, when this is a later page of a large folio.
    fn head(&self, frame: u64) -> Option<u64> {
        let at = self.fields.compound_head as u64;
        let head = self.structure(frame)?.wrapping_add(at);
        let head = self.space.read_u64(head).ok()?;
        (head & 1 == 1).then_some(head & !1)
    }

    /// First pages (`index` 0) of files whose content begins with `magic`. A pass over the whole array: 16 MiB per GiB of RAM.
    pub fn find(&self, magic: &[u8]) -> Vec<CachedPage> {
        let mut found = Vec::new();
        let mut head = vec![0; magic.len()];
        self.each(&mut |page| {
            if page.index == 0
                && found.len() < 256
                && self
                    .space
                    .memory()
                    .read_at(page.frame.saturating_mul(self.page), &mut head)
                    .is_ok()
                && head == magic
            {
                found.push(page);
            }
        });
        found
    }

    /// Whether a page still is what it was.
    pub fn still(&self, page: &CachedPage) -> bool {
        let structure = self.structure(page.frame);
        structure.and_then(|at| self.page_at(at)).as_ref() == Some(page)
    }

    /// The pages of a file, by index → guest-physical address: by the file's own index of pages, or by a pass over the whole array.
    pub fn file(&self, first: &CachedPage) -> BTreeMap<u64, u64> {
        if let Some(pages) = xarray::pages(self, first, FILE_PAGES_CAP) {
            return pages;
        }
        let mut pages = BTreeMap::new();
        self.each(&mut |page| {
            if page.mapping == first.mapping && pages.len() < FILE_PAGES_CAP {
                self.add_folio(page, &mut pages);
            }
        });
        pages
    }

    /// A page, and the later pages of its folio, whose own structures name no mapping.
    fn add_folio(&self, page: CachedPage, pages: &mut BTreeMap<u64, u64>) {
        pages.insert(page.index, page.frame.saturating_mul(self.page));
        let head = self.structure(page.frame);
        let mut n = 1;
        while n < 512 && head.is_some() && self.head(page.frame + n) == head {
            let index = page.index.saturating_add(n);
            pages.insert(index, (page.frame + n).saturating_mul(self.page));
            n += 1;
        }
    }

    /// The kernel's address space.
    fn space(&self) -> &Space {
        &self.space
    }
}

#[cfg(test)]
mod tests;
