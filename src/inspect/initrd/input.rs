//! Bytes of an initrd: a range of a file that can be skipped in, or the output of a decoder.

use crate::inspect::error::{Error, ErrorKind};
use crate::inspect::filesystem::OpenFile;
use std::io::{self, BufRead, BufReader, Read};

/// First read after a jump; enough for a header and a name.
const SMALL: usize = 16 << 10;
/// Reads grow to this while they go straight on.
const LARGE: usize = 1 << 20;

/// What the cpio reader reads from.
pub trait Input: BufRead {
    /// Passes over `n` bytes.
    fn skip(&mut self, n: u64) -> io::Result<()>;
}

/// A range of an open file. Jumps cost nothing.
pub struct FileInput<'a> {
    file: &'a dyn OpenFile,
    /// Where the range begins in the file.
    base: u64,
    /// Length of the range.
    len: u64,
    /// Position in the range of the buffer's first byte.
    start: u64,
    buf: Vec<u8>,
    at: usize,
    next: usize,
}

impl<'a> FileInput<'a> {
    /// `len` bytes of `file` from `base`.
    pub fn new(file: &'a dyn OpenFile, base: u64, len: u64) -> FileInput<'a> {
        let len = len.min(file.size().saturating_sub(base));
        FileInput {
            file,
            base,
            len,
            start: 0,
            buf: Vec::new(),
            at: 0,
            next: SMALL,
        }
    }

    /// Position in the range.
    pub fn position(&self) -> u64 {
        self.start + self.at as u64
    }

    /// The next `n` bytes, fewer at the end, without passing over them.
    pub fn peek(&mut self, n: usize) -> io::Result<&[u8]> {
        if self.buf.len() - self.at < n {
            let (start, want) = (self.position(), n.max(SMALL));
            self.load(start, want)?;
        }
        let rest = &self.buf[self.at..];
        Ok(&rest[..n.min(rest.len())])
    }

    /// Passes over zero bytes.
    pub fn skip_zeros(&mut self) -> io::Result<()> {
        loop {
            let rest = self.fill_buf()?;
            let zeros = rest.iter().take_while(|c| **c == 0).count();
            let more = zeros == rest.len() && zeros > 0;
            self.consume(zeros);
            if !more {
                return Ok(());
            }
        }
    }

    fn load(&mut self, start: u64, want: usize) -> io::Result<()> {
        let want = (want as u64).min(self.len.saturating_sub(start)) as usize;
        self.buf.resize(want, 0);
        let mut filled = 0;
        while filled < want {
            let offset = self.base + start + filled as u64;
            let read = self.file.read_into(offset, &mut self.buf[filled..]);
            match read.map_err(wrap)? {
                0 => break,
                n => filled += n,
            }
        }
        self.buf.truncate(filled);
        self.start = start;
        self.at = 0;
        Ok(())
    }
}

impl BufRead for FileInput<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.buf.len() {
            let (start, want) = (self.position(), self.next);
            self.next = (want * 4).min(LARGE);
            self.load(start, want)?;
        }
        Ok(&self.buf[self.at..])
    }
    fn consume(&mut self, n: usize) {
        self.at = (self.at + n).min(self.buf.len());
    }
}

impl Read for FileInput<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, out)
    }
}

impl Input for FileInput<'_> {
    fn skip(&mut self, n: u64) -> io::Result<()> {
        let target = self.position().saturating_add(n);
        if target > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let end = self.start + self.buf.len() as u64;
        if target <= end {
            self.at = (target - self.start) as usize;
        } else {
            self.start = target;
            self.buf.clear();
            self.at = 0;
            self.next = SMALL;
        }
        Ok(())
    }
}

/// The output of a decoder, with a bound on how much may come out.
pub struct DecodedInput<'a> {
    reader: BufReader<Box<dyn Read + 'a>>,
    left: u64,
}

impl<'a> DecodedInput<'a> {
    /// At most `limit` bytes of `decoder`.
    pub fn new(decoder: Box<dyn Read + 'a>, limit: u64) -> DecodedInput<'a> {
        DecodedInput {
            reader: BufReader::with_capacity(256 << 10, decoder),
            left: limit,
        }
    }

    /// Bytes that may still come out.
    pub fn left(&self) -> u64 {
        self.left
    }
}

impl BufRead for DecodedInput<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let left = self.left;
        let bytes = self.reader.fill_buf()?;
        if left == 0 && !bytes.is_empty() {
            return Err(io::Error::other(TooMuch));
        }
        Ok(&bytes[..bytes.len().min(left as usize)])
    }
    fn consume(&mut self, n: usize) {
        self.left = self.left.saturating_sub(n as u64);
        self.reader.consume(n);
    }
}

impl Read for DecodedInput<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, out)
    }
}

impl Input for DecodedInput<'_> {
    fn skip(&mut self, mut n: u64) -> io::Result<()> {
        while n > 0 {
            let here = self.fill_buf()?.len();
            if here == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let step = n.min(here as u64);
            self.consume(step as usize);
            n -= step;
        }
        Ok(())
    }
}

fn read_buffered(input: &mut dyn BufRead, out: &mut [u8]) -> io::Result<usize> {
    let bytes = input.fill_buf()?;
    let len = bytes.len().min(out.len());
    out[..len].copy_from_slice(&bytes[..len]);
    input.consume(len);
    Ok(len)
}

/// More came out of a decoder than an initrd can hold.
#[derive(Debug, thiserror::Error)]
#[error("unpacks to more than isar-doctor follows")]
struct TooMuch;

/// An error of the file system, on its way through `io::Error`.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
struct Wrapped(Error);

fn wrap(error: Error) -> io::Error {
    io::Error::other(Wrapped(error))
}

/// Kind and words of a read error, wherever it began.
pub fn describe(error: &io::Error) -> (ErrorKind, String) {
    if let Some(Wrapped(inner)) = error.get_ref().and_then(|e| e.downcast_ref()) {
        return (inner.kind, inner.message.clone());
    }
    if error.get_ref().is_some_and(|e| e.is::<TooMuch>()) {
        return (ErrorKind::Limit, error.to_string());
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return (ErrorKind::Corrupt, "ends in the middle".into());
    }
    (ErrorKind::Corrupt, error.to_string())
}
