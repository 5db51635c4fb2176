//! Kernel log and journal read from guest memory, against what the same guest says itself: `/dev/kmsg` and `journalctl`, asked over its shell.
//!
//! One boot runs in `make test`; the others (other kernels, memory above 4 GiB, private memory) in `make test-full`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking and print what they saw"
)]

mod common;

use base64::Engine;
use isar_doctor::boot::accel::{Accel, Choice};
use isar_doctor::boot::launch::{QmpEnd, SerialEnd};
use isar_doctor::boot::memory::GuestMemory;
use isar_doctor::boot::memory::journal::{self, Entry, JournalFollower};
use isar_doctor::boot::memory::printk::{Follower, Record, log};
use isar_doctor::boot::memory::process;
use isar_doctor::boot::protocol::command_line;
use isar_doctor::boot::qmp::Qmp;
use isar_doctor::boot::setup::{MachineOptions, prepare};
use isar_doctor::boot::vm::Vm;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A guest that runs.
struct Guest {
    qemu: Child,
    shell: UnixStream,
    _dir: tempfile::TempDir,
    _slot: common::BootSlot,
    ram: Arc<dyn GuestMemory>,
    vm: Vm,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Guest {
    /// Starts it as the doctor does; `exact`: as the test driver does.
    fn start(fixture: &str, memory: u64, exact: bool) -> Guest {
        let image = common::image(fixture);
        let slot = common::boot_slot();
        let dir = tempfile::tempdir().unwrap();
        let prepared = prepare(
            &image,
            MachineOptions {
                qemu: None,
                ovmf_code: None,
                ovmf_vars: None,
                secure_boot: false,
                accel: Choice::Tcg,
                memory,
                smp: 2,
                drive: None,
                extra: Vec::new(),
                exact,
            },
        )
        .unwrap();
        let launch = prepared.launch(Accel::Tcg, dir.path()).unwrap();
        for end in &launch.serial {
            if let SerialEnd::Socket(path) = end {
                drain(UnixListener::bind(path).unwrap());
            }
        }
        let shell = UnixListener::bind(&launch.shell).unwrap();
        let QmpEnd::DoctorListens(path) = &launch.qmp else {
            panic!("the doctor listens on its own machine's QMP");
        };
        let qmp = UnixListener::bind(path).unwrap();
        let qemu = Command::new(&launch.argv[0])
            .args(&launch.argv[1..])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let (qmp, _) = Qmp::start(qmp.accept().unwrap().0, Box::new(|_, _, _| {})).unwrap();
        let vm = Vm {
            pid: qemu.id(),
            memory: launch.memory,
            dir: dir.path().to_owned(),
            qmp,
        };
        let (ram, way) = process::open(&vm).unwrap();
        let wanted = if exact {
            process::Way::ProcessMemory
        } else {
            process::Way::SharedFile
        };
        assert_eq!(way, wanted);
        let shell = shell.accept().unwrap().0;
        shell
            .set_read_timeout(Some(Duration::from_secs(300)))
            .unwrap();
        Guest {
            qemu,
            shell,
            _dir: dir,
            _slot: slot,
            ram: Arc::new(ram),
            vm,
        }
    }

    /// Reads until a line ends with `end`.
    fn read_until(&mut self, end: &str) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buf = vec![0; 1 << 16];
        while !all.ends_with(end.as_bytes()) {
            let read = self.shell.read(&mut buf).unwrap();
            assert!(
                read > 0,
                "the guest is gone; its last words: {}",
                self.last_words()
            );
            all.extend(buf[..read].iter().filter(|b| **b != b'\r'));
        }
        all
    }

    /// What the kernel log in memory ends with.
    fn last_words(&self) -> String {
        let (logs, trouble) = log::logs(&self.ram);
        let Some(kernel) = logs.first() else {
            return format!("{trouble:?}");
        };
        let (records, _) = log::read_all(&kernel.ring);
        let last = records.len().saturating_sub(60);
        records[last..].iter().map(Record::kmsg).collect()
    }

