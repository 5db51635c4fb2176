//! The legacy frame of LZ4, the only one the kernel reads (`lib/decompress_unlz4.c`): independent blocks of 8 MiB.

use super::invalid;
use std::io::{self, BufRead, Read};

const MAGIC: u32 = 0x184c_2102;
/// Uncompressed size of every block but the last.
const BLOCK: usize = 8 << 20;
/// `LZ4_compressBound` of a block.
const MAX_CHUNK: usize = BLOCK + BLOCK / 255 + 16;

/// Reader of one legacy frame. It ends at the end of input or, like the kernel, at a chunk of length 0.
pub struct Legacy<'a> {
    input: &'a mut dyn BufRead,
    block: Vec<u8>,
    chunk: Vec<u8>,
    at: usize,
    done: bool,
}

impl<'a> Legacy<'a> {
    /// Starts before the magic number.
    pub fn new(input: &'a mut dyn BufRead) -> Legacy<'a> {
        Legacy {
            input,
            block: Vec::new(),
            chunk: Vec::new(),
            at: 0,
            done: false,
        }
    }

    /// Fills the block from the next chunk; false at the end.
    fn next_block(&mut self) -> io::Result<bool> {
        let size = loop {
            let mut word = Vec::new();
            Read::take(&mut *self.input, 4).read_to_end(&mut word)?;
            match word.try_into().map(u32::from_le_bytes) {
                Ok(MAGIC) => {}
                // Zeros behind the last chunk are padding of the initrd; fewer than four bytes are nothing.
                Ok(0) | Err(_) => return Ok(false),
                Ok(size) => break size as usize,
            }
        };
        if size > MAX_CHUNK {
            return Err(invalid(format!(
                "lz4 chunk of {size} bytes is longer than allowed"
            )));
        }
        self.chunk.clear();
        let read = Read::take(&mut *self.input, size as u64).read_to_end(&mut self.chunk)?;
        if read < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.block.resize(BLOCK, 0);
        let len = lz4_flex::block::decompress_into(&self.chunk, &mut self.block)
            .map_err(|e| invalid(format!("lz4: {e}")))?;
        self.block.truncate(len);
        self.at = 0;
        Ok(true)
    }
}

impl Read for Legacy<'_> {
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
