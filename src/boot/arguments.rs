//! QEMU's argument vector, read as QEMU reads it (`qemu-options.hx`, `QemuOpts`, `keyval`).

use std::ffi::OsString;

/// Options without a value. Every other option takes the next argument.
const FLAGS: &[&str] = &[
    "enable-kvm",
    "no-reboot",
    "no-shutdown",
    "nographic",
    "nodefaults",
    "no-user-config",
    "S",
    "s",
    "snapshot",
    "daemonize",
    "no-acpi",
    "no-hpet",
    "no-fd-bootchk",
    "full-screen",
    "usb",
    "only-migratable",
    "preconfig",
    "alt-grab",
    "ctrl-grab",
    "no-quit",
    "curses",
    "semihosting",
    "win2k-hack",
    "singlestep",
    "mem-prealloc",
    "xen-attach",
    "xen-domid-restrict",
    "enable-sync-profile",
    "async-teardown",
    "old-param",
    "h",
    "help",
    "version",
    "portrait",
];

/// One option of the vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opt {
    /// Name without dashes; empty for a disk image given by itself.
    pub name: String,
    /// Value, when the option takes one.
    pub value: Option<String>,
    /// Index of the option in the vector.
    pub index: usize,
}

/// The vector, option by option. `argv[0]` is the program.
pub fn parse(argv: &[String]) -> Vec<Opt> {
    let mut options = Vec::new();
    let mut index = 1;
    while let Some(word) = argv.get(index) {
        let name = word
            .strip_prefix("--")
            .or_else(|| word.strip_prefix('-'))
            .filter(|name| !name.is_empty());
        let opt = match name {
            None => Opt {
                name: String::new(),
                value: Some(word.clone()),
                index,
            },
            Some(name) if FLAGS.contains(&name) => Opt {
                name: name.to_owned(),
                value: None,
                index,
            },
            Some(name) => Opt {
                name: name.to_owned(),
                value: argv.get(index + 1).cloned(),
                index,
            },
        };
        index += match (&opt.value, opt.name.is_empty()) {
            (Some(_), false) => 2,
            _ => 1,
        };
        options.push(opt);
    }
    options
}

impl Opt {
    /// The option as written.
    pub fn text(&self) -> String {
        match (&self.value, self.name.as_str()) {
            (Some(value), "") => value.clone(),
            (Some(value), name) => format!("-{name} {value}"),
            (None, name) => format!("-{name}"),
        }
    }

    /// Value as `key=value,…`; a first item without `=` has the key `implied`. `,,` is a comma.
    pub fn keys(&self, implied: &str) -> Keys {
        keys(self.value.as_deref().unwrap_or_default(), implied)
    }
}

/// `key=value` pairs in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys(pub Vec<(String, String)>);

impl Keys {
    /// The last value of a key: QEMU lets the last win.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    /// Whether a boolean key is on (`snapshot=on`, `readonly`).
    pub fn on(&self, key: &str) -> bool {
        matches!(self.get(key), Some("on" | "yes" | "true" | "y"))
    }
}

/// Splits a value. A key alone is `key=on`, `nokey` alone is `key=off` (as `QemuOpts` had it).
fn keys(value: &str, implied: &str) -> Keys {
    let mut pairs = Vec::new();
    for (n, item) in split(value).into_iter().enumerate() {
        let pair = match item.split_once('=') {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None if n == 0 && !implied.is_empty() => (implied.to_owned(), item),
            None => (item, "on".to_owned()),
        };
        pairs.push(pair);
    }
    Keys(pairs)
}

fn split(value: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        if c != ',' {
            if let Some(last) = items.last_mut() {
                last.push(c);
            }
        } else if chars.next_if_eq(&',').is_some() {
            if let Some(last) = items.last_mut() {
                last.push(',');
            }
        } else {
            items.push(String::new());
        }
    }
    items.retain(|item| !item.is_empty());
    items
}