    fn ask(&mut self, command: &str) -> Vec<u8> {
        let line = command_line(command, 120);
        self.shell.write_all(line.as_bytes()).unwrap();
        let answer = self.read_until("\n");
        base64::engine::general_purpose::STANDARD
            .decode(answer.trim_ascii())
            .unwrap()
    }

    fn kmsg(&mut self) -> Vec<String> {
        let raw =
            self.ask("dd if=/dev/kmsg bs=8192 iflag=nonblock status=none 2>/dev/null || true");
        records(&String::from_utf8(raw).unwrap())
    }

    fn journal(&mut self) -> Vec<Value> {
        let raw = self.ask("journalctl --sync; journalctl -b --all -o json");
        String::from_utf8(raw)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// Reads a serial port for ever: a full one would stop the guest.
fn drain(listener: UnixListener) {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::copy(&mut stream, &mut std::io::sink())
    });
}

/// Records of /dev/kmsg; lines that begin with a blank belong to the one before. Who called is told only by some kernels.
fn records(text: &str) -> Vec<String> {
    let mut records: Vec<String> = Vec::new();
    for line in text.lines() {
        match records.last_mut() {
            Some(last) if line.starts_with(' ') => *last += &format!("{line}\n"),
            _ => {
                let (head, text) = line.split_once(';').unwrap();
                let head: Vec<&str> = head.split(',').take(4).collect();
                records.push(format!("{};{text}\n", head.join(",")));
            }
        }
    }
    records
}

/// What was heard while the guest ran.
struct Heard {
    records: Vec<Record>,
    lost: u64,
    entries: Vec<Entry>,
}

/// Follows kernel log and journal as the doctor does, until told to stop.
fn follow(memory: Arc<dyn GuestMemory>, stop: &AtomicBool) -> Heard {
    let mut follower = Follower::new(memory);
    let mut journal: Option<JournalFollower> = None;
    let mut heard = Heard {
        records: Vec::new(),
        lost: 0,
        entries: Vec::new(),
    };
    let mut searched = Instant::now();
    loop {
        let last = stop.load(Ordering::Relaxed);
        if follower.log().is_none() {
            follower.search();
            journal = follower.log().and_then(JournalFollower::new);
        }
        let poll = follower.poll();
        heard.records.extend(poll.records);
        heard.lost += poll.stats.recycled + poll.stats.torn + poll.stats.unfinished;
        if let Some(journal) = &mut journal {
            if searched.elapsed() > Duration::from_millis(500) {
                journal.search();
                searched = Instant::now();
            }
            heard.entries.extend(journal.poll().entries);
        }
        if last {
            return heard;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Share of journalctl's entries that are there with every field.
fn share(theirs: &[Value], ours: &[Entry]) -> f64 {
    // journald gives two entries the same time when it makes them at once.
    let mut by_time: HashMap<(u64, u64), Vec<HashSet<&[u8]>>> = HashMap::new();
    for e in ours {
        let fields = e.fields.iter().map(|f| &**f).collect();
        let same = by_time.entry((e.monotonic, e.realtime)).or_default();
        same.push(fields);
    }
    let whole = theirs.iter().filter(|entry| {
        let number = |key: &str| entry[key].as_str().unwrap().parse::<u64>().unwrap();
        let key = (
            number("__MONOTONIC_TIMESTAMP"),
            number("__REALTIME_TIMESTAMP"),
        );
        // Fields that are not text are arrays of bytes, repeated ones arrays of strings.
        let wanted: Vec<String> = entry
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| !name.starts_with("__"))
            .filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)))
            .collect();
        let candidates = by_time.get(&key).map(Vec::as_slice).unwrap_or_default();
        let there = candidates
            .iter()
            .any(|fields| wanted.iter().all(|field| fields.contains(field.as_bytes())));
        if !there {
            println!("missing: {entry}");
        }
        there
    });
    whole.count() as f64 / theirs.len() as f64
}

