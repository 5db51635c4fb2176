//! `/etc/fstab`, and whether each source exists on this disk.

use super::partitions::{DiskFacts, Partition};
use super::source::{Origin, SourceFile};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// Does a block-device name exist when this image is the only disk, on virtio?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "state", content = "value", rename_all = "kebab-case")]
pub enum DeviceMatch {
    /// Resolves to a partition (`p2`).
    Partition(String),
    /// Names a device node of another bus (`/dev/sda2`); the partition it would mean on that bus, when the number exists.
    OtherBus(Option<String>),
    /// No partition has it.
    Missing,
    /// Not a disk of this image by construction (tmpfs, proc, overlay, network, /dev/mapper, …).
    NotApplicable,
    /// Cannot be told offline.
    Unknown(String),
}

/// One line of fstab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FstabEntry {
    /// `fs_spec` as written.
    pub spec: String,
    /// Mount point, escapes decoded.
    pub mount_point: String,
    /// Type.
    pub fs_type: String,
    /// Options.
    pub options: Vec<String>,
    /// `fs_passno`; 0 when absent or not a number.
    pub pass: u32,
    /// What the spec resolves to.
    pub device: DeviceMatch,
    /// The line.
    pub origin: Origin,
}

/// Parses fstab(5). Lines with fewer than two fields are left out, as libmount does.
pub fn parse(file: &Arc<SourceFile>, disk: &DiskFacts) -> Vec<FstabEntry> {
    file.text
        .lines()
        .zip(1u32..)
        .filter(|(line, _)| !line.trim_start().starts_with('#'))
        .filter_map(|(line, number)| {
            let mut fields = line.split_whitespace().map(unescape);
            let spec = fields.next()?;
            let mount_point = fields.next()?;
            let fs_type = fields.next().unwrap_or_else(|| "auto".into());
            let options = fields.next().unwrap_or_else(|| "defaults".into());
            let pass = fields.nth(1).and_then(|p| p.parse().ok()).unwrap_or(0);
            let virtual_fs = matches!(
                fs_type.as_str(),
                "tmpfs"
                    | "proc"
                    | "sysfs"
                    | "devpts"
                    | "devtmpfs"
                    | "overlay"
                    | "cgroup2"
                    | "cgroup"
                    | "debugfs"
                    | "tracefs"
                    | "bpf"
                    | "securityfs"
                    | "configfs"
                    | "efivarfs"
                    | "ramfs"
                    | "mqueue"
                    | "hugetlbfs"
                    | "fusectl"
                    | "9p"
                    | "virtiofs"
                    | "nfs"
                    | "nfs4"
                    | "cifs"
            );
            let bind = options.split(',').any(|o| matches!(o, "bind" | "rbind"));
            let device = if virtual_fs || bind {
                DeviceMatch::NotApplicable
            } else {
                device_match(&spec, disk)
            };
            Some(FstabEntry {
                spec,
                mount_point,
                fs_type,
                options: options.split(',').map(str::to_owned).collect(),
                device,
                pass,
                origin: Origin::line(file, number),
            })
        })
        .collect()
}

