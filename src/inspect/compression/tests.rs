use super::*;
use std::io::Write;
use std::process::{Command, Stdio};

/// The reference tools; each is on a Debian build host.
const TOOLS: [(Compression, &[&str]); 7] = [
    (Compression::Gzip, &["gzip", "-nc"]),
    (Compression::Zstd, &["zstd", "-qc"]),
    (Compression::Xz, &["xz", "-c", "--check=crc32"]),
    (Compression::Lzma, &["xz", "-c", "--format=lzma"]),
    (Compression::Bzip2, &["bzip2", "-c"]),
    (Compression::Lz4, &["lz4", "-lc"]),
    (Compression::Lzo, &["lzop", "-c"]),
];

/// `text` through a tool; none when the host has no such tool.
fn pack(tool: &[&str], text: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new(tool[0])
        .args(&tool[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&text));
    let out = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(out.status.success());
    Some(out.stdout)
}

fn sample() -> Vec<u8> {
    (0..300_000u32)
        .flat_map(|i| (i.wrapping_mul(i) / 7).to_le_bytes())
        .chain(std::iter::repeat_n(0, 500_000))
        .collect()
}

#[test]
fn every_format_is_read_to_its_end_and_no_further() {
    let text = sample();
    for (kind, tool) in TOOLS {
        let Some(mut bytes) = pack(tool, &text) else {
            assert!(!matches!(kind, Compression::Gzip | Compression::Xz));
            continue;
        };
        assert_eq!(Compression::detect(&bytes), Some(kind), "{tool:?}");
        bytes.extend_from_slice(b"\0\0\0\0\0\0behind");
        let mut input = bytes.as_slice();
        let mut out = Vec::new();
        decoder(kind, &mut input)
            .unwrap()
            .read_to_end(&mut out)
            .unwrap_or_else(|e| panic!("{tool:?}: {e}"));
        assert_eq!(out.len(), text.len(), "{tool:?}");
        assert!(out == text, "{tool:?}");
        assert!(
            input.ends_with(b"\0\0behind") && input.len() <= 12,
            "{tool:?}"
        );
    }
}

#[test]
fn damage_is_an_error_and_bombs_stop() {
    let text = sample();
    for (kind, tool) in TOOLS {
        let Some(bytes) = pack(tool, &text) else {
            continue;
        };
        let half = bytes[..bytes.len() / 2].to_vec();
        assert!(expand(half, 1 << 30).is_err(), "{tool:?} truncated");
        assert!(expand(bytes.clone(), 1000).is_err(), "{tool:?} cap");
        for at in (0..bytes.len()).step_by(bytes.len() / 12 + 1) {
            let mut bad = bytes.clone();
            bad[at] ^= 0x55;
            if let Ok(out) = expand(bad, 8 << 20) {
                assert!(out.len() <= 8 << 20, "{kind:?}");
            }
        }
    }
    assert_eq!(expand(b"plain".to_vec(), 10).unwrap(), b"plain");
}

#[test]
fn the_kernel_reads_few_xz_checks() {
    for (check, fine) in [
        ("none", true),
        ("crc32", true),
        ("crc64", false),
        ("sha256", false),
    ] {
        let option = format!("--check={check}");
        let bytes = pack(&["xz", "-c", &option], b"x").unwrap();
        assert_eq!(xz_check_trouble(&bytes).is_none(), fine, "{check}");
    }
    assert_eq!(xz_check_trouble(b""), None);
}

proptest::proptest! {
    #[test]
    fn noise_behind_a_magic_does_not_panic(kind in 0usize..7, noise: Vec<u8>) {
        let heads: [&[u8]; 7] = [
            &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
            &[0x28, 0xb5, 0x2f, 0xfd],
            &[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 1],
            &[0x5d, 0, 0, 0, 1],
            b"BZh9",
            &[0x02, 0x21, 0x4c, 0x18],
            &[0x89, b'L', b'Z', b'O', 0, 0x0d, 0x0a, 0x1a, 0x0a, 0x10, 0x30, 0x20, 0xa0, 0x09, 0x40],
        ];
        let bytes = [heads[kind], &noise].concat();
        let _ = expand(bytes, 1 << 20);
    }
}