fn compare(fixture: &str, memory: u64, exact: bool) {
    let mut guest = Guest::start(fixture, memory, exact);
    let start = Instant::now();
    let ram = Arc::clone(&guest.ram);
    let stop = Arc::new(AtomicBool::new(false));
    let follower = std::thread::spawn({
        let (ram, stop) = (Arc::clone(&ram), Arc::clone(&stop));
        move || follow(ram, &stop)
    });
    guest.read_until("Spawning backdoor root shell...\n");
    guest.ask("systemctl is-system-running --wait || true");
    println!("{fixture} {memory} MiB: up after {:?}", start.elapsed());

    let before = guest.kmsg();
    let (logs, trouble) = log::logs(&ram);
    let kernel = logs.first().unwrap_or_else(|| panic!("{trouble:?}"));
    let (records, stats) = log::read_all(&kernel.ring);
    let after = guest.kmsg();
    let ours: Vec<String> = records.iter().map(Record::kmsg).collect();
    println!(
        "{} records, {} before and {} after: {stats:?}",
        ours.len(),
        before.len(),
        after.len()
    );
    assert!(before.len() > 300);
    assert_eq!(
        ours[..before.len()],
        before,
        "decoded = /dev/kmsg, record for record"
    );
    assert_eq!(after[..ours.len()], ours);

    if exact {
        let dump = process::dump(&guest.vm, Duration::from_secs(60)).unwrap();
        let kernel = &log::logs(&dump).0[0];
        let dumped: Vec<String> = log::read_all(&kernel.ring)
            .0
            .iter()
            .map(Record::kmsg)
            .collect();
        assert_eq!(dumped[..ours.len()], ours, "dumped = decoded");
    }

    let theirs = guest.journal();
    let recovered = journal::recover(kernel).unwrap();
    let whole = share(&theirs, &recovered.entries);
    println!(
        "journal: {} entries, {:.1} % recovered, {:?}",
        theirs.len(),
        whole * 100.0,
        recovered.stats
    );
    assert!(whole >= 0.95, "{whole}");

    // What was followed live is the same, each once.
    stop.store(true, Ordering::Relaxed);
    let heard = follower.join().unwrap();
    let live: Vec<String> = heard.records.iter().map(Record::kmsg).collect();
    assert_eq!(heard.lost, 0);
    assert_eq!(live[..ours.len()], ours, "followed = decoded");
    let whole = share(&theirs, &heard.entries);
    println!("journal, followed: {:.1} %", whole * 100.0);
    assert!(whole >= 0.95, "{whole}");
}

#[test]
fn bookworm_cloud() {
    compare("healthy", 1024, false);
}

#[test]
#[ignore = "boots; make test-full"]
fn bookworm_cloud_above_4_gib() {
    compare("healthy", 6144, false);
}

#[test]
#[ignore = "boots; make test-full"]
fn bookworm_full() {
    compare("healthy-full", 1024, false);
}

#[test]
#[ignore = "boots; make test-full"]
fn bookworm_full_above_4_gib() {
    compare("healthy-full", 6144, false);
}

#[test]
#[ignore = "boots; make test-full"]
fn trixie_cloud() {
    compare("healthy-trixie", 1024, false);
}

#[test]
#[ignore = "boots; make test-full"]
fn trixie_cloud_above_4_gib() {
    compare("healthy-trixie", 6144, false);
}

#[test]
#[ignore = "boots; make test-full"]
fn trixie_full() {
    compare("healthy-full-trixie", 1024, false);
}

#[test]
#[ignore = "boots; make test-full"]
fn trixie_full_above_4_gib() {
    compare("healthy-full-trixie", 6144, false);
}

#[test]
#[ignore = "boots; make test-full"]
fn private_memory_of_an_unchanged_qemu() {
    compare("healthy-trixie", 3072, true);
}
