//! The lzop container (`lib/decompress_unlzo.c`; lzop's own header with its check sums).

use super::{invalid, read_array};
use std::io::{self, BufRead, Read};

const MAGIC: [u8; 9] = [0x89, b'L', b'Z', b'O', 0, 0x0d, 0x0a, 0x1a, 0x0a];
/// The kernel takes blocks up to 256 KiB.
const MAX_BLOCK: u32 = 256 << 10;
const HAS_FILTER: u32 = 0x800;
/// Check sums of a block: Adler-32 and CRC-32 of the plain and of the compressed bytes.
const PLAIN_SUMS: [u32; 2] = [0x1, 0x100];
const PACKED_SUMS: [u32; 2] = [0x2, 0x200];

/// Reader of one lzop file.
pub struct Lzop<'a> {
    input: &'a mut dyn BufRead,
    flags: Option<u32>,
    block: Vec<u8>,
    at: usize,
    done: bool,
}

impl<'a> Lzop<'a> {
    /// Starts before the magic bytes.
    pub fn new(input: &'a mut dyn BufRead) -> Lzop<'a> {
        Lzop {
            input,
            flags: None,
            block: Vec::new(),
            at: 0,
            done: false,
        }
    }

    fn word(&mut self) -> io::Result<u32> {
        Ok(u32::from_be_bytes(read_array(self.input)?))
    }

    fn header(&mut self) -> io::Result<u32> {
        if read_array::<9>(self.input)? != MAGIC {
            return Err(invalid("lzo: wrong magic"));
        }
        let version = u16::from_be_bytes(read_array(self.input)?);
        read_array::<2>(self.input)?;
        let modern = version >= 0x0940;
        // Version needed, method, level.
        if modern {
            read_array::<4>(self.input)?;
        } else {
            read_array::<1>(self.input)?;
        }
        let flags = self.word()?;
        if flags & HAS_FILTER != 0 {
            self.word()?;
        }
        // Mode and time, the latter in two words since 0.940.
        read_array::<8>(self.input)?;
        if modern {
            self.word()?;
        }
        let [name] = read_array(self.input)?;
        for _ in 0..name {
            read_array::<1>(self.input)?;
        }
        self.word()?;
        Ok(flags)
    }

    fn next_block(&mut self) -> io::Result<bool> {
        let flags = match self.flags {
            Some(flags) => flags,
            None => self.header()?,
        };
        self.flags = Some(flags);
        let plain = self.word()?;
        if plain == 0 {
            return Ok(false);
        }
        let packed = self.word()?;
        if plain > MAX_BLOCK || packed == 0 || packed > plain {
            return Err(invalid(format!("lzo: block of {packed} for {plain} bytes")));
        }
        let sums = |kinds: [u32; 2]| kinds.iter().filter(|k| flags & **k != 0).count();
        let mut words = sums(PLAIN_SUMS);
        if packed < plain {
            words += sums(PACKED_SUMS);
        }
        for _ in 0..words {
            self.word()?;
        }
        let mut bytes = vec![0; packed as usize];
        self.input.read_exact(&mut bytes)?;
        if packed == plain {
            self.block = bytes;
        } else {
            self.block.resize(plain as usize, 0);
            let len = lzokay::decompress::decompress(&bytes, &mut self.block)
                .map_err(|e| invalid(format!("lzo: {e:?}")))?;
            self.block.truncate(len);
        }
        self.at = 0;
        Ok(true)
    }
}

impl Read for Lzop<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.block.len() && !self.done {
            self.done = !self.next_block()?;
            if self.done {
                self.block.clear();
                self.at = 0;
            }
        }
        let rest = self.block.get(self.at..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        self.at += len;
        Ok(len)
    }
}