/// `-m 4096`, `-m 4G`, `-m size=2G,slots=…`: bytes. Without suffix MiB (`-m`'s own default); QEMU's default is 128 MiB.
pub fn memory(options: &[Opt]) -> Option<u64> {
    let Some(opt) = options.iter().rev().find(|o| o.name == "m") else {
        return Some(128 << 20);
    };
    let keys = opt.keys("size");
    let size = keys.get("size")?;
    let (number, shift) = match size.as_bytes().last()? {
        b'k' | b'K' => (&size[..size.len() - 1], 10),
        b'm' | b'M' => (&size[..size.len() - 1], 20),
        b'g' | b'G' => (&size[..size.len() - 1], 30),
        b't' | b'T' => (&size[..size.len() - 1], 40),
        _ => (size, 20),
    };
    let number: f64 = number.parse().ok()?;
    let bytes = number * f64::from(1_u32 << (shift - 10)) * 1024.0;
    (bytes.is_finite() && (1.0..1e15).contains(&bytes)).then_some(bytes as u64)
}

/// Takes `-m` out of arguments that are handed through: guest memory in MiB, which the memory that is shared with the
/// doctor must equal.
pub fn take_memory(extra: &mut Vec<OsString>) -> Option<u64> {
    let words = extra.iter().map(|word| word.to_string_lossy().into_owned());
    let argv: Vec<String> = std::iter::once(String::new()).chain(words).collect();
    let options = parse(&argv);
    let given: Vec<usize> = options
        .iter()
        .filter(|o| o.name == "m")
        .map(|o| o.index)
        .collect();
    if given.is_empty() {
        return None;
    }
    let bytes = memory(&options)?;
    for index in given.into_iter().rev() {
        // `argv` has the program before the extra words.
        extra.drain(index - 1..(index + 1).min(extra.len()));
    }
    Some(bytes >> 20)
}

/// A disk of the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The option that names the file.
    pub option: Opt,
    /// File.
    pub file: String,
    /// `virtio`, `ide`, `scsi`, `pflash`, `none`, …; for `if=none` the device's driver, when a `-device` names it.
    pub bus: String,
    /// Format, when given.
    pub format: Option<String>,
    /// Writes go to a temporary overlay.
    pub snapshot: bool,
    /// Cannot be written.
    pub readonly: bool,
    /// A CD.
    pub cdrom: bool,
    /// Unit number of a pflash.
    pub unit: Option<u32>,
}

/// All disks and flash images, in order.
pub fn disks(options: &[Opt]) -> Vec<Disk> {
    let global = options.iter().any(|o| o.name == "snapshot");
    let mut disks = Vec::new();
    let mut flash = 0;
    for opt in options {
        let plain = |bus: &str, cdrom: bool| Disk {
            option: opt.clone(),
            file: opt.value.clone().unwrap_or_default(),
            bus: bus.to_owned(),
            format: None,
            snapshot: global,
            readonly: cdrom,
            cdrom,
            unit: None,
        };
        match opt.name.as_str() {
            "drive" => {
                let keys = opt.keys("");
                let Some(file) = keys.get("file") else {
                    continue;
                };
                let interface = keys.get("if").unwrap_or("ide");
                let device = keys.get("id").and_then(|id| device_of(options, id));
                let unit = keys.get("unit").and_then(|u| u.parse().ok());
                let next = unit.unwrap_or(flash);
                if interface == "pflash" {
                    flash = next + 1;
                }
                disks.push(Disk {
                    option: opt.clone(),
                    file: file.to_owned(),
                    bus: match (interface, device) {
                        ("none", Some(device)) => device,
                        (interface, _) => interface.to_owned(),
                    },
                    format: keys.get("format").map(str::to_owned),
                    snapshot: keys
                        .get("snapshot")
                        .map_or(global, |s| matches!(s, "on" | "yes" | "true")),
                    readonly: keys.on("readonly") || keys.on("read-only"),
                    cdrom: keys.get("media") == Some("cdrom"),
                    unit: (interface == "pflash").then_some(next),
                });
            }
            "pflash" => {
                let mut disk = plain("pflash", false);
                disk.unit = Some(flash);
                flash += 1;
                disks.push(disk);
            }
            "blockdev" => {
                let keys = opt.keys("driver");
                let file = keys.get("file.filename").or_else(|| keys.get("filename"));
                let Some(file) = file else { continue };
                disks.push(Disk {
                    option: opt.clone(),
                    file: file.to_owned(),
                    bus: keys
                        .get("node-name")
                        .and_then(|name| device_of(options, name))
                        .unwrap_or_else(|| "none".to_owned()),
                    format: keys.get("driver").map(str::to_owned),
                    snapshot: false,
                    readonly: keys.on("read-only"),
                    cdrom: false,
                    unit: None,
                });
            }
            "hda" | "hdb" | "hdc" | "hdd" | "" => disks.push(plain("ide", false)),
            "cdrom" => disks.push(plain("ide", true)),
            _ => {}
        }
    }
    disks
}

