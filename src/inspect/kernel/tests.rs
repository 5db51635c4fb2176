use super::super::bootloader::file::entry_file;
use super::*;
use crate::inspect::filesystem::directory::DirectoryFs;

/// A bzImage with 512 bytes of setup beyond the first sector and a kernel proper of `system` bytes.
fn bzimage(release: &str, system: usize) -> Vec<u8> {
    let mut out = vec![0; 1024 + system];
    out[0x1f1] = 1;
    out[0x1f4..0x1f8].copy_from_slice(&((system / 16) as u32).to_le_bytes());
    out[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    out[0x202..0x206].copy_from_slice(b"HdrS");
    out[0x206..0x208].copy_from_slice(&[0x0f, 0x02]);
    out[0x20e..0x210].copy_from_slice(&0x100u16.to_le_bytes());
    out[0x236] = 1;
    let version = format!("{release} (a@b) #1 SMP\0");
    out[0x300..0x300 + version.len()].copy_from_slice(version.as_bytes());
    for (i, byte) in out.iter_mut().enumerate().skip(1024) {
        *byte = (i * 7) as u8;
    }
    let end = out.len() - 4;
    let sum = !crc32fast::hash(&out[..end]);
    out[end..].copy_from_slice(&sum.to_le_bytes());
    out
}

fn read_bytes(bytes: &[u8]) -> KernelFacts {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("vmlinuz"), bytes).unwrap();
    std::fs::write(
        dir.path().join("config-6.1.0-9-amd64"),
        "# CONFIG_A is not set\nCONFIG_B=m\nCONFIG_LOCALVERSION=\"-x\"\n",
    )
    .unwrap();
    let fs: Arc<dyn FileSystem> = Arc::new(DirectoryFs::new(dir.path(), "p1"));
    let file = entry_file(fs.as_ref(), "/vmlinuz", None);
    read(&fs, &file, None).known().unwrap().clone()
}

fn damage(bytes: &[u8]) -> String {
    let damage = read_bytes(bytes).damage;
    damage.map(|e| e.message).unwrap_or_default()
}

#[test]
fn a_bzimage_tells_its_release_and_finds_its_configuration() {
    let facts = read_bytes(&bzimage("6.1.0-9-amd64", 4096));
    assert_eq!(facts.damage, None);
    assert_eq!(facts.format, "bzImage");
    assert_eq!(facts.architecture.as_deref(), Some("x86_64"));
    assert_eq!(facts.release.as_deref(), Some("6.1.0-9-amd64"));
    assert_eq!(facts.option("CONFIG_B"), Some("m"));
    assert_eq!(facts.option("CONFIG_LOCALVERSION"), Some("-x"));
    assert_eq!(facts.option("CONFIG_A"), None);
    assert_eq!(
        facts.config_location.unwrap().path.as_deref(),
        Some("/config-6.1.0-9-amd64")
    );
}

#[test]
fn damage_is_told_apart() {
    let whole = bzimage("6.1.0-9-amd64", 4096);
    assert!(damage(&whole[..3000]).contains("its header says 5120 bytes, the file has 3000"));
    let mut changed = whole.clone();
    changed[2000] ^= 1;
    assert!(damage(&changed).contains("check sum"));
    // A newer kernel has no check sum to be wrong.
    let mut changed = bzimage("6.18.0-1-amd64", 4096);
    changed[2000] ^= 1;
    assert_eq!(damage(&changed), "");
    assert!(damage(b"").contains("0 bytes"));
    assert!(damage(&[0; 4096]).contains("no boot header"));
    // A signature lies behind what the header counts.
    let signed = [whole.as_slice(), &[1; 512]].concat();
    assert_eq!(damage(&signed), "");
}

#[test]
fn arm64_images_are_known_plain_and_packed() {
    let mut image = vec![0; 4096];
    image[0x38..0x3c].copy_from_slice(b"ARM\x64");
    image[1000..1030].copy_from_slice(b"Linux version %s (%s@%s) (%s)\n");
    image[2000..2030].copy_from_slice(b"Linux version 6.12.0-arm64 (x)");
    let facts = read_bytes(&image);
    assert_eq!(facts.format, "Image");
    assert_eq!(facts.architecture.as_deref(), Some("aarch64"));
    assert_eq!(facts.release.as_deref(), Some("6.12.0-arm64"));
    let mut packed = Vec::new();
    let mut encoder = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &image).unwrap();
    encoder.finish().unwrap();
    let facts = read_bytes(&packed);
    assert_eq!((facts.format.as_str(), facts.damage), ("Image.gz", None));
    assert_eq!(facts.release.as_deref(), Some("6.12.0-arm64"));
    let mut zboot = vec![0; 512];
    zboot[..8].copy_from_slice(b"MZ\0\0zimg");
    zboot[8..12].copy_from_slice(&512u32.to_le_bytes());
    zboot[12..16].copy_from_slice(&(packed.len() as u32).to_le_bytes());
    zboot.extend(&packed);
    let facts = read_bytes(&zboot);
    assert_eq!(facts.format, "zboot");
    assert_eq!(facts.release.as_deref(), Some("6.12.0-arm64"));
    assert!(damage(&zboot[..600]).contains("truncated"));
}

proptest::proptest! {
    #[test]
    fn mutations_do_not_panic(at in 0usize..0x400, value: u8, cut in 0usize..5000) {
        let mut bytes = bzimage("6.1.0-9-amd64", 4096);
        bytes[at] = value;
        bytes.truncate(bytes.len() - cut);
        read_bytes(&bytes);
    }
}
