//! A file's own index of its pages: the xarray in `struct address_space` (include/linux/xarray.h, include/linux/fs.h).
//!
//! vmcoreinfo does not describe these structures. Their layout has been the same since Linux 4.20, but debugging options move it, so nothing is
//! believed: every page found must say itself that it belongs to this file, at this index, and the first page must be among them.

use super::{CachedPage, PageMap};
use std::collections::BTreeMap;

/// `struct xa_node`: `shift`, `offset`, `count`, `nr_values`, `parent`, `array`, a list head, then the slots.
const SLOTS_AT: usize = 40;
const SLOTS: usize = 64;
const NODE: usize = SLOTS_AT + SLOTS * 8;
/// `struct address_space`: `host`, then `i_pages` with lock, flags and head. Locks grow with debugging options.
const HEADS_AT: [u64; 8] = [16, 24, 32, 40, 48, 56, 64, 72];

/// A file of the largest number of pages that is read has about 4,200; nodes that point at each other could be visited for ever.
const NODES_CAP: usize = 1 << 14;

/// All pages of the file, index → guest-physical address. `None` when the structures are not as expected.
pub fn pages(map: &PageMap, first: &CachedPage, cap: usize) -> Option<BTreeMap<u64, u64>> {
    HEADS_AT.iter().find_map(|at| {
        let head = map.space().read_u64(first.mapping.wrapping_add(*at)).ok()?;
        let mut walk = Walk {
            map,
            mapping: first.mapping,
            pages: BTreeMap::new(),
            cap,
            nodes: 0,
            strangers: 0,
        };
        walk.entry(head, 0, 64);
        let complete = walk.pages.get(&0) == Some(&(first.frame * map.page_size()));
        (complete && walk.strangers == 0).then_some(walk.pages)
    })
}

struct Walk<'a> {
    map: &'a PageMap,
    mapping: u64,
    pages: BTreeMap<u64, u64>,
    cap: usize,
    nodes: usize,
    strangers: usize,
}

impl Walk<'_> {
    /// An entry: a node, a page, or neither. `above` is the shift of the node that holds it: shifts only shrink, so that every walk ends.
    fn entry(&mut self, entry: u64, index: u64, above: u32) {
        if self.pages.len() >= self.cap || self.strangers > 0 {
            return;
        }
        match entry & 3 {
            // `xa_is_node`; smaller ones are siblings of a large folio, or marks.
            2 if entry > 4096 => self.node(entry - 2, index, above),
            0 if entry != 0 => match self.map.page_at(entry) {
                Some(page) if page.mapping == self.mapping && page.index <= index => {
                    self.map.add_folio(page, &mut self.pages);
                }
                // Freed or moved while the guest ran, or no page at all.
                _ => self.strangers += 1,
            },
            // Values (a swapped page, a shadow), and marks.
            _ => {}
        }
    }

    fn node(&mut self, address: u64, index: u64, above: u32) {
        let mut node = [0; NODE];
        self.nodes += 1;
        if self.nodes > NODES_CAP || self.map.space().read(address, &mut node).is_err() {
            self.strangers += 1;
            return;
        }
        let shift = u32::from(node[0]);
        if shift >= above || shift % 6 != 0 || shift > 58 {
            self.strangers += 1;
            return;
        }
        for (n, slot) in node[SLOTS_AT..].chunks_exact(8).enumerate() {
            let mut word = [0; 8];
            word.copy_from_slice(slot);
            let below = index.wrapping_add((n as u64) << shift);
            self.entry(u64::from_le_bytes(word), below, shift);
        }
    }
}