/// Driver of the `-device` that uses a drive or block node.
fn device_of(options: &[Opt], drive: &str) -> Option<String> {
    let device = options
        .iter()
        .filter(|o| o.name == "device")
        .map(|o| o.keys("driver"))
        .find(|keys| keys.get("drive") == Some(drive))?;
    let driver = device.get("driver")?;
    Some(if driver.starts_with("virtio-blk") {
        "virtio".to_owned()
    } else {
        driver.to_owned()
    })
}

/// The disk that the guest boots from: the first that is neither flash nor CD.
pub fn boot_disk(disks: &[Disk]) -> Option<&Disk> {
    disks
        .iter()
        .find(|d| d.bus != "pflash" && !d.cdrom && !d.file.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_taken_out_of_what_is_handed_through() {
        let take = |text: &str| {
            let mut extra: Vec<OsString> = text.split(' ').map(OsString::from).collect();
            let mib = take_memory(&mut extra);
            let left: Vec<_> = extra.iter().map(|w| w.to_string_lossy()).collect();
            (mib, left.join(" "))
        };
        assert_eq!(take("-m 2G -smp 2"), (Some(2048), "-smp 2".into()));
        assert_eq!(
            take("-m 1 -cpu max -m size=512M,slots=2"),
            (Some(512), "-cpu max".into())
        );
        assert_eq!(take("-smp 2"), (None, "-smp 2".into()));
        assert_eq!(take("-m lots"), (None, "-m lots".into()));
    }

    pub fn argv(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_and_their_values() {
        let options = parse(&argv(
            "qemu -enable-kvm --serial null -drive file=/a,,b.wic,if=virtio,snapshot=on disk.img -m 4G",
        ));
        let names: Vec<_> = options.iter().map(|o| o.name.as_str()).collect();
        assert_eq!(names, ["enable-kvm", "serial", "drive", "", "m"]);
        assert_eq!(options[1].text(), "-serial null");
        let disks = disks(&options);
        assert_eq!(disks[0].file, "/a,b.wic");
        assert!(disks[0].snapshot && disks[0].format.is_none());
        assert_eq!(boot_disk(&disks).unwrap().bus, "virtio");
        assert_eq!(memory(&options), Some(4 << 30));
    }

    #[test]
    fn memory_in_all_spellings() {
        let size = |line: &str| memory(&parse(&argv(line)));
        assert_eq!(size("q -m 512"), Some(512 << 20));
        assert_eq!(size("q -m size=1.5G,slots=2"), Some(1536 << 20));
        assert_eq!(size("q"), Some(128 << 20));
        assert_eq!(size("q -m lots"), None);
        assert_eq!(size("q -m 99999999999T"), None);
    }

    #[test]
    fn drives_behind_devices_and_flash_units() {
        let options = parse(&argv(
            "q -drive if=none,id=d0,file=x.wic,format=raw -device virtio-blk-pci,drive=d0 \
             -drive if=pflash,format=raw,readonly=on,file=CODE.fd -drive if=pflash,file=VARS.fd -snapshot",
        ));
        let disks = disks(&options);
        assert_eq!((disks[0].bus.as_str(), disks[0].snapshot), ("virtio", true));
        assert_eq!((disks[1].unit, disks[2].unit), (Some(0), Some(1)));
        assert!(disks[1].readonly && !disks[2].readonly);
    }

    #[test]
    fn a_value_that_is_missing_is_none() {
        let options = parse(&argv("q -drive"));
        assert_eq!(options[0].value, None);
        assert!(disks(&options).is_empty());
    }
}
