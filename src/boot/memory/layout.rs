//! Where a machine puts its RAM: guest-physical addresses against offsets in QEMU's memory backend.
//!
//! QEMU itself says so in `info mtree -f`. Without QEMU (a saved file) the rules of its machines are tried:
//! q35 (hw/i386/pc_q35.c, `pc_q35_init`), pc (hw/i386/pc_piix.c, `pc_init1`), virt (hw/arm/virt.c, `base_memmap`).

use super::file::Segment;

const FOUR_GIB: u64 = 1 << 32;

/// A rule that maps a backend to guest-physical addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Offset = address (`pmemsave` from 0, or little memory).
    Flat,
    /// q35: 2 GiB below 4 GiB when there are 2.75 GiB or more.
    Q35,
    /// pc (i440fx): 3 GiB below 4 GiB when there are 3.5 GiB or more.
    Pc,
    /// arm64 virt: from 1 GiB.
    Virt,
}

impl Layout {
    /// All rules.
    pub const ALL: [Layout; 4] = [Layout::Flat, Layout::Q35, Layout::Pc, Layout::Virt];

    /// Its name, as QEMU's `-machine` has it.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Flat => "flat",
            Layout::Q35 => "q35",
            Layout::Pc => "pc",
            Layout::Virt => "virt",
        }
    }

    /// The pieces of `size` bytes of RAM.
    pub fn segments(self, size: u64) -> Vec<Segment> {
        let (limit, low) = match self {
            Layout::Flat => return vec![piece(0, size, 0)],
            Layout::Virt => return vec![piece(1 << 30, size, 0)],
            Layout::Q35 => (0xb000_0000, 0x8000_0000),
            Layout::Pc => (0xe000_0000, 0xc000_0000),
        };
        if size < limit {
            return vec![piece(0, size, 0)];
        }
        vec![piece(0, low, 0), piece(FOUR_GIB, size - low, low)]
    }
}

fn piece(address: u64, len: u64, offset: u64) -> Segment {
    Segment {
        address,
        len,
        offset,
    }
}

/// The pieces of the backend `name` in the text of `info mtree -f`: lines like
/// `0000000100000000-00000001ffffffff (prio 0, ram): pc.ram @0000000080000000 KVM`.
///
/// Small gaps (firmware shadows parts of the first MiB) are filled: the backend has RAM there too.
pub fn from_mtree(text: &str, name: &str, size: u64) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for line in text.lines() {
        let Some(found) = mtree_line(line, name) else {
            continue;
        };
        let end = found.offset.checked_add(found.len);
        if end.is_none_or(|end| end > size) || found.address.checked_add(found.len).is_none() {
            continue;
        }
        let delta = |s: &Segment| s.address.wrapping_sub(s.offset);
        let same = segments.iter().position(|s| delta(s) == delta(&found));
        match same {
            Some(n) => {
                let known = &mut segments[n];
                let end = (known.offset + known.len).max(found.offset + found.len);
                let start = known.offset.min(found.offset);
                known.address -= known.offset - start;
                known.offset = start;
                known.len = end - start;
            }
            None if segments.len() < 64 => segments.push(found),
            None => {}
        }
    }
    segments.sort_by_key(|s| s.address);
    segments
}

fn mtree_line(line: &str, name: &str) -> Option<Segment> {
    let (range, rest) = line.trim().split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let start = u64::from_str_radix(start, 16).ok()?;
    let end = u64::from_str_radix(end, 16).ok()?;
    let (kind, region) = rest.split_once("): ")?;
    if !kind.ends_with(", ram") {
        return None;
    }
    let region = region.strip_prefix(name)?;
    let offset = match region.trim_start() {
        // Nothing, or words like `KVM`, behind the name alone.
        rest if region.is_empty() || (region.starts_with(' ') && !rest.starts_with('@')) => 0,
        rest if region.starts_with(' ') => {
            let digits = rest.strip_prefix('@')?.split(' ').next()?;
            u64::from_str_radix(digits, 16).ok()?
        }
        _ => return None,
    };
    let len = end.checked_sub(start)?.checked_add(1)?;
    Some(piece(start, len, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTREE: &str = "FlatView #0
 AS \"memory\", root: system
  0000000000000000-00000000000c2fff (prio 0, ram): ram KVM
  00000000000c3000-00000000000e7fff (prio 1, rom): ram @00000000000c3000
  0000000000100000-000000007fffffff (prio 0, ram): ram @0000000000100000 KVM
  00000000ffc00000-00000000ffc83fff (prio 0, romd): system.flash1
  00000000fd000000-00000000fdffffff (prio 1, ram): ramfb
  0000000100000000-00000001ffffffff (prio 0, ram): ram @0000000080000000
FlatView #1
  0000000000000000-00000000000c2fff (prio 0, ram): ram
";

    #[test]
    fn mtree_gives_the_same_as_the_rule() {
        assert_eq!(
            from_mtree(MTREE, "ram", 6 << 30),
            Layout::Q35.segments(6 << 30)
        );
        assert_eq!(from_mtree(MTREE, "pc.ram", 6 << 30), []);
    }

    #[test]
    fn mtree_lines_beyond_the_backend_are_not_believed() {
        let text = "0000000000000000-00000000000fffff (prio 0, ram): ram @00000000fff00000\n\
                    ffffffffffffffff-0000000000000000 (prio 0, ram): ram\n\
                    0000000000000000-ffffffffffffffff (prio 0, ram): ram\n";
        assert_eq!(from_mtree(text, "ram", 1 << 20), []);
    }

    #[test]
    fn the_hole_moves_with_the_machine() {
        assert_eq!(Layout::Q35.segments(0xb000_0000 - 1).len(), 1);
        assert_eq!(
            Layout::Q35.segments(0xb000_0000),
            [
                piece(0, 0x8000_0000, 0),
                piece(FOUR_GIB, 0x3000_0000, 0x8000_0000)
            ]
        );
        assert_eq!(Layout::Pc.segments(0xd000_0000).len(), 1);
        assert_eq!(Layout::Pc.segments(0xe000_0000)[1].len, 0x2000_0000);
        assert_eq!(Layout::Virt.segments(5)[0].address, 1 << 30);
    }
}
