//! Kernels of other architectures: arm64's and RISC-V's `Image`, plain, gzipped or as an EFI zboot program
//! (`Documentation/arch/arm64/booting.rst`, `drivers/firmware/efi/libstub/zboot-header.S`).

use super::{Part, Told};
use crate::inspect::compression;
use crate::inspect::error::Result;
use crate::inspect::filesystem::OpenFile;

/// Kernels larger than this, unpacked, are not searched.
const MAX_KERNEL: u64 = 256 << 20;
/// What every kernel prints first.
const BANNER: &[u8] = b"Linux version ";

/// What a kernel that is no bzImage tells.
pub fn tell(part: &Part<'_>, head: &[u8]) -> Result<Told> {
    if head.get(4..8) == Some(b"zimg") && head.starts_with(b"MZ") {
        return zboot(part, head);
    }
    if head.starts_with(&[0x1f, 0x8b]) {
        let packed = part.bytes(0, part.size().min(MAX_KERNEL))?;
        return Ok(match compression::expand(packed, MAX_KERNEL) {
            Ok(image) => Told {
                format: "Image.gz",
                ..image_told(&image)
            },
            Err(error) => Told {
                format: "Image.gz",
                damage: Some(format!("cannot be unpacked: {error}")),
                ..Told::default()
            },
        });
    }
    if architecture(head).is_some() {
        let image = part.bytes(0, part.size().min(MAX_KERNEL))?;
        return Ok(image_told(&image));
    }
    Ok(Told {
        format: "unknown",
        damage: Some("is no kernel that isar-doctor knows: no boot header".into()),
        ..Told::default()
    })
}

/// The magic number at 0x38 of an `Image`.
fn architecture(head: &[u8]) -> Option<&'static str> {
    match head.get(0x38..0x3c)? {
        b"ARM\x64" => Some("aarch64"),
        b"RSC\x05" => Some("riscv64"),
        _ => None,
    }
}

fn image_told(image: &[u8]) -> Told {
    let architecture = architecture(image);
    Told {
        format: if architecture.is_some() {
            "Image"
        } else {
            "unknown"
        },
        architecture: architecture.map(str::to_owned),
        release: banner(image),
        efi_stub: image.starts_with(b"MZ"),
        damage: architecture
            .is_none()
            .then(|| "holds no kernel image that isar-doctor knows".into()),
    }
}

/// An EFI program that unpacks the kernel it carries.
fn zboot(part: &Part<'_>, head: &[u8]) -> Result<Told> {
    let word = |at: usize| {
        let bytes = head.get(at..at + 4).and_then(|b| b.try_into().ok());
        u64::from(bytes.map_or(0, u32::from_le_bytes))
    };
    let (offset, size) = (word(8), word(12));
    let mut told = Told {
        format: "zboot",
        ..Told::default()
    };
    if offset + size > part.size() {
        told.damage = Some(format!(
            "is truncated: its payload ends at byte {}, the file has {}",
            offset + size,
            part.size()
        ));
        return Ok(told);
    }
    match compression::expand(part.bytes(offset, size)?, MAX_KERNEL) {
        Ok(image) => told.release = banner(&image),
        Err(error) => told.damage = Some(format!("its payload cannot be unpacked: {error}")),
    }
    Ok(told)
}

/// The release in the kernel's first message.
fn banner(image: &[u8]) -> Option<String> {
    let mut from = 0;
    while let Some(found) = find(image.get(from..)?, BANNER) {
        let at = from + found + BANNER.len();
        let text = image.get(at..(at + 128).min(image.len()))?;
        let word: Vec<u8> = text
            .iter()
            .copied()
            .take_while(u8::is_ascii_graphic)
            .collect();
        // The format string of the message is there too.
        if word.first().is_some_and(u8::is_ascii_digit) {
            return String::from_utf8(word).ok();
        }
        from = at;
    }
    None
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    loop {
        let rest = haystack.get(from..)?;
        let at = from + rest.iter().position(|c| *c == first)?;
        if haystack.get(at..at + needle.len())? == needle {
            return Some(at);
        }
        from = at + 1;
    }
}
