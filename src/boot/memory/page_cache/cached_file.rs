//! Pages of a file that are not next to each other in memory.

use super::PageMap;
use crate::boot::memory::GuestMemory;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A page-cached file, read as a file.
#[derive(Clone)]
pub struct CachedFile {
    memory: Arc<dyn GuestMemory>,
    pages: BTreeMap<u64, u64>,
    page: u64,
}

impl CachedFile {
    /// A file of these pages.
    pub fn new(map: &PageMap, pages: BTreeMap<u64, u64>) -> CachedFile {
        CachedFile {
            memory: Arc::clone(map.space.memory()),
            pages,
            page: map.page,
        }
    }

    /// Number of pages.
    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Length up to the end of the last page.
    pub fn len(&self) -> u64 {
        let last = self.pages.keys().next_back();
        last.map_or(0, |last| last.saturating_add(1).saturating_mul(self.page))
    }

    /// No page is there.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Fills `buf`. False when a page is not in memory.
    pub fn read(&self, mut offset: u64, mut buf: &mut [u8]) -> bool {
        while !buf.is_empty() {
            let Some(page) = self.pages.get(&(offset / self.page)) else {
                return false;
            };
            let inside = offset % self.page;
            let left = (self.page - inside) as usize;
            let (part, rest) = buf.split_at_mut(left.min(buf.len()));
            if self
                .memory
                .read_at(page.saturating_add(inside), part)
                .is_err()
            {
                return false;
            }
            offset = offset.saturating_add(part.len() as u64);
            buf = rest;
        }
        true
    }
}
