//! One initrd file: archives one after the other, plain or compressed, as `unpack_to_rootfs` walks them.

use super::Archive;
use super::cpio::{Entry, Step, read_entry};
use super::input::{DecodedInput, FileInput, Input, describe};
use crate::inspect::compression::{self, Compression};
use crate::inspect::error::{Error, ErrorKind};
use crate::inspect::filesystem::OpenFile;
use crate::inspect::source::Location;
use std::io::{self, BufRead};

/// No initrd holds more entries.
const MAX_ENTRIES: usize = 1 << 20;
/// All names together.
const MAX_NAMES: usize = 64 << 20;
/// What all archives may unpack to; more does not fit into a guest's memory either.
const MAX_UNPACKED: u64 = 2 << 30;
/// A file whose content is kept, and all of them.
const MAX_KEPT: u64 = 256 << 10;
const MAX_KEPT_ALL: u64 = 8 << 20;
/// Archives in one file.
const MAX_ARCHIVES: usize = 256;

/// What was read of one file.
#[derive(Debug, Default)]
pub struct Listing {
    /// Archives in order.
    pub archives: Vec<Archive>,
    /// Entries in order, `TRAILER!!!` left out.
    pub entries: Vec<Entry>,
    /// First damage; what was read before it stays.
    pub damage: Option<Error>,
    names: usize,
    kept: u64,
}

/// Where and why reading ended early.
struct Stop {
    offset: u64,
    kind: ErrorKind,
    message: String,
}

impl Stop {
    fn at(offset: u64, message: impl Into<String>) -> Stop {
        Stop {
            offset,
            kind: ErrorKind::Corrupt,
            message: message.into(),
        }
    }
    fn io(offset: u64, error: &io::Error) -> Stop {
        let (kind, message) = describe(error);
        Stop {
            offset,
            kind,
            message,
        }
    }
}

/// Compression of a part that starts like nothing the kernel can unpack.
pub const UNKNOWN: &str = "unknown";

/// Reads `len` bytes of `file` from `base`. `keep` chooses the files whose content is wanted; with `heads_only`
/// compressed archives are recognised and not unpacked.
pub fn read(
    file: &dyn OpenFile,
    place: &Location,
    base: u64,
    len: u64,
    heads_only: bool,
    keep: &(dyn Fn(&str) -> bool + Sync),
) -> Listing {
    let mut listing = Listing::default();
    let mut input = FileInput::new(file, base, len);
    let done = if len == 0 {
        Err(Stop::at(0, "the initrd is empty (0 bytes)"))
    } else {
        listing.unpack(&mut input, place, base, heads_only, keep)
    };
    if let Err(stop) = done {
        let place = place.clone().at_offset(base + stop.offset);
        let damage = Error::new(stop.kind, place, stop.message);
        listing.damage.get_or_insert(damage);
    }
    listing
}

