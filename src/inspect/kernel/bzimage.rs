//! The x86 boot header (`Documentation/arch/x86/boot.rst`).

use super::{Part, Told};
use crate::inspect::error::Result;
use crate::inspect::filesystem::OpenFile;

/// The CRC at the end of the image went away with 6.16.
const LAST_WITH_CRC: (u32, u32) = (6, 15);
/// The check sum came with protocol 2.08.
const FIRST_WITH_CRC: u16 = 0x0208;
/// Larger kernels are not summed up.
const MAX_SUMMED: u64 = 256 << 20;

/// Fields of the header that are used here.
pub struct Header {
    /// Bytes of real-mode code before the kernel proper.
    setup: u64,
    /// Bytes of the kernel proper.
    system: u64,
    protocol: u16,
    /// Where the version text lies; 0 for nowhere.
    version: u64,
    is_64: bool,
}

impl Header {
    /// Finds the header by its two magic numbers.
    pub fn parse(head: &[u8]) -> Option<Header> {
        let half = |at: usize| Some(u16::from_le_bytes(head.get(at..at + 2)?.try_into().ok()?));
        let word = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
        if half(0x1fe)? != 0xaa55 || head.get(0x202..0x206)? != b"HdrS" {
            return None;
        }
        let sectors = match *head.get(0x1f1)? {
            0 => 4,
            n => u64::from(n),
        };
        let protocol = half(0x206)?;
        let version = u64::from(half(0x20e)?);
        Some(Header {
            setup: (sectors + 1) * 512,
            system: u64::from(word(0x1f4)?) * 16,
            protocol,
            version: if version == 0 { 0 } else { version + 0x200 },
            is_64: protocol >= 0x020c && half(0x236)? & 1 != 0,
        })
    }

    /// Bytes that the file must have.
    fn len(&self) -> u64 {
        self.setup + self.system
    }
}

/// What a bzImage tells.
pub fn tell(part: &Part<'_>, head: &[u8], header: &Header) -> Result<Told> {
    let mut told = Told {
        format: "bzImage",
        architecture: Some(if header.is_64 { "x86_64" } else { "i386" }.into()),
        ..Told::default()
    };
    if header.version != 0 {
        let text = part.bytes(header.version, 512)?;
        let end = text.iter().position(|c| *c == 0).unwrap_or(text.len());
        let text = String::from_utf8_lossy(text.get(..end).unwrap_or_default());
        let release = text.split_whitespace().next();
        told.release = release
            .filter(|r| r.starts_with(|c: char| c.is_ascii_digit()))
            .map(str::to_owned);
    }
    if part.size() < header.len() {
        told.damage = Some(format!(
            "is truncated: its header says {} bytes, the file has {}",
            header.len(),
            part.size()
        ));
    } else if has_sum(header, told.release.as_deref())
        && header.len() <= MAX_SUMMED
        && !sum_is_right(part, head, header.len())?
    {
        told.damage = Some("is corrupt: its check sum is wrong".into());
    }
    Ok(told)
}

fn has_sum(header: &Header, release: Option<&str>) -> bool {
    let numbers = |text: &str| {
        let mut parts = text.split(|c: char| !c.is_ascii_digit());
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    let version: Option<(u32, u32)> = release.and_then(numbers);
    header.protocol >= FIRST_WITH_CRC && version.is_some_and(|v| v <= LAST_WITH_CRC)
}

/// The CRC-32 of the file up to the size that the header says is 0. Signing afterwards fills in two fields of the PE
/// header, which are taken as the zeros they were.
fn sum_is_right(part: &Part<'_>, head: &[u8], len: u64) -> Result<bool> {
    let mut signed_fields = Vec::new();
    if let Some(pe) = head.get(0x3c..0x40).and_then(|b| b.try_into().ok()) {
        let pe = u64::from(u32::from_le_bytes(pe));
        let optional = pe + 24;
        let magic = head.get(optional as usize..optional as usize + 2);
        let directories = if magic == Some(&[0x0b, 0x02]) {
            112
        } else {
            96
        };
        // The check sum, and the directory entry of the certificate table.
        signed_fields.push(optional + 64..optional + 68);
        signed_fields.push(optional + directories + 32..optional + directories + 40);
    }
    let mut sum = crc32fast::Hasher::new();
    let mut buf = vec![0; 128 << 10];
    let mut at = 0;
    while at < len {
        let want = (len - at).min(buf.len() as u64) as usize;
        let read = part.read_into(at, &mut buf[..want])?;
        if read == 0 {
            return Ok(false);
        }
        for field in &signed_fields {
            for i in field.clone() {
                if let Some(byte) = i.checked_sub(at).and_then(|i| buf.get_mut(i as usize)) {
                    *byte = 0;
                }
            }
        }
        sum.update(&buf[..read]);
        at += read as u64;
    }
    // The hasher inverts at the end, boot.rst does not.
    Ok(sum.finalize() == u32::MAX)
}
