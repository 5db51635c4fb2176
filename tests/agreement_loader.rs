//! The menu of systemd-boot, its order and its entries, as `bootctl list` reads them.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking and print their counts"
)]

mod common;

use isar_doctor::inspect::bootloader::{self, LoaderEntry, Partitions};
use isar_doctor::inspect::error::{Error, Fact, Result};
use isar_doctor::inspect::filesystem::{FileSystem, directory::DirectoryFs};
use isar_doctor::inspect::source::Location;
use isar_doctor::inspect::{Options, disk, inspect, partitions};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

struct Esp(PathBuf);

impl Partitions for Esp {
    fn open(&self, id: &str) -> Result<Arc<dyn FileSystem>> {
        if id == "p1" {
            Ok(Arc::new(DirectoryFs::new(&self.0, id)))
        } else {
            Err(Error::not_found(Location::partition(id)))
        }
    }
}

/// An ESP as a directory, and the menu that we read of the image it came from.
fn extracted(image: &str, to: &Path) -> Vec<LoaderEntry> {
    let path = common::image(image);
    let facts = inspect(&path, &Options::default()).unwrap();
    let esp = &facts.disk.known().unwrap().partitions[0];
    let source = format!("{}@@{}", path.display(), esp.start);
    let status = Command::new("mcopy")
        .args(["-s", "-i", &source, "::/"])
        .arg(to)
        .status();
    assert!(status.unwrap().success());
    facts.loader.known().unwrap().entries.clone()
}

/// What `bootctl list` says, in its order. It insists on a mount point, and must not look at the host's `/boot`.
fn listed(esp: &Path) -> Vec<Value> {
    let bootctl = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bootctl");
    assert!(bootctl.exists(), "no bootctl; run `make setup`");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg("mount --bind \"$ESP\" \"$ESP\" && exec \"$BOOTCTL\" --esp-path=\"$ESP\" --json=short list")
        .env("ESP", esp)
        .env("BOOTCTL", bootctl)
        .env("SYSTEMD_RELAX_ESP_CHECKS", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let trouble = String::from_utf8_lossy(&output.stderr).into_owned();
    let stream = serde_json::Deserializer::from_str(&text).into_iter();
    let mut all: Vec<Value> = Vec::new();
    for value in stream {
        match value.unwrap() {
            Value::Array(items) => all.extend(items),
            item => all.push(item),
        }
    }
    assert!(!all.is_empty(), "bootctl lists nothing: {trouble}");
    all
}

/// One entry as a line of text: what both must say.
fn theirs(entry: &Value) -> String {
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let initrds: Vec<&str> = entry["initrd"]
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let tries = entry["triesLeft"]
        .as_u64()
        .map(|left| (left, entry["triesDone"].as_u64().unwrap_or(0)));
    format!(
        "{} linux={} initrd={initrds:?} options={} tries={tries:?}",
        id(&text("id")),
        text("linux"),
        text("options")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
    )
}

/// The loader takes names in lower case and with their boot counters, bootctl as they stand and without.
fn id(name: &str) -> String {
    let stem = name.trim_end_matches(".conf").to_lowercase();
    let counted = stem.rsplit_once('+').filter(|(_, counter)| {
        let mut digits = counter.chars().filter(|c| *c != '-');
        digits.all(|c| c.is_ascii_digit())
    });
    counted.map_or(stem.clone(), |(plain, _)| plain.to_owned())
}

fn ours(entry: &LoaderEntry) -> String {
    let initrds: Vec<&str> = entry.initrds.iter().map(|i| i.path.as_str()).collect();
    let tries = entry
        .tries
        .map(|(left, done)| (u64::from(left), u64::from(done)));
    format!(
        "{} linux={} initrd={initrds:?} options={} tries={tries:?}",
        id(&entry.id),
        entry.linux.as_ref().map_or("", |l| l.path.as_str()),
        entry
            .options
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
    )
}

#[test]
fn entries_of_images_agree() {
    for image in ["healthy", "healthy-trixie", "l4-other-entry-starts"] {
        let dir = tempfile::tempdir().unwrap();
        let entries = extracted(image, dir.path());
        let theirs: Vec<String> = listed(dir.path()).iter().map(theirs).collect();
        let ours: Vec<String> = entries.iter().map(ours).collect();
        println!("{image}: {} entries", ours.len());
        assert_eq!(ours, theirs, "{image}");
    }
}

#[test]
fn the_order_of_many_entries_agrees() {
    let dir = tempfile::tempdir().unwrap();
    extracted("healthy-trixie", dir.path());
    let entries = dir.path().join("loader/entries");
    let names = [
        "debian-6.1.0-9-amd64",
        "debian-6.1.0-10-amd64",
        "debian-6.1.0-10-amd64+3",
        "debian-6.1.0-10-amd64+2-1",
        "debian-6.12.1",
        "debian-6.12",
        "A",
        "a",
        "b+0-3",
        "c+5",
        "zz",
        "10",
        "9",
        "x_y",
        "x-y",
        "x.y",
        "x+y",
    ];
    let mut count = 0;
    for (index, name) in names.iter().enumerate() {
        let more = match index % 4 {
            0 => String::new(),
            1 => format!("sort-key debian\nversion 6.{index}\n"),
            2 => {
                "sort-key arch\nmachine-id 0123456789abcdef0123456789abcdef\nversion 1~rc2\n".into()
            }
            _ => format!("version 6.{index}-rc1\noptions more words\n"),
        };
        let text = format!(
            "# a comment\n\ntitle\tEntry {index}\nlinux /k{index}\ninitrd /a\ninitrd /b\noptions quiet  x={index}\n{more}"
        );
        std::fs::write(entries.join(format!("{name}.conf")), text).unwrap();
        std::fs::write(dir.path().join(format!("k{index}")), "").unwrap();
        count += 1;
    }
    // The loader, unlike bootctl, leaves out entries of other architectures and those whose kernel is not there.
    for file in ["a", "b", "k"] {
        std::fs::write(dir.path().join(file), "").unwrap();
    }
    for (name, text) in [
        ("crlf", "title crlf\r\nlinux /k\r\noptions a=1\r\n"),
        ("blank", "   linux    /k   \n options \"a b\" c \n"),
    ] {
        std::fs::write(entries.join(format!("{name}.conf")), text).unwrap();
    }
    let mut disk =
        partitions::read(&disk::open(&common::image("healthy-trixie")).unwrap()).unwrap();
    disk.esp = Some("p1".into());
    let (_, loader) = bootloader::read(&Esp(dir.path().into()), &disk, None);
    let Fact::Known(loader) = loader else {
        panic!("{loader:?}")
    };
    let theirs: Vec<String> = listed(dir.path()).iter().map(theirs).collect();
    let ours: Vec<String> = loader
        .entries
        .iter()
        .filter(|e| e.skipped.is_none())
        .map(ours)
        .collect();
    println!(
        "{} entries, {count} of them written for the test",
        ours.len()
    );
    assert_eq!(ours, theirs);
}
