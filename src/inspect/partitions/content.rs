//! What lies in a partition, by magic bytes, named and spelled as `blkid(8)` does.

use super::Content;
use crate::inspect::disk::Disk;

/// Bytes looked at: btrfs has its magic at 64 KiB.
const LOOK: u64 = 68 << 10;

/// Recognises the content; nothing is recognised in what cannot be read.
pub fn detect(disk: &dyn Disk) -> Content {
    let len = disk.len().min(LOOK) as usize;
    let Ok(head) = disk.read_vec(0, len) else {
        return Content::default();
    };
    ext(&head)
        .or_else(|| vfat(&head))
        .or_else(|| squashfs(&head))
        .or_else(|| erofs(&head))
        .or_else(|| btrfs(&head))
        .or_else(|| luks(&head))
        .or_else(|| verity(&head))
        .or_else(|| xfs(&head))
        .or_else(|| swap(&head))
        .or_else(|| iso9660(&head))
        .unwrap_or_default()
}

fn named(fs_type: &str, uuid: Option<String>, label: Option<String>) -> Option<Content> {
    Some(Content {
        fs_type: Some(fs_type.to_owned()),
        uuid,
        label: label.filter(|l| !l.is_empty()),
    })
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim_end().to_owned()
}

fn guid(bytes: Option<&[u8]>) -> Option<String> {
    let id = uuid::Uuid::from_slice(bytes?).ok()?;
    (!id.is_nil()).then(|| id.to_string())
}

fn ext(head: &[u8]) -> Option<Content> {
    let sb = head.get(1024..2048)?;
    if sb[0x38..0x3a] != [0x53, 0xef] {
        return None;
    }
    let word = |at: usize| u32::from_le_bytes([sb[at], sb[at + 1], sb[at + 2], sb[at + 3]]);
    let (compat, incompat, ro) = (word(0x5c), word(0x60), word(0x64));
    // blkid: ext4 has features that ext3 does not know; ext3 has a journal.
    let ext4 = incompat & !0x0016 != 0 || ro & !0x0007 != 0;
    let kind = if incompat & 0x8 != 0 {
        "jbd"
    } else if ext4 {
        "ext4"
    } else if compat & 0x4 != 0 {
        "ext3"
    } else {
        "ext2"
    };
    named(kind, guid(sb.get(0x68..0x78)), Some(text(&sb[0x78..0x88])))
}

fn vfat(head: &[u8]) -> Option<Content> {
    let boot = head.get(..512)?;
    let per_sector = u16::from_le_bytes([boot[11], boot[12]]);
    let plausible = boot[510..] == [0x55, 0xaa]
        && matches!(per_sector, 512 | 1024 | 2048 | 4096)
        && boot[13].is_power_of_two()
        && (1..=2).contains(&boot[16]);
    let fat32 = boot[82..90] == *b"FAT32   ";
    let fat16 = boot[54..57] == *b"FAT";
    if !plausible || !(fat32 || fat16) {
        return None;
    }
    let at = if fat32 { 67 } else { 39 };
    let serial = format!(
        "{:02X}{:02X}-{:02X}{:02X}",
        boot[at + 3],
        boot[at + 2],
        boot[at + 1],
        boot[at]
    );
    let label = text(&boot[at + 4..at + 15]);
    named("vfat", Some(serial), Some(label).filter(|l| l != "NO NAME"))
}

fn squashfs(head: &[u8]) -> Option<Content> {
    (head.get(..4)? == b"hsqs").then(|| named("squashfs", None, None))?
}

fn erofs(head: &[u8]) -> Option<Content> {
    let sb = head.get(1024..1024 + 128)?;
    (sb[..4] == 0xe0f5_e1e2_u32.to_le_bytes())
        .then(|| named("erofs", guid(sb.get(48..64)), Some(text(&sb[64..80]))))?
}

fn btrfs(head: &[u8]) -> Option<Content> {
    let sb = head.get(0x10000..0x10000 + 0x300)?;
    (sb[0x40..0x48] == *b"_BHRfS_M").then(|| {
        named(
            "btrfs",
            guid(sb.get(0x20..0x30)),
            Some(text(&sb[0x12b..0x22b])),
        )
    })?
}

fn luks(head: &[u8]) -> Option<Content> {
    if head.get(..6)? != b"LUKS\xba\xbe" {
        return None;
    }
    named("crypto_LUKS", Some(text(head.get(168..208)?)), None)
}

fn verity(head: &[u8]) -> Option<Content> {
    (head.get(..8)? == b"verity\0\0")
        .then(|| named("DM_verity_hash", guid(head.get(16..32)), None))?
}

fn xfs(head: &[u8]) -> Option<Content> {
    (head.get(..4)? == b"XFSB")
        .then(|| named("xfs", guid(head.get(32..48)), head.get(108..120).map(text)))?
}

fn swap(head: &[u8]) -> Option<Content> {
    (head.get(4086..4096)? == b"SWAPSPACE2").then(|| {
        named(
            "swap",
            guid(head.get(1036..1052)),
            head.get(1052..1068).map(text),
        )
    })?
}

fn iso9660(head: &[u8]) -> Option<Content> {
    (head.get(0x8001..0x8006)? == b"CD001")
        .then(|| named("iso9660", None, head.get(0x8028..0x8048).map(text)))?
}
