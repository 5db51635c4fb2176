//! The `newc` cpio format as the kernel unpacks it (`init/initramfs.c`, `Documentation/driver-api/early-userspace`).

use super::input::Input;
use std::io;

/// `PATH_MAX`: the kernel passes over entries with longer names or link targets.
const PATH_MAX: u64 = 4096;
/// Header of an entry.
const HEADER: usize = 110;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name without a leading `/` or `./`.
    pub name: String,
    /// `st_mode`.
    pub mode: u32,
    /// Bytes of content.
    pub size: u64,
    /// Target of a symbolic link.
    pub target: Option<String>,
    /// Content, when it was asked for.
    pub content: Option<Vec<u8>>,
}

impl Entry {
    /// Is a symbolic link.
    pub fn is_link(&self) -> bool {
        self.mode & 0o170_000 == 0o120_000
    }
    /// Is a regular file.
    pub fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }
}

/// What one header led to.
pub enum Step {
    /// An entry.
    Entry(Entry),
    /// `TRAILER!!!`: the archive is over; another may follow.
    Trailer,
}

/// Reads the entry that begins here. `position` counts bytes since the start of the stream, for alignment.
/// `wanted` says whether the content of a file of this name and size is to be kept.
pub fn read_entry(
    input: &mut dyn Input,
    position: &mut u64,
    wanted: &mut dyn FnMut(&str, u64) -> bool,
) -> io::Result<Step> {
    let mut header = [0; HEADER];
    input.read_exact(&mut header)?;
    *position += HEADER as u64;
    match header.get(..6) {
        Some(b"070701" | b"070702") => {}
        Some(b"070707") => {
            return Err(bad(
                "incorrect cpio method used: the kernel reads newc only",
            ));
        }
        _ => return Err(bad("no cpio magic")),
    }
    let [mode, size, name_len] = [1, 6, 11].map(|i| field(&header, i));
    let (mode, size, name_len) = (mode? as u32, size?, name_len?);
    if name_len == 0 || name_len > PATH_MAX {
        skip(input, position, name_len + padding(*position + name_len))?;
        skip(input, position, size + padding(size))?;
        return Ok(Step::Entry(Entry {
            name: String::new(),
            mode,
            size,
            target: None,
            content: None,
        }));
    }
    let name = take(input, position, name_len)?;
    pad(input, position)?;
    let end = name.iter().position(|c| *c == 0).unwrap_or(name.len());
    let name = String::from_utf8_lossy(name.get(..end).unwrap_or_default()).into_owned();
    if name == "TRAILER!!!" {
        skip(input, position, size)?;
        pad(input, position)?;
        return Ok(Step::Trailer);
    }
    let mut entry = Entry {
        name: name.trim_start_matches("./").trim_start_matches('/').into(),
        mode,
        size,
        target: None,
        content: None,
    };
    if entry.is_link() && size <= PATH_MAX {
        let target = take(input, position, size)?;
        let target = String::from_utf8_lossy(&target);
        entry.target = Some(target.trim_end_matches('\0').to_owned());
    } else if entry.is_file() && wanted(&entry.name, size) {
        entry.content = Some(take(input, position, size)?);
    } else {
        skip(input, position, size)?;
    }
    pad(input, position)?;
    Ok(Step::Entry(entry))
}

/// A field of eight hexadecimal digits. The kernel reads what digits there are; anything else is damage here.
fn field(header: &[u8; HEADER], index: usize) -> io::Result<u64> {
    let at = 6 + index * 8;
    let text = header.get(at..at + 8).unwrap_or_default();
    let text = std::str::from_utf8(text).unwrap_or_default();
    u64::from_str_radix(text, 16).map_err(|_| bad("a cpio header has a field that is no number"))
}

fn padding(len: u64) -> u64 {
    len.wrapping_neg() % 4
}

/// Reads a length that the caller has bounded.
fn take(input: &mut dyn Input, position: &mut u64, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len as usize];
    input.read_exact(&mut bytes)?;
    *position += len;
    Ok(bytes)
}

fn skip(input: &mut dyn Input, position: &mut u64, len: u64) -> io::Result<()> {
    input.skip(len)?;
    *position += len;
    Ok(())
}

/// To the next multiple of four. An archive may end without its last padding.
fn pad(input: &mut dyn Input, position: &mut u64) -> io::Result<()> {
    for _ in 0..padding(*position) {
        if input.fill_buf()?.is_empty() {
            return Ok(());
        }
        input.consume(1);
        *position += 1;
    }
    Ok(())
}

fn bad(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
