//! The kernel image: bzImage header, version, configuration.

mod bzimage;
mod config;
mod generic;

use super::bootloader::pe;
use super::bootloader::{EntryFile, FoundFile};
use super::error::{Error, Fact, Result};
use super::filesystem::{FileSystem, OpenFile};
use super::source::Location;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The kernel that the loader would start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KernelFacts {
    /// Where it lies (`p1:/vmlinuz-6.1.0-38-cloud-amd64`, or a UKI and its `.linux` section).
    pub location: Location,
    /// Size in bytes.
    pub size: u64,
    /// `bzImage`, `Image`, `Image.gz`, `zboot`, `unknown`.
    pub format: String,
    /// Architecture: `x86_64`, `aarch64`, …
    pub architecture: Option<String>,
    /// Release (`uname -r`), from the boot header.
    pub release: Option<String>,
    /// Boots as an EFI application (has the EFI stub).
    pub efi_stub: bool,
    /// First damage found: shorter than its header says, bad magic.
    pub damage: Option<Error>,
    /// `CONFIG_…` values of `/boot/config-<release>` or the ESP's copy: `y`, `m`, or text; symbols that are not set are missing.
    #[serde(skip)]
    pub config: Fact<BTreeMap<String, String>>,
    /// The file the configuration was read from.
    pub config_location: Option<Location>,
}

impl KernelFacts {
    /// A configuration symbol; none when it is not set or the configuration is not known.
    pub fn option(&self, symbol: &str) -> Option<&str> {
        self.config.known()?.get(symbol).map(String::as_str)
    }
}

/// A range of a file as a file of its own: the kernel inside a UKI.
struct Part<'a> {
    file: Box<dyn OpenFile + 'a>,
    offset: u64,
    size: u64,
}

impl OpenFile for Part<'_> {
    fn size(&self) -> u64 {
        self.size
    }
    fn read_into(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let left = self.size.saturating_sub(offset).min(buf.len() as u64);
        self.file.read_into(
            self.offset.saturating_add(offset),
            &mut buf[..left as usize],
        )
    }
}

impl Part<'_> {
    fn bytes(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        let len = len.min(self.size.saturating_sub(offset));
        let mut bytes = vec![0; len as usize];
        let read = self.read_into(offset, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}

/// What the image itself tells.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    format: &'static str,
    architecture: Option<String>,
    release: Option<String>,
    efi_stub: bool,
    damage: Option<String>,
}

/// Reads the kernel that an entry names. `rootfs` may hold its configuration.
pub fn read(
    fs: &Arc<dyn FileSystem>,
    file: &EntryFile,
    rootfs: Option<&Arc<dyn FileSystem>>,
) -> Fact<KernelFacts> {
    match &file.file {
        Fact::Known(found) => Fact::from_result(read_found(fs, found, rootfs)),
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(error) => Fact::Unreadable(error.clone()),
    }
}

fn read_found(
    fs: &Arc<dyn FileSystem>,
    found: &FoundFile,
    rootfs: Option<&Arc<dyn FileSystem>>,
) -> Result<KernelFacts> {
    let path = found.location.path.as_deref().unwrap_or_default();
    let part = Part {
        file: fs.open_file(path)?,
        offset: found.offset,
        size: found.size,
    };
    let told = tell(&part)?;
    let (config, config_location) = match &told.release {
        Some(release) => config::find(fs.as_ref(), path, rootfs.map(|r| r.as_ref()), release),
        None => (Fact::Absent, None),
    };
    let location = found.location.clone();
    Ok(KernelFacts {
        damage: told.damage.map(|m| Error::corrupt(location.clone(), m)),
        location,
        size: found.size,
        format: told.format.into(),
        architecture: told.architecture,
        release: told.release,
        efi_stub: told.efi_stub,
        config,
        config_location,
    })
}

fn tell(part: &Part<'_>) -> Result<Told> {
    let head = part.bytes(0, 64 << 10)?;
    if part.size == 0 {
        return Ok(Told {
            format: "unknown",
            damage: Some("the kernel is empty (0 bytes)".into()),
            ..Told::default()
        });
    }
    let mut told = match bzimage::Header::parse(&head) {
        Some(header) => bzimage::tell(part, &head, &header)?,
        None => generic::tell(part, &head)?,
    };
    if head.starts_with(b"MZ") {
        let headers = pe::parse(&head, part.size);
        told.efi_stub = headers.efi_application;
        if told.architecture.is_none() {
            told.architecture = Some(headers.machine.clone());
        }
        told.damage = told.damage.or(headers.damage);
    }
    Ok(told)
}

#[cfg(test)]
mod tests;
