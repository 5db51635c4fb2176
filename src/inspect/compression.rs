//! Every compression the kernel and kmod know, behind one door: initrds, kernel modules.

mod lz4;
mod lzo;

use std::io::{self, BufRead, Read};

/// The kernel's zstd reader takes windows up to 128 MiB (`ZSTD_WINDOWLOG_MAX` is cut to 27).
const ZSTD_WINDOW_LOG: u32 = 27;
/// Memory that an xz or lzma stream may ask for: `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 160 << 20;

/// A kind of compressed stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Compression {
    Gzip,
    Zstd,
    Xz,
    Lzma,
    Bzip2,
    Lz4,
    Lzo,
}

impl Compression {
    /// Recognises a stream by its first bytes, as the kernel does (`lib/decompress.c`).
    pub fn detect(head: &[u8]) -> Option<Compression> {
        Some(match head.get(..2)? {
            [0x1f, 0x8b | 0x9e] => Compression::Gzip,
            [0x28, 0xb5] => Compression::Zstd,
            [0xfd, 0x37] => Compression::Xz,
            [0x5d, 0x00] => Compression::Lzma,
            [0x42, 0x5a] => Compression::Bzip2,
            [0x02, 0x21] => Compression::Lz4,
            [0x89, 0x4c] => Compression::Lzo,
            _ => return None,
        })
    }

    /// Name as facts spell it.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Xz => "xz",
            Compression::Lzma => "lzma",
            Compression::Bzip2 => "bzip2",
            Compression::Lz4 => "lz4",
            Compression::Lzo => "lzo",
        }
    }

    /// The kernel option that lets an initrd be compressed so.
    pub fn kernel_option(self) -> &'static str {
        match self {
            Compression::Gzip => "CONFIG_RD_GZIP",
            Compression::Zstd => "CONFIG_RD_ZSTD",
            Compression::Xz => "CONFIG_RD_XZ",
            Compression::Lzma => "CONFIG_RD_LZMA",
            Compression::Bzip2 => "CONFIG_RD_BZIP2",
            Compression::Lz4 => "CONFIG_RD_LZ4",
            Compression::Lzo => "CONFIG_RD_LZO",
        }
    }
}

/// Reads one stream and leaves `input` right behind it: the kernel decompresses one stream and then looks anew.
pub fn decoder<'a>(
    kind: Compression,
    input: &'a mut dyn BufRead,
) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match kind {
        Compression::Gzip => Box::new(flate2::bufread::GzDecoder::new(input)),
        Compression::Bzip2 => Box::new(bzip2::bufread::BzDecoder::new(input)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?.single_frame();
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        Compression::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, 0)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
        }
        Compression::Lzma => {
            let stream = liblzma::stream::Stream::new_lzma_decoder(XZ_MEMORY)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
        }
        Compression::Lz4 => Box::new(lz4::Legacy::new(input)),
        Compression::Lzo => Box::new(lzo::Lzop::new(input)),
    })
}

/// The content of a file that may be compressed, at most `cap` bytes of it.
pub fn expand(bytes: Vec<u8>, cap: u64) -> io::Result<Vec<u8>> {
    let Some(kind) = Compression::detect(&bytes) else {
        return Ok(bytes);
    };
    let mut input = bytes.as_slice();
    let mut out = Vec::new();
    decoder(kind, &mut input)?
        .take(cap.saturating_add(1))
        .read_to_end(&mut out)?;
    if out.len() as u64 > cap {
        return Err(io::Error::other(format!("more than {cap} bytes inside")));
    }
    Ok(out)
}

/// What is wrong with an xz stream for the kernel, whose reader knows only CRC32 (`Documentation/staging/xz.rst`).
pub fn xz_check_trouble(head: &[u8]) -> Option<&'static str> {
    match head.get(7)? & 0x0f {
        0 | 1 => None,
        4 => Some(
            "the xz stream is checked by CRC64, the kernel reads CRC32 only (xz --check=crc32)",
        ),
        10 => Some(
            "the xz stream is checked by SHA-256, the kernel reads CRC32 only (xz --check=crc32)",
        ),
        _ => Some("the xz stream has a check that the kernel does not read (xz --check=crc32)"),
    }
}

/// A number of exactly `N` bytes from a container.
fn read_array<const N: usize>(input: &mut dyn BufRead) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

#[cfg(test)]
mod tests;