impl Listing {
    fn unpack(
        &mut self,
        input: &mut FileInput<'_>,
        place: &Location,
        base: u64,
        heads_only: bool,
        keep: &dyn Fn(&str) -> bool,
    ) -> Result<(), Stop> {
        let mut unpacked = 0;
        loop {
            let here = input.position();
            let io = |e: &io::Error| Stop::io(here, e);
            input.skip_zeros().map_err(|e| io(&e))?;
            let start = input.position();
            let head = input.peek(8).map_err(|e| io(&e))?.to_vec();
            if head.is_empty() {
                return Ok(());
            }
            if self.archives.len() >= MAX_ARCHIVES {
                return Err(Stop::at(start, "has too many archives"));
            }
            let plain = head.first() == Some(&b'0') && start.is_multiple_of(4);
            let kind = Compression::detect(&head);
            self.archives.push(Archive {
                location: place.clone().at_offset(base + start),
                compression: kind
                    .filter(|_| !plain)
                    .map_or("none", Compression::name)
                    .into(),
                entries: 0,
            });
            if plain {
                let mut position = start;
                self.archive(input, &mut position, keep)
                    .map_err(|e| Stop::io(start, &e))?;
                continue;
            }
            let Some(kind) = kind else {
                if let Some(archive) = self.archives.last_mut() {
                    archive.compression = UNKNOWN.into();
                }
                return Err(Stop::at(
                    start,
                    "invalid magic at start of compressed archive",
                ));
            };
            if let (Compression::Xz, Some(trouble)) = (kind, compression::xz_check_trouble(&head)) {
                // The kernel stops here; the list is still worth having.
                let at = place.clone().at_offset(base + start);
                let trouble = Error::unsupported(at, trouble);
                self.damage.get_or_insert(trouble);
            }
            if heads_only {
                return Ok(());
            }
            let stop = |e: &io::Error| {
                let stop = Stop::io(start, e);
                Stop {
                    message: format!("{}: {}", kind.name(), stop.message),
                    ..stop
                }
            };
            let decoder = compression::decoder(kind, input).map_err(|e| stop(&e))?;
            let mut decoded = DecodedInput::new(decoder, MAX_UNPACKED - unpacked);
            self.stream(&mut decoded, keep).map_err(|e| stop(&e))?;
            unpacked = MAX_UNPACKED - decoded.left();
        }
    }

    /// A compressed stream: archives and zeros up to its end.
    fn stream(
        &mut self,
        input: &mut DecodedInput<'_>,
        keep: &dyn Fn(&str) -> bool,
    ) -> io::Result<()> {
        let mut position = 0;
        let mut first = true;
        loop {
            match next_byte(input, &mut position)? {
                None if first => return Err(bad("holds no archive")),
                None => return Ok(()),
                Some(b'0') if position.is_multiple_of(4) => {
                    if !first {
                        self.next_archive();
                    }
                    self.archive(input, &mut position, keep)?;
                }
                Some(_) => return Err(bad("junk within compressed archive")),
            }
            first = false;
        }
    }

    /// Entries up to and with the trailer, or up to something that is no header.
    fn archive(
        &mut self,
        input: &mut dyn Input,
        position: &mut u64,
        keep: &dyn Fn(&str) -> bool,
    ) -> io::Result<()> {
        loop {
            let room = MAX_KEPT_ALL.saturating_sub(self.kept);
            let mut wanted = |name: &str, size| size <= MAX_KEPT.min(room) && keep(name);
            match read_entry(input, position, &mut wanted)? {
                Step::Trailer => return Ok(()),
                Step::Entry(entry) => self.push(entry)?,
            }
            // Without a trailer the kernel goes on all the same when another header follows.
            match next_byte(input, position)? {
                Some(b'0') if position.is_multiple_of(4) => {}
                _ => return Ok(()),
            }
        }
    }

    fn push(&mut self, entry: Entry) -> io::Result<()> {
        self.names += entry.name.len();
        self.kept += entry.content.as_ref().map_or(0, |c| c.len() as u64);
        if self.entries.len() >= MAX_ENTRIES || self.names > MAX_NAMES {
            return Err(bad("has more entries than isar-doctor follows"));
        }
        if let Some(archive) = self.archives.last_mut() {
            archive.entries += 1;
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Another archive in the same compressed stream.
    fn next_archive(&mut self) {
        if let Some(last) = self.archives.last()
            && self.archives.len() < MAX_ARCHIVES
        {
            self.archives.push(Archive {
                entries: 0,
                ..last.clone()
            });
        }
    }
}

/// Passes over zeros and looks at the byte behind them; none at the end.
fn next_byte(input: &mut dyn BufRead, position: &mut u64) -> io::Result<Option<u8>> {
    loop {
        let rest = input.fill_buf()?;
        if rest.is_empty() {
            return Ok(None);
        }
        let zeros = rest.iter().take_while(|c| **c == 0).count();
        let next = rest.get(zeros).copied();
        input.consume(zeros);
        *position += zeros as u64;
        if next.is_some() {
            return Ok(next);
        }
    }
}

fn bad(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
pub(super) mod tests;
