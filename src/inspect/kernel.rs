//! The kernel image: bzImage header, version, configuration.

use super::error::{Error, Fact};
use super::source::Location;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

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
    pub config: Fact<BTreeMap<String, String>>,
}
