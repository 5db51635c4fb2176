use super::*;
use crate::inspect::error::Result as FsResult;
use std::io::Write;
use std::process::{Command, Stdio};

/// One `newc` entry.
pub fn entry(name: &str, mode: u32, content: &[u8]) -> Vec<u8> {
    let mut out = format!(
        "070701{:08x}{mode:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}",
        1,
        0,
        0,
        1,
        0,
        content.len(),
        0,
        0,
        0,
        0,
        name.len() + 1,
        0
    )
    .into_bytes();
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// An archive with its trailer, padded to 512 bytes as cpio(1) does.
pub fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut out = entries.concat();
    out.extend(entry("TRAILER!!!", 0, b""));
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

/// Bytes through a compressor of the host.
pub fn pack(tool: &[&str], bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new(tool[0])
        .args(&tool[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&bytes));
    let out = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    out.stdout
}

struct Bytes(Vec<u8>);

impl OpenFile for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_into(&self, offset: u64, buf: &mut [u8]) -> FsResult<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}

fn list(bytes: Vec<u8>) -> Listing {
    let len = bytes.len() as u64;
    let place = Location::file("p1", "/initrd.img");
    read(&Bytes(bytes), &place, 0, len, false, &|name| {
        name.ends_with(".conf")
    })
}

fn names(listing: &Listing) -> Vec<&str> {
    listing.entries.iter().map(|e| e.name.as_str()).collect()
}

fn told(listing: &Listing) -> Vec<(&str, usize, u64)> {
    let tell = |a: &'_ Archive| a.location.offset.unwrap();
    listing
        .archives
        .iter()
        .map(|a| (a.compression.as_str(), a.entries, tell(a)))
        .collect()
}

#[test]
fn plain_then_padding_then_compressed() {
    // Trixie's: modules in the clear, zeros, the rest compressed.
    let mut bytes = archive(&[
        entry("./lib", 0o040_755, b""),
        entry("/a.ko", 0o100_644, &[7; 9]),
    ]);
    bytes.extend([0; 1000]);
    let at = bytes.len() as u64;
    let rest = archive(&[
        entry("init", 0o100_755, b"x"),
        entry("a.conf", 0o100_644, b"text"),
    ]);
    bytes.extend(pack(&["gzip", "-nc"], &rest));
    bytes.extend([0; 7]);
    let listing = list(bytes);
    assert_eq!(listing.damage, None);
    assert_eq!(names(&listing), ["lib", "a.ko", "init", "a.conf"]);
    assert_eq!(told(&listing), [("none", 2, 0), ("gzip", 2, at)]);
    assert_eq!(
        listing.entries[3].content.as_deref(),
        Some(b"text".as_slice())
    );
    assert_eq!(listing.entries[1].content, None);
}

#[test]
fn archives_follow_each_other_in_one_stream() {
    let two = [
        archive(&[entry("a", 0o100_644, b"1")]),
        archive(&[entry("b", 0o120_777, b"a"), entry("c", 0o100_644, b"")]),
    ]
    .concat();
    for bytes in [two.clone(), pack(&["zstd", "-qc"], &two)] {
        let listing = list(bytes);
        assert_eq!(names(&listing), ["a", "b", "c"]);
        assert_eq!(listing.archives.len(), 2);
        assert_eq!(listing.entries[1].target.as_deref(), Some("a"));
    }
}

#[test]
fn damage_keeps_what_came_before() {
    let whole = archive(&[
        entry("a", 0o100_644, &[1; 600]),
        entry("b", 0o100_644, &[2; 600]),
    ]);
    let message = |listing: &Listing| listing.damage.as_ref().unwrap().message.clone();
    let cut = list(whole[..900].to_vec());
    assert_eq!(names(&cut), ["a"]);
    assert!(message(&cut).contains("ends in the middle"));
    let packed = pack(&["xz", "-c", "--check=crc32"], &whole);
    let cut = list(packed[..packed.len() - 20].to_vec());
    assert!(message(&cut).starts_with("xz: "), "{}", message(&cut));
    let mut junk = whole.clone();
    junk.extend(b"garbage!");
    assert_eq!(
        message(&list(junk)),
        "invalid magic at start of compressed archive"
    );
    let inner = [whole.as_slice(), b"garbage!"].concat();
    let inner = list(pack(&["gzip", "-nc"], &inner));
    assert_eq!(message(&inner), "gzip: junk within compressed archive");
    let old = list(b"070707aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_vec());
    assert!(message(&old).contains("incorrect cpio method"));
    let crc64 = list(pack(&["xz", "-c"], &whole));
    assert_eq!(crc64.damage.as_ref().unwrap().kind, ErrorKind::Unsupported);
    assert_eq!(names(&crc64), ["a", "b"]);
    let nothing = list(pack(&["gzip", "-nc"], b""));
    assert!(message(&nothing).contains("holds no archive"));
}

#[test]
fn lengths_are_not_believed() {
    let mut huge = entry("a", 0o100_644, b"x");
    huge[54..62].copy_from_slice(b"ffffffff");
    assert!(list(huge.clone()).damage.is_some());
    assert!(list(pack(&["gzip", "-nc"], &huge)).damage.is_some());
    let mut name = entry("a", 0o100_644, b"x");
    name[94..102].copy_from_slice(b"fffffff0");
    assert!(list(name).damage.is_some());
    let bomb = pack(&["gzip", "-nc"], &vec![b'0'; 4 << 20]);
    assert!(list(bomb).damage.is_some());
}

proptest::proptest! {
    #[test]
    fn mutations_end(at in 0usize..1200, value: u8, cut in 0usize..1200) {
        let mut bytes = archive(&[entry("a", 0o100_644, &[1; 300]), entry("b/c", 0o120_777, b"a")]);
        let at = at % bytes.len();
        bytes[at] = value;
        bytes.truncate(bytes.len() - cut.min(bytes.len()));
        list(bytes);
    }
}
