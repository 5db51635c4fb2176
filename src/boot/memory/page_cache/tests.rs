use super::*;
use crate::boot::memory::GuestMemory;
use crate::boot::memory::tests::Bytes;
use proptest::prelude::*;
use std::sync::Arc;

const KERNEL_MAP: u64 = 0xffff_ffff_8000_0000;
const PAGES: usize = 64;
const RAM: usize = PAGES * 4096;
/// Structures of all pages lie in frame 1.
const STRUCTURES: u64 = 0x1000;
const ROOTS: u64 = 0x2000;
const ROOT: u64 = 0x2800;
const MAPPING: u64 = KERNEL_MAP + 0x3000;
const NODE: u64 = KERNEL_MAP + 0x3400;
const MAGIC: &[u8] = b"MAGIC!";

/// A guest with one file: its pages lie at `frames`, in the order of the file.
struct Guest(Vec<u8>);

impl Guest {
    fn new(frames: &[u64]) -> Guest {
        let mut guest = Guest(vec![0; RAM]);
        guest.long(ROOTS, KERNEL_MAP + ROOT);
        guest.long(ROOT, (KERNEL_MAP + STRUCTURES) | 7);
        for (index, frame) in frames.iter().enumerate() {
            guest.page(*frame, MAPPING, index as u64);
            guest.put(frame * 4096, format!("page {index}").as_bytes());
        }
        guest.put(frames[0] * 4096, MAGIC);
        guest
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        self.0[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    }

    fn long(&mut self, at: u64, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    fn page(&mut self, frame: u64, mapping: u64, index: u64) {
        self.long(STRUCTURES + frame * 64 + 24, mapping);
        self.long(STRUCTURES + frame * 64 + 32, index);
    }

    /// The file's own index: a node of 64 slots.
    fn xarray(&mut self, slots: &[(u64, u64)]) {
        self.long(MAPPING - KERNEL_MAP + 16, NODE + 2);
        for (slot, entry) in slots {
            self.long(NODE - KERNEL_MAP + 40 + slot * 8, *entry);
        }
    }

    fn map(&self) -> PageMap {
        let text = "OSRELEASE=6.1\nPAGESIZE=4096\nSYMBOL(swapper_pg_dir)=ffffffff80000800\nNUMBER(phys_base)=0\n\
            SIZE(page)=64\nOFFSET(page.mapping)=24\nOFFSET(page.private)=40\nOFFSET(page.compound_head)=8\n\
            SYMBOL(mem_section)=ffffffff80002000\nSIZE(mem_section)=16\nOFFSET(mem_section.section_mem_map)=0\n\
            NUMBER(SECTION_SIZE_BITS)=27\n";
        let info = VmCoreInfo::parse(0, text.as_bytes()).unwrap();
        let memory: Arc<dyn GuestMemory> = Arc::new(Bytes::new(0, self.0.clone()));
        PageMap::open(&Space::new(memory, &info).unwrap(), &info).unwrap()
    }
}

fn structure(frame: u64) -> u64 {
    KERNEL_MAP + STRUCTURES + frame * 64
}

fn read(map: &PageMap) -> String {
    let first = map.find(MAGIC);
    assert_eq!(first.len(), 1);
    assert!(map.still(&first[0]));
    let file = CachedFile::new(map, map.file(&first[0]));
    let mut text = String::new();
    for page in 0..file.len() / 4096 {
        let mut head = [0; 6];
        let there = file.read(page * 4096, &mut head);
        text += &if there {
            String::from_utf8_lossy(&head).into_owned()
        } else {
            "-".into()
        };
    }
    text
}

#[test]
fn a_file_is_put_together_from_all_structures() {
    let guest = Guest::new(&[20, 12, 33]);
    assert_eq!(read(&guest.map()), "MAGIC!page 1page 2");
}

#[test]
fn the_files_own_index_is_used_when_it_is_right() {
    let mut guest = Guest::new(&[20, 12, 33]);
    // Page 1 is not in it: it was dropped, and its structure is stale.
    guest.xarray(&[(0, structure(20)), (2, structure(33))]);
    assert_eq!(read(&guest.map()), "MAGIC!-page 2");
    // A slot that leads elsewhere: the structures count.
    guest.xarray(&[(1, structure(40))]);
    assert_eq!(read(&guest.map()), "MAGIC!page 1page 2");
}

#[test]
fn later_pages_of_a_large_folio_have_no_mapping_of_their_own() {
    let mut guest = Guest::new(&[20]);
    for frame in 21..24 {
        guest.long(STRUCTURES + frame * 64 + 8, structure(20) | 1);
        guest.put(frame * 4096, b"folio.");
    }
    guest.put(24 * 4096, b"other.");
    assert_eq!(read(&guest.map()), "MAGIC!folio.folio.folio.");
    // The index has it once, and siblings behind it.
    guest.xarray(&[(0, structure(20)), (1, 2), (2, 2), (3, 2)]);
    assert_eq!(read(&guest.map()), "MAGIC!folio.folio.folio.");
}

#[test]
fn a_page_that_was_freed_or_reused_is_noticed() {
    let mut guest = Guest::new(&[20, 12]);
    let first = guest.map().find(MAGIC)[0];
    guest.page(20, 0, 0);
    assert!(!guest.map().still(&first));
    guest.page(20, MAPPING + 8, 0);
    assert!(!guest.map().still(&first));
}

#[test]
fn nodes_that_point_at_each_other_end() {
    let mut guest = Guest::new(&[20]);
    let nodes: Vec<u64> = (0..8).map(|n| KERNEL_MAP + 0x8000 + n * 0x400).collect();
    guest.long(MAPPING - KERNEL_MAP + 16, nodes[0] + 2);
    for (n, node) in nodes.iter().enumerate() {
        let at = node - KERNEL_MAP;
        guest.put(at, &[42 - 6 * n as u8]);
        for slot in 0..64 {
            let next = nodes.get(n + 1).map_or(0, |next| next + 2);
            guest.long(at + 40 + slot * 8, next);
        }
    }
    assert_eq!(read(&guest.map()), "MAGIC!");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_structures_never_panic(
        pokes in prop::collection::vec((0..0x4000u64 - 8, prop_oneof![
            any::<u64>(),
            (0..RAM as u64).prop_map(|n| KERNEL_MAP + n),
            (0..16u64),
        ]), 1..60),
    ) {
        let mut guest = Guest::new(&[20, 12, 33]);
        guest.xarray(&[(0, structure(20)), (1, structure(12)), (2, structure(33))]);
        for (at, value) in pokes {
            guest.long(at, value);
        }
        let text = "OSRELEASE=6.1\nPAGESIZE=4096\nSYMBOL(swapper_pg_dir)=ffffffff80000800\nNUMBER(phys_base)=0\n\
            SIZE(page)=64\nOFFSET(page.mapping)=24\nOFFSET(page.private)=40\n\
            SYMBOL(mem_section)=ffffffff80002000\nSIZE(mem_section)=16\nOFFSET(mem_section.section_mem_map)=0\n\
            NUMBER(SECTION_SIZE_BITS)=27\n";
        let info = VmCoreInfo::parse(0, text.as_bytes()).unwrap();
        let memory: Arc<dyn GuestMemory> = Arc::new(Bytes::new(0, guest.0));
        if let Some(map) = PageMap::open(&Space::new(memory, &info).unwrap(), &info) {
            for first in map.find(MAGIC) {
                let file = CachedFile::new(&map, map.file(&first));
                file.read(0, &mut [0; 9000]);
            }
        }
    }
}
