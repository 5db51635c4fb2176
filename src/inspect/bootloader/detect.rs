//! Which loader a PE program is: by the marks that loaders leave in themselves.

use super::pe::{self, Image};
use super::{LoaderKind, uki};
use crate::inspect::filesystem::FileSystem;

/// Marks are short texts; `.sbat` is a small table.
const TEXT_CAP: u64 = 16 << 10;
/// How much of a program without marks is searched for its messages.
const SEARCH_CAP: u64 = 4 << 20;

/// Kind and version of a program of the ESP.
pub fn identify(fs: &dyn FileSystem, path: &str, image: &Image) -> (LoaderKind, Option<String>) {
    let text = |name: &str| {
        let section = image.section(name)?;
        let file = fs.open_file(path).ok()?;
        let bytes = pe::section_bytes(file.as_ref(), &image.facts.location, section, TEXT_CAP);
        Some(String::from_utf8_lossy(&bytes.ok()?).into_owned())
    };
    // `#### LoaderInfo: systemd-boot 252.39-1~deb12u1 ####`
    let magic = text(".sdmagic").unwrap_or_default();
    if let Some((_, rest)) = magic.split_once("LoaderInfo: systemd-boot ") {
        let version = rest.split([' ', '\0']).next().unwrap_or_default();
        let known = !version.is_empty();
        return (LoaderKind::SystemdBoot, known.then(|| version.to_owned()));
    }
    if uki::is_uki(image) {
        let stub = magic.split_once("LoaderInfo: systemd-stub ");
        let version = stub.and_then(|(_, rest)| rest.split([' ', '\0']).next());
        return (LoaderKind::Uki, version.map(str::to_owned));
    }
    let sbat = text(".sbat").unwrap_or_default();
    if let Some(version) = sbat_version(&sbat, "grub") {
        return (LoaderKind::Grub, version);
    }
    if let Some(version) = sbat_version(&sbat, "shim") {
        return (LoaderKind::Shim, version);
    }
    // grub-mkimage names its module section so; shim cuts `.vendor_cert` to eight bytes.
    if image.section("mods").is_some() {
        return (LoaderKind::Grub, None);
    }
    if image.section(".vendor_").is_some() {
        return (LoaderKind::Shim, None);
    }
    (by_messages(fs, path), None)
}

/// Version of a component of an SBAT table: `name,generation,vendor,package,version,url`. A vendor's own line says more.
fn sbat_version(sbat: &str, component: &str) -> Option<Option<String>> {
    let mut best = None;
    for line in sbat.lines() {
        let fields: Vec<&str> = line.trim_matches('\0').split(',').collect();
        let name = fields.first().copied().unwrap_or_default();
        let own = name
            .strip_prefix(component)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        if own {
            best = Some(fields.get(4).map(|v| (*v).to_owned()));
        }
    }
    best
}

/// Looks for the words a loader prints.
fn by_messages(fs: &dyn FileSystem, path: &str) -> LoaderKind {
    let Ok(bytes) = fs.read_at(path, 0, SEARCH_CAP as usize) else {
        return LoaderKind::Unknown;
    };
    let contains = |needle: &[u8]| bytes.windows(needle.len()).any(|w| w == needle);
    let wide: Vec<u8> = "EFI Boot Guard"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    if contains(&wide) {
        LoaderKind::EfiBootGuard
    } else if contains(b"Welcome to GRUB") {
        LoaderKind::Grub
    } else {
        LoaderKind::Unknown
    }
}

/// What the firmware of a machine calls its architecture in `BOOTX64.EFI`, and systemd-boot in `architecture`.
pub fn efi_suffix(machine: u16) -> Option<&'static str> {
    Some(match machine {
        0x8664 => "x64",
        0xaa64 => "aa64",
        0x014c => "ia32",
        0x01c0 | 0x01c2 | 0x01c4 => "arm",
        0x5064 => "riscv64",
        0x6264 => "loongarch64",
        _ => return None,
    })
}

/// The PE machine that a removable-media name stands for.
pub fn machine_of_suffix(suffix: &str) -> Option<u16> {
    [0x8664, 0xaa64, 0x014c, 0x01c2, 0x5064, 0x6264]
        .into_iter()
        .find(|m| efi_suffix(*m).is_some_and(|own| own.eq_ignore_ascii_case(suffix)))
}

/// The architecture of a Debian root file system, by its dynamic loader.
pub fn rootfs_machine(rootfs: &dyn FileSystem) -> Option<u16> {
    [
        ("/lib64/ld-linux-x86-64.so.2", 0x8664),
        ("/lib/ld-linux-aarch64.so.1", 0xaa64),
        ("/lib/ld-linux-armhf.so.3", 0x01c2),
        ("/lib/ld-linux-riscv64-lp64d.so.1", 0x5064),
        ("/lib/ld-linux.so.2", 0x014c),
    ]
    .into_iter()
    .find(|(path, _)| rootfs.exists(path))
    .map(|(_, machine)| machine)
}

#[cfg(test)]
mod tests {
    use super::super::pe::tests::build;
    use super::*;
    use crate::inspect::filesystem::directory::DirectoryFs;

    fn kind(sections: &[(&str, &[u8])]) -> (LoaderKind, Option<String>) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.efi"), build(0x8664, sections)).unwrap();
        let fs = DirectoryFs::new(dir.path(), "p1");
        identify(&fs, "/a.efi", &pe::read(&fs, "/a.efi").unwrap())
    }

    #[test]
    fn loaders_are_known_by_their_marks() {
        let sd: &[u8] = b"#### LoaderInfo: systemd-boot 252.39-1~deb12u1 ####";
        let version = |v: &str| Some(v.to_owned());
        assert_eq!(
            kind(&[(".text", b"x"), (".sdmagic", sd)]),
            (LoaderKind::SystemdBoot, version("252.39-1~deb12u1"))
        );
        let stub: &[u8] = b"#### LoaderInfo: systemd-stub 257.7 ####";
        assert_eq!(
            kind(&[(".sdmagic", stub), (".linux", b"k")]),
            (LoaderKind::Uki, version("257.7"))
        );
        let sbat: &[u8] = b"sbat,1,SBAT Version,sbat,1,url\ngrub,3,FSF,grub,2.06,url\ngrub.debian,4,Debian,grub2,2.06-13+deb12u1,url\n";
        assert_eq!(
            kind(&[(".sbat", sbat)]),
            (LoaderKind::Grub, version("2.06-13+deb12u1"))
        );
        assert_eq!(kind(&[("mods", b"x")]), (LoaderKind::Grub, None));
        assert_eq!(kind(&[(".vendor_", b"x")]).0, LoaderKind::Shim);
        let guard: Vec<u8> = "EFI Boot Guard"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(kind(&[(".text", &guard)]).0, LoaderKind::EfiBootGuard);
        assert_eq!(kind(&[(".text", b"hello")]), (LoaderKind::Unknown, None));
    }

    #[test]
    fn suffixes_and_machines_agree() {
        for suffix in ["X64", "aa64", "IA32", "arm", "riscv64"] {
            let machine = machine_of_suffix(suffix).unwrap();
            assert!(efi_suffix(machine).unwrap().eq_ignore_ascii_case(suffix));
        }
        assert_eq!(machine_of_suffix("mips"), None);
    }
}
