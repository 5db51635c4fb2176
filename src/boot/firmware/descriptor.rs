//! QEMU's firmware descriptors (`docs/interop/firmware.json`): JSON files in which a distribution tells which firmware
//! images it has and what they are for.

use super::Firmware;
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Descriptor {
    #[serde(default)]
    interface_types: Vec<String>,
    mapping: Mapping,
    #[serde(default)]
    targets: Vec<Target>,
    #[serde(default)]
    features: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mapping {
    device: String,
    executable: Option<Image>,
    nvram_template: Option<Image>,
}

#[derive(Debug, Deserialize)]
struct Image {
    filename: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Target {
    architecture: String,
    #[serde(default)]
    machines: Vec<String>,
}

/// Largest descriptor taken; they have about 1 KiB.
const CAP: u64 = 64 << 10;

/// The best descriptor for a q35 machine. Directories as QEMU's specification orders them: a file in an earlier directory
/// hides one of the same name in a later; within, by file name.
pub fn find(share: Option<&Path>, secure_boot: bool) -> Option<Firmware> {
    let mut directories: Vec<PathBuf> = Vec::new();
    let config = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".config")));
    directories.extend(config.map(|c| c.join("qemu/firmware")));
    directories.push("/etc/qemu/firmware".into());
    directories.push("/usr/share/qemu/firmware".into());
    directories.extend(share.map(|s| s.join("firmware")));
    find_in(&directories, secure_boot)
}

fn find_in(directories: &[PathBuf], secure_boot: bool) -> Option<Firmware> {
    let mut files: Vec<(std::ffi::OsString, PathBuf)> = Vec::new();
    for directory in directories {
        let Ok(entries) = std::fs::read_dir(directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let json = Path::new(&name).extension().is_some_and(|e| e == "json");
            if json && !files.iter().any(|(known, _)| *known == name) {
                files.push((name, entry.path()));
            }
        }
    }
    files.sort();
    files
        .iter()
        .find_map(|(_, file)| usable(&read(file)?, secure_boot))
}

fn read(file: &Path) -> Option<Descriptor> {
    if file.metadata().ok()?.len() > CAP {
        return None;
    }
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

fn usable(descriptor: &Descriptor, secure_boot: bool) -> Option<Firmware> {
    let has = |feature: &str| descriptor.features.iter().any(|f| f == feature);
    let target = descriptor
        .targets
        .iter()
        .any(|t| t.architecture == "x86_64" && t.machines.iter().any(|m| m.starts_with("pc-q35")));
    let uefi = descriptor.interface_types.iter().any(|i| i == "uefi");
    // AMD SEV and Intel TDX builds have no store of their own, or want a confidential guest.
    if !target
        || !uefi
        || descriptor.mapping.device != "flash"
        || has("enrolled-keys") != secure_boot
        || (has("requires-smm") && !secure_boot)
    {
        return None;
    }
    let code = &descriptor.mapping.executable.as_ref()?.filename;
    let vars = &descriptor.mapping.nvram_template.as_ref()?.filename;
    (code.is_file() && vars.is_file()).then(|| Firmware {
        code: code.clone(),
        vars: vars.clone(),
        found_by: "QEMU firmware descriptor".to_owned(),
        needs_smm: has("requires-smm"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(directory: &Path, name: &str, code: &Path, features: &str) {
        let text = format!(
            r#"{{"interface-types": ["uefi"], "mapping": {{"device": "flash",
            "executable": {{"filename": {code:?}, "format": "raw"}}, "nvram-template": {{"filename": {code:?}, "format": "raw"}}}},
            "targets": [{{"architecture": "x86_64", "machines": ["pc-q35-*"]}}], "features": [{features}]}}"#
        );
        std::fs::write(directory.join(name), text).unwrap();
    }

    #[test]
    fn secure_boot_builds_only_when_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let (plain, secure) = (path.join("plain.fd"), path.join("secure.fd"));
        std::fs::write(&plain, "x").unwrap();
        std::fs::write(&secure, "x").unwrap();
        descriptor(
            path,
            "40.json",
            &secure,
            r#""enrolled-keys", "requires-smm", "secure-boot""#,
        );
        descriptor(path, "60.json", &plain, r#""verbose-dynamic""#);
        std::fs::write(path.join("50.json"), "{ not json").unwrap();
        let directories = [path.to_owned()];
        assert_eq!(find_in(&directories, false).unwrap().code, plain);
        let found = find_in(&directories, true).unwrap();
        assert!(found.code == secure && found.needs_smm);
    }
}
