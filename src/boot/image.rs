//! The image file, before it is given to QEMU.

use super::trouble::{HostTrouble, Kind};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// What QEMU is told about the image (`format=`). Never probed by QEMU itself: a guest that writes a qcow2 header into
/// a raw image could then name any host file as its backing file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A disk image as it is.
    Raw,
    /// QEMU's own container.
    Qcow2,
}

impl Format {
    /// `format=` value.
    pub fn name(self) -> &'static str {
        match self {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
        }
    }
}

/// Compressed images and how to unpack them.
const COMPRESSED: &[(&[u8], &str, &str)] = &[
    (b"\x28\xb5\x2f\xfd", "zstd", "zstd -d"),
    (b"\x1f\x8b", "gzip", "gzip -dk"),
    (b"\xfd7zXZ\0", "xz", "xz -dk"),
    (b"BZh", "bzip2", "bzip2 -dk"),
];

/// Opens the image as QEMU will and tells its format.
pub fn examine(path: &Path) -> Result<Format, HostTrouble> {
    let trouble = |what: &str, remedy: &str| {
        HostTrouble::new(
            Kind::ImageUnreadable,
            format!("the image {} {what}", path.display()),
            remedy.to_owned(),
        )
    };
    let unreadable = |error: std::io::Error| {
        trouble(
            &format!("cannot be read: {error}"),
            "name a readable disk image",
        )
    };
    // Before opening: opening a FIFO would wait for its writer.
    let kind = path.metadata().map_err(unreadable)?.file_type();
    if !kind.is_file() && !kind.is_block_device() {
        return Err(trouble(
            "is not a disk image file",
            "name the .wic file itself",
        ));
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let mut head = Vec::new();
    Read::by_ref(&mut file)
        .take(8)
        .read_to_end(&mut head)
        .map_err(unreadable)?;
    if head.is_empty() && kind.is_file() {
        return Err(trouble(
            "is empty",
            "build it again, or name the right file",
        ));
    }
    if let Some((_, name, command)) = COMPRESSED
        .iter()
        .find(|(magic, _, _)| head.starts_with(magic))
    {
        return Err(trouble(
            &format!("is compressed with {name}; QEMU cannot boot it so"),
            &format!("unpack it first: {command} {}", path.display()),
        ));
    }
    Ok(if head.starts_with(b"QFI\xfb") {
        Format::Qcow2
    } else {
        Format::Raw
    })
}

/// A path as the value of a QEMU option: a comma is doubled (`docs/qemu-option-trans`, "comma in values").
pub fn option_value(path: &Path) -> std::ffi::OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut value = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        value.push(*byte);
        if *byte == b',' {
            value.push(b',');
        }
    }
    std::ffi::OsString::from_vec(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_and_unusable_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x,y.wic");
        assert!(
            examine(&path)
                .unwrap_err()
                .what
                .contains("cannot be read: No such file")
        );
        assert!(
            examine(directory.path())
                .unwrap_err()
                .what
                .contains("not a disk image")
        );
        std::fs::write(&path, b"").unwrap();
        assert!(examine(&path).unwrap_err().what.ends_with("is empty"));
        std::fs::write(&path, b"\x28\xb5\x2f\xfd....").unwrap();
        assert!(
            examine(&path)
                .unwrap_err()
                .remedy
                .starts_with("unpack it first: zstd -d")
        );
        std::fs::write(&path, b"QFI\xfb\0\0\0\x03").unwrap();
        assert_eq!(examine(&path), Ok(Format::Qcow2));
        std::fs::write(&path, b"\xeb\x63").unwrap();
        assert_eq!(examine(&path), Ok(Format::Raw));
        assert!(option_value(&path).to_str().unwrap().ends_with("/x,,y.wic"));
    }
}
