//! Payloads of data objects, which journald compresses from 512 bytes on.

use std::io::Read;

/// Largest payload kept, decompressed; journald's own default for a message is 48 KiB (`LineMax=`), a core dump's fields can be larger.
pub const CAP: usize = 1 << 20;

/// `OBJECT_COMPRESSED_*` flags.
const XZ: u8 = 1;
const LZ4: u8 = 2;
const ZSTD: u8 = 4;

/// The decompressed payload, cut at [`CAP`]. `None` when it is damaged or compressed in an unknown way.
pub fn decode(flags: u8, payload: Vec<u8>) -> Option<Vec<u8>> {
    match flags & (XZ | LZ4 | ZSTD) {
        0 => Some(payload),
        XZ => read(liblzma::read::XzDecoder::new(&payload[..])),
        ZSTD => read(zstd::stream::read::Decoder::new(&payload[..]).ok()?),
        LZ4 => {
            // The size in front of one raw block (`compress_blob_lz4`).
            let (size, block) = payload.split_first_chunk::<8>()?;
            let size = usize::try_from(u64::from_le_bytes(*size)).ok()?;
            if size > CAP {
                return None;
            }
            lz4_flex::block::decompress(block, size).ok()
        }
        _ => None,
    }
}

fn read(decoder: impl Read) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    decoder.take(CAP as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn every_compression_is_undone() {
        let text = b"MESSAGE=".repeat(200);
        assert_eq!(decode(0, text.clone()), Some(text.clone()));
        let zstd = zstd::encode_all(&text[..], 3).unwrap();
        assert_eq!(decode(ZSTD, zstd), Some(text.clone()));
        let mut lz4 = (text.len() as u64).to_le_bytes().to_vec();
        lz4.extend(lz4_flex::block::compress(&text));
        assert_eq!(decode(LZ4, lz4), Some(text.clone()));
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(&text).unwrap();
        assert_eq!(decode(XZ, xz.finish().unwrap()), Some(text));
    }

    #[test]
    fn damage_and_bombs_end() {
        for flags in 0..8 {
            for bytes in [
                &b""[..],
                b"\xff\xff\xff\xff\xff\xff\xff\xff",
                b"(\xb5/\xfd\0",
            ] {
                let _ = decode(flags, bytes.to_vec());
            }
        }
        let bomb = zstd::encode_all(&vec![0; 8 << 20][..], 3).unwrap();
        assert_eq!(decode(ZSTD, bomb).map(|b| b.len()), Some(CAP));
    }
}
