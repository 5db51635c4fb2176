//! Finds QEMU and asks its version.

use super::trouble::{HostTrouble, Kind};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A QEMU that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qemu {
    /// Absolute path.
    pub path: PathBuf,
    /// Version as printed, e.g. `7.2.22`.
    pub version: String,
    /// Major and minor number.
    pub release: (u32, u32),
}

/// Names under which distributions install the x86-64 system emulator. Fedora and RHEL hide it in libexec.
const NAMES: [&str; 3] = ["qemu-system-x86_64", "qemu-kvm", "kvm"];
const DIRECTORIES: [&str; 4] = [
    "/usr/libexec",
    "/run/current-system/sw/bin",
    "/nix/var/nix/profiles/default/bin",
    "/usr/local/bin",
];

/// The QEMU to use: the one asked for, else by `PATH`, the usual directories, the user's Nix profile, the Nix store.
pub fn find(asked: Option<&Path>, path: Option<&OsStr>) -> Result<Qemu, HostTrouble> {
    if let Some(asked) = asked {
        let file = if asked.components().count() == 1 {
            on_path(&[asked.as_os_str()], path).unwrap_or_else(|| asked.to_owned())
        } else {
            asked.to_owned()
        };
        return version(&file);
    }
    let names = NAMES.map(OsStr::new);
    let mut candidates: Vec<PathBuf> = on_path(&names, path).into_iter().collect();
    let profile = std::env::home_dir().map(|home| home.join(".nix-profile/bin"));
    for directory in DIRECTORIES.iter().map(PathBuf::from).chain(profile) {
        candidates.extend(NAMES.iter().map(|name| directory.join(name)));
    }
    if let Some(first) = candidates.iter().find(|file| executable(file)) {
        return version(first);
    }
    for file in super::nix_store("*-qemu-*/bin/qemu-system-x86_64") {
        if let Ok(qemu) = version(&file) {
            return Ok(qemu);
        }
    }
    Err(HostTrouble::new(
        Kind::QemuMissing,
        "no QEMU for x86-64 on this host (looked for qemu-system-x86_64, qemu-kvm and kvm)",
        "install it (Debian: apt install qemu-system-x86 ovmf; Fedora: dnf install qemu-system-x86-core edk2-ovmf; \
         Nix: nix shell nixpkgs#qemu), or name it with --qemu PATH",
    ))
}

/// A program on `PATH`.
pub fn program(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    on_path(&[OsStr::new(name)], path)
}

fn on_path(names: &[&OsStr], path: Option<&OsStr>) -> Option<PathBuf> {
    let path = path?;
    names.iter().find_map(|name| {
        std::env::split_paths(path)
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join(name))
            .find(|file| executable(file))
    })
}

fn executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Runs `--version`. What does not answer like QEMU is not QEMU.
fn version(file: &Path) -> Result<Qemu, HostTrouble> {
    let kind = if file.exists() {
        Kind::QemuBroken
    } else {
        Kind::QemuMissing
    };
    let trouble = |what: String| {
        HostTrouble::new(
            kind,
            format!("{} cannot be used as QEMU: {what}", file.display()),
            "name a working qemu-system-x86_64 with --qemu PATH",
        )
    };
    let output = Command::new(file)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| trouble(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (version, release) = parse_version(&text).ok_or_else(|| {
        trouble(format!(
            "--version says {:?}",
            text.lines().next().unwrap_or_default()
        ))
    })?;
    Ok(Qemu {
        path: std::path::absolute(file).unwrap_or_else(|_| file.to_owned()),
        version,
        release,
    })
}

/// `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)` and `QEMU emulator version 8.1.0`.
fn parse_version(text: &str) -> Option<(String, (u32, u32))> {
    let version = text
        .split_once("emulator version ")?
        .1
        .split_whitespace()
        .next()?;
    let mut numbers = version.split('.');
    let release = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    Some((version.to_owned(), release))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_several_distributions() {
        let debian = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright";
        assert_eq!(parse_version(debian), Some(("7.2.22".into(), (7, 2))));
        let fedora = "QEMU emulator version 9.2.4 (qemu-9.2.4-2.fc42)";
        assert_eq!(parse_version(fedora), Some(("9.2.4".into(), (9, 2))));
        assert_eq!(parse_version("bash 5"), None);
    }

    #[test]
    fn what_is_not_qemu_is_refused_with_a_remedy() {
        let trouble = find(Some(Path::new("/bin/true")), None).unwrap_err();
        assert!(trouble.what.contains("/bin/true cannot be used as QEMU"));
        let trouble = find(Some(Path::new("/no/such/qemu")), None).unwrap_err();
        assert!(trouble.what.contains("No such file"), "{}", trouble.what);
    }
}
