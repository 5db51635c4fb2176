//! The last resort: messages found one by one, where the guest's page structures can't be read and no file can be put together.
//!
//! A data object is known by its header (type, flags, size, hash) in front of `MESSAGE=`. Time, unit and priority lie in other objects that only a
//! whole file leads to.

use crate::boot::memory::{GuestMemory, PAGE};
use regex::bytes::Regex;
use std::collections::HashSet;
use std::sync::LazyLock;

/// Read at a time; a multiple of the page size.
const CHUNK: usize = 1 << 20;
/// Messages kept.
const MESSAGES_CAP: usize = 100_000;
/// Largest object believed.
const SIZE_CAP: u64 = 1 << 20;
const FIELD: &[u8] = b"MESSAGE=";
/// Where the payload lies in a data object, regular and compact.
const PAYLOADS: [usize; 2] = [64, 72];

/// A message without anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Text; bytes that are not UTF-8 are replaced.
    pub text: String,
    /// It goes on in a page that could not be found.
    pub cut: bool,
}

/// All messages in memory, each once. A pass over populated memory.
pub fn messages(memory: &dyn GuestMemory) -> Vec<Message> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut chunk = vec![0; CHUNK];
    for range in memory.populated() {
        let mut at = range.start.next_multiple_of(PAGE);
        while at < range.end {
            let len = (range.end - at).min(CHUNK as u64);
            let part = &mut chunk[..len as usize];
            if memory.read_at(at, part).is_ok() {
                for page in part.chunks(PAGE as usize) {
                    in_page(page, &mut seen, &mut found);
                }
            }
            at += len;
        }
    }
    found
}

fn in_page(page: &[u8], seen: &mut HashSet<(u64, u64)>, found: &mut Vec<Message>) {
    static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("(?-u)MESSAGE=").ok());
    for name in NAME.iter().flat_map(|n| n.find_iter(page)) {
        if found.len() >= MESSAGES_CAP {
            return;
        }
        for payload in PAYLOADS {
            let Some((size, hash)) = header(page, name.start(), payload) else {
                continue;
            };
            if seen.insert((size, hash)) {
                let len = size as usize - payload - FIELD.len();
                let rest = &page[name.end()..];
                found.push(Message {
                    text: String::from_utf8_lossy(&rest[..len.min(rest.len())]).into_owned(),
                    cut: len > rest.len(),
                });
            }
            break;
        }
    }
}

/// Size and hash of the uncompressed data object whose payload begins at `at`.
fn header(page: &[u8], at: usize, payload: usize) -> Option<(u64, u64)> {
    let start = at.checked_sub(payload)?;
    let head: &[u8; 24] = page.get(start..)?.first_chunk()?;
    let size = u64::from_le_bytes(head[8..16].try_into().ok()?);
    let hash = u64::from_le_bytes(head[16..24].try_into().ok()?);
    let sane = start.is_multiple_of(8)
        && head[..8] == [1, 0, 0, 0, 0, 0, 0, 0]
        && (payload as u64 + FIELD.len() as u64..SIZE_CAP).contains(&size)
        && hash != 0;
    sane.then_some((size, hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::memory::journal::fake::Writer;
    use crate::boot::memory::tests::Bytes;

    fn file(compact: bool) -> Vec<u8> {
        let mut writer = Writer::new(compact);
        for n in 0..60u64 {
            let text = format!("MESSAGE=line {n} {}", "x".repeat(90));
            let at = writer.data(0, text.as_bytes());
            writer.long(at + 16, n + 1);
        }
        writer.finish()
    }

    #[test]
    fn messages_of_scattered_pages() {
        for compact in [false, true] {
            let mut file = file(compact);
            file.resize(file.len().next_multiple_of(4096), 0);
            let mut pages: Vec<&[u8]> = file.chunks(4096).collect();
            pages.reverse();
            let found = messages(&Bytes::new(0, pages.concat()));
            // Those whose header ends one page and whose text begins the next are lost.
            assert!(found.len() >= 56, "{}", found.len());
            assert!(
                found
                    .iter()
                    .any(|m| m.text.starts_with("line 7 x") && !m.cut)
            );
            assert!(found.iter().filter(|m| m.cut).count() <= 3);
        }
    }

    #[test]
    fn text_alone_is_no_object() {
        let mut ram = vec![0; 8192];
        ram[64..80].copy_from_slice(b"MESSAGE=not one.");
        assert_eq!(messages(&Bytes::new(0, ram)), []);
        assert_eq!(messages(&Bytes::new(0, b"MESSAGE=".to_vec())), []);
    }
}
