//! The configuration the kernel was built with.

use crate::inspect::bootloader::file;
use crate::inspect::error::{Fact, Result};
use crate::inspect::filesystem::FileSystem;
use crate::inspect::source::Location;
use std::collections::BTreeMap;

/// Debian's is 270 KiB.
const CAP: u64 = 4 << 20;

type Config = BTreeMap<String, String>;

/// Looks for `config-<release>` beside the kernel and where Debian and others keep it.
pub fn find(
    fs: &dyn FileSystem,
    kernel: &str,
    rootfs: Option<&dyn FileSystem>,
    release: &str,
) -> (Fact<Config>, Option<Location>) {
    let beside = kernel.rsplit_once('/').map_or("", |(dir, _)| dir);
    let mut places = vec![(fs, format!("{beside}/config-{release}"))];
    if let Some(root) = rootfs {
        places.push((root, format!("/boot/config-{release}")));
        places.push((root, format!("/usr/lib/modules/{release}/config")));
        places.push((root, format!("/lib/modules/{release}/config")));
    }
    for (fs, path) in places {
        match read(fs, &path) {
            Ok((config, location)) => return (Fact::Known(config), Some(location)),
            Err(error) if Fact::<()>::from_result(Err(error.clone())) == Fact::Absent => {}
            Err(error) => return (Fact::Unreadable(error), None),
        }
    }
    (Fact::Absent, None)
}

fn read(fs: &dyn FileSystem, path: &str) -> Result<(Config, Location)> {
    let path = file::resolve(fs, path)?;
    let bytes = fs.read(&path, CAP)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok((parse(&text), Location::file(fs.partition(), path)))
}

/// `CONFIG_X=value` lines; text values lose their quotes.
pub fn parse(text: &str) -> Config {
    let set = text.lines().filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        let value = value
            .strip_prefix('"')
            .and_then(|v| v.strip_suffix('"'))
            .unwrap_or(value);
        key.starts_with("CONFIG_")
            .then(|| (key.to_owned(), value.to_owned()))
    });
    set.collect()
}