/// fstab escapes blanks as `\\040`, tabs as `\\011`, and so on.
fn unescape(field: &str) -> String {
    let mut out = Vec::with_capacity(field.len());
    let bytes = field.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let octal = bytes
            .get(at + 1..at + 4)
            .filter(|d| bytes[at] == b'\\' && d.iter().all(|b| (b'0'..=b'7').contains(b)));
        let value = octal.map(|d| d.iter().fold(0u32, |n, b| n * 8 + u32::from(b - b'0')));
        match value.and_then(|v| u8::try_from(v).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What a device specification of fstab or `root=` names, when this image is the only disk of the machine and hangs on virtio.
///
/// The kernel itself knows `PARTUUID=`, `PARTLABEL=`, `/dev/NAME` and `MAJOR:MINOR` (block/early-lookup.c); the initrd
/// and systemd know the others too.
pub fn device_match(spec: &str, disk: &DiskFacts) -> DeviceMatch {
    let spec = spec.trim_matches('"');
    let by = |test: &dyn Fn(&Partition) -> bool| match disk.partitions.iter().find(|p| test(p)) {
        Some(p) => DeviceMatch::Partition(p.id.clone()),
        None => DeviceMatch::Missing,
    };
    let tags = [
        ("UUID=", "uuid"),
        ("LABEL=", "label"),
        ("PARTUUID=", "partuuid"),
        ("PARTLABEL=", "partlabel"),
    ];
    let links = [
        ("/dev/disk/by-uuid/", "uuid"),
        ("/dev/disk/by-label/", "label"),
        ("/dev/disk/by-partuuid/", "partuuid"),
        ("/dev/disk/by-partlabel/", "partlabel"),
    ];
    for (prefix, kind) in tags.iter().chain(&links) {
        let Some(value) = spec.strip_prefix(prefix) else {
            continue;
        };
        let value = value.trim_matches('"');
        let value = if prefix.starts_with('/') {
            udev_unescape(value)
        } else {
            value.to_owned()
        };
        let (value, offset) = match value.split_once("/PARTNROFF=") {
            Some((v, n)) if *kind == "partuuid" => (v.to_owned(), n.parse::<i64>().unwrap_or(0)),
            _ => (value, 0),
        };
        let found = match *kind {
            "uuid" => by(&|p| {
                p.content
                    .uuid
                    .as_deref()
                    .is_some_and(|u| u.eq_ignore_ascii_case(&value))
            }),
            "label" => by(&|p| p.content.label.as_deref() == Some(value.as_str())),
            "partlabel" => by(&|p| !p.partlabel.is_empty() && p.partlabel == value),
            _ => by(&|p| p.partuuid.eq_ignore_ascii_case(&value)),
        };
        return match found {
            DeviceMatch::Partition(id) if offset != 0 => shifted(&id, offset, disk),
            other => other,
        };
    }
    if let Some(name) = spec.strip_prefix("/dev/") {
        return device_name(name, disk);
    }
    if let Some((major, minor)) = spec.split_once(':') {
        if let (Ok(_), Ok(minor)) = (major.parse::<u32>(), minor.parse::<u32>()) {
            return match major {
                // virtio_blk registers a dynamic major, which Linux hands out from 254 downwards.
                "252" | "253" | "254" => number(minor, disk),
                _ => DeviceMatch::Unknown(format!("device number {spec}")),
            };
        }
        return DeviceMatch::NotApplicable;
    }
    if spec.starts_with('/') {
        return DeviceMatch::NotApplicable;
    }
    if matches!(
        spec,
        "none" | "tmpfs" | "proc" | "sysfs" | "overlay" | "devpts" | "rootfs" | "ramfs" | ""
    ) {
        return DeviceMatch::NotApplicable;
    }
    DeviceMatch::Unknown(format!("`{spec}` is no device specification that is known"))
}

fn number(n: u32, disk: &DiskFacts) -> DeviceMatch {
    match disk.partitions.iter().find(|p| p.number == n) {
        Some(p) => DeviceMatch::Partition(p.id.clone()),
        None => DeviceMatch::Missing,
    }
}

fn shifted(id: &str, offset: i64, disk: &DiskFacts) -> DeviceMatch {
    let base = disk
        .partitions
        .iter()
        .find(|p| p.id == id)
        .map_or(0, |p| i64::from(p.number));
    u32::try_from(base + offset).map_or(DeviceMatch::Missing, |n| number(n, disk))
}

/// `vda2`, `sda2`, `nvme0n1p2`, `mmcblk0p2`, …
fn device_name(name: &str, disk: &DiskFacts) -> DeviceMatch {
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (stem, digits) = name.split_at(name.len() - digits);
    let n: Option<u32> = digits.parse().ok();
    if stem == "vda" && n.is_some() {
        return number(n.unwrap_or(0), disk);
    }
    if stem.len() == 3 && stem.starts_with("vd") {
        return DeviceMatch::Missing;
    }
    let other = (stem.len() == 3
        && (stem.starts_with("sd") || stem.starts_with("hd") || stem.starts_with("xvd")))
        || (stem.starts_with("nvme") && stem.ends_with('p'))
        || (stem.starts_with("mmcblk") && stem.ends_with('p'));
    if other {
        return DeviceMatch::OtherBus(n.and_then(|n| match number(n, disk) {
            DeviceMatch::Partition(id) => Some(id),
            _ => None,
        }));
    }
    if name.starts_with("mapper/")
        || name.starts_with("md")
        || name.starts_with("dm-")
        || name.starts_with("loop")
        || name.starts_with("ram")
        || name == "root"
        || name == "nfs"
    {
        return DeviceMatch::NotApplicable;
    }
    DeviceMatch::Unknown(format!("/dev/{name}"))
}

/// udev writes characters outside its safe set as `\\xNN` in by-label names.
fn udev_unescape(text: &str) -> String {
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let hex = text
            .get(at + 2..at + 4)
            .filter(|_| text.get(at..at + 2) == Some("\\x"))
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match hex {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::partitions::{Content, TableKind};

    fn disk() -> DiskFacts {
        let partition = |number: u32, uuid: &str, label: &str| Partition {
            number,
            id: format!("p{number}"),
            start: 0,
            len: 0,
            type_id: String::new(),
            type_name: None,
            partuuid: format!("0000000{number}-0000-0000-0000-000000000000"),
            partlabel: format!("part{number}"),
            attributes: 0,
            content: Content {
                fs_type: None,
                uuid: Some(uuid.into()),
                label: Some(label.into()),
            },
        };
        DiskFacts {
            table: TableKind::Gpt,
            sector_size: 512,
            disk_id: None,
            primary: None,
            backup: None,
            partitions: vec![
                partition(1, "ABCD-1234", "EFI"),
                partition(2, "aaaa-bbbb", "my root"),
            ],
            esp: None,
            root: None,
        }
    }

    #[test]
    fn every_way_to_name_a_partition() {
        let p = |n: &str| DeviceMatch::Partition(n.into());
        for (spec, want) in [
            ("UUID=abcd-1234", p("p1")),
            ("UUID=\"ABCD-1234\"", p("p1")),
            ("LABEL=my root", p("p2")),
            ("/dev/disk/by-label/my\\x20root", p("p2")),
            ("PARTUUID=00000002-0000-0000-0000-000000000000", p("p2")),
            (
                "PARTUUID=00000001-0000-0000-0000-000000000000/PARTNROFF=1",
                p("p2"),
            ),
            ("PARTLABEL=part2", p("p2")),
            ("/dev/vda2", p("p2")),
            ("254:2", p("p2")),
            ("/dev/vda7", DeviceMatch::Missing),
            ("/dev/vdb1", DeviceMatch::Missing),
            ("PARTUUID=dead", DeviceMatch::Missing),
            ("/dev/sda2", DeviceMatch::OtherBus(Some("p2".into()))),
            ("/dev/nvme0n1p1", DeviceMatch::OtherBus(Some("p1".into()))),
            ("/dev/mapper/x", DeviceMatch::NotApplicable),
            ("tmpfs", DeviceMatch::NotApplicable),
            ("//server/share", DeviceMatch::NotApplicable),
        ] {
            assert_eq!(device_match(spec, &disk()), want, "{spec}");
        }
    }

    #[test]
    fn fields_and_escapes() {
        let file = Arc::new(SourceFile {
            partition: "p2".into(),
            path: "/etc/fstab".into(),
            text:
                "# x\n\n/dev/sda1 /my\\040boot vfat defaults,nofail 0 0\nproc /proc proc\nlonely\n"
                    .into(),
        });
        let entries = parse(&file, &disk());
        assert_eq!(entries.len(), 2);
        assert_eq!(
            (entries[0].mount_point.as_str(), entries[0].origin.line),
            ("/my boot", Some(3))
        );
        assert_eq!(entries[0].device, DeviceMatch::OtherBus(Some("p1".into())));
        assert_eq!(entries[1].device, DeviceMatch::NotApplicable);
    }
}
