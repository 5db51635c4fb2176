//! `boot --prove`: boots again with one lever changed, until the cause is proven or disproved.

use super::judge::{Inspected, Judged};
use super::{BootArgs, Target, observe};
use crate::boot::trouble::BootError;
use crate::diagnose::experiments::{self, Shown};
use crate::diagnose::levers::{self, Change, Lever, changed_options};
use crate::inspect::bootloader::LoaderKind;
use crate::inspect::facts::Facts;
use crate::inspect::source::Location;
use crate::inspect::{disk, filesystem, partitions};
use crate::report::boot_progress::{self, Style};
use crate::stage::Stage;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustix::fs::{MemfdFlags, memfd_create};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Kernels and initrds larger than this are not taken out of the image.
const FILE_CAP: u64 = 1 << 30;

/// Runs the experiments for a failed verdict and adds them to it.
pub(super) fn prove(args: &BootArgs, image: &Path, inspected: &Inspected, judged: &mut Judged) {
    let Some(facts) = inspected.facts() else {
        return;
    };
    let verdict = judged.verdict();
    let (Some(cause), false) = (verdict.cause_id.clone(), verdict.reached) else {
        return;
    };
    let levers = levers::for_cause(&cause, facts);
    let places = judged.outcome.host.cpus.max(2) as usize / 2;
    let next = AtomicUsize::new(0);
    let shown = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..places.min(levers.len()) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(lever) = levers.get(n) else { break };
                    let result = experiment(args, image, inspected, facts, lever);
                    shown
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push((n, result));
                }
            });
        }
    });
    let mut shown = shown
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    shown.sort_by_key(|(n, _)| *n);
    let shown: Vec<Shown> = shown.into_iter().map(|(_, s)| s).collect();
    experiments::apply(judged.verdict_mut(), &shown);
}

/// Cause of a boot that a busy host ended.
const STARVED: &str = "timer-starved";

fn experiment(
    args: &BootArgs,
    image: &Path,
    inspected: &Inspected,
    facts: &Facts,
    lever: &Lever,
) -> Shown {
    let start = Instant::now();
    let mut shown = Shown {
        lever: lever.clone(),
        by: String::new(),
        furthest: None,
        reached: false,
        stopped: None,
        seconds: 0.0,
        trouble: None,
    };
    let mut result = carry_out(args, image, inspected, facts, lever);
    // The host's load, and not the lever, ended that boot.
    let starved = |judged: &Judged| judged.verdict().cause_id.as_deref() == Some(STARVED);
    if result.as_ref().is_ok_and(|(_, judged)| starved(judged)) {
        result = carry_out(args, image, inspected, facts, lever);
    }
    match result {
        Ok((by, judged)) => {
            shown.by = by;
            shown.furthest = judged.outcome.stages.furthest();
            let verdict = judged.verdict();
            shown.reached = verdict.reached;
            shown.stopped = verdict.stage.zip(verdict.cause.clone());
        }
        Err(why) => shown.trouble = Some(why),
    }
    shown.seconds = start.elapsed().as_secs_f64();
    shown
}

fn carry_out(
    args: &BootArgs,
    image: &Path,
    inspected: &Inspected,
    facts: &Facts,
    lever: &Lever,
) -> Result<(String, Judged), String> {
    let mut own = args.clone();
    own.image = Some(image.to_owned());
    own.run_script = None;
    own.record = None;
    // The guest has answered when the experiment is over; whether it settles is another question.
    own.settle = std::time::Duration::from_secs(2);
    // QEMU opens these through /proc, so they must stay open until it has.
    let mut files = Vec::new();
    let by = match (&lever.change, by_loader(facts)) {
        (Change::Memory(mib), _) => {
            own.memory = *mib;
            "qemu-arguments"
        }
        (Change::DropIn { unit, text }, _) => {
            let name = format!("io.systemd.credential.binary:systemd.unit-dropin.{unit}");
            let value = format!("type=11,value={name}={}", BASE64.encode(text));
            own.extra.extend(["-smbios".into(), OsString::from(value)]);
            "credential"
        }
        (Change::Add(words), Some(key)) => {
            own.extra.extend([
                "-smbios".into(),
                OsString::from(format!(
                    "type=11,value={key}={}",
                    words.join(" ").replace(',', ",,")
                )),
            ]);
            "smbios"
        }
        (change, _) => {
            files = direct_boot(image, facts, change, &mut own.extra)?;
            "direct-kernel-boot"
        }
    };
    let target = Target::prepare(&own).map_err(|e| e.to_string())?;
    let mut quiet = boot_progress::display(Style::Quiet);
    let outcome = observe(&own, target, inspected, quiet.as_mut(), None)
        .map_err(|e: BootError| e.to_string())?;
    drop(files);
    Ok((by.to_owned(), inspected.judge(outcome)))
}

/// The SMBIOS string by which this loader takes more options, when it knows one. What counts is the program on the ESP.
fn by_loader(facts: &Facts) -> Option<&'static str> {
    let loader = facts.loader.known()?;
    let major: u32 = loader
        .version
        .as_deref()?
        .split(|c: char| !c.is_ascii_digit())
        .find(|p| !p.is_empty())?
        .parse()
        .ok()?;
    let type1 = loader
        .selected_entry()?
        .linux
        .as_ref()
        .and_then(|l| l.file.known())
        .is_some_and(|f| f.section.is_none());
    match loader.kind {
        LoaderKind::SystemdBoot if type1 && major >= 256 => {
            Some("io.systemd.boot.kernel-cmdline-extra")
        }
        LoaderKind::Uki if major >= 254 => Some("io.systemd.stub.kernel-cmdline-extra"),
        _ => None,
    }
}

/// Kernel, initrd and changed options of the image's own entry, as QEMU arguments. The files live in memory only.
fn direct_boot(
    image: &Path,
    facts: &Facts,
    change: &Change,
    extra: &mut Vec<OsString>,
) -> Result<Vec<File>, String> {
    let entry = facts
        .loader
        .known()
        .and_then(|l| l.judged_entry())
        .ok_or("the image has no entry whose kernel could be started directly")?;
    let linux = entry
        .linux
        .as_ref()
        .and_then(|l| l.file.known())
        .filter(|f| f.section.is_none());
    let linux = linux.ok_or("the entry's kernel cannot be taken out of the image")?;
    let kernel = in_memory("kernel", &[take(image, &linux.location)?])?;
    let initrds: Vec<Vec<u8>> = entry
        .initrds
        .iter()
        .filter_map(|i| i.file.known())
        .map(|f| take(image, &f.location))
        .collect::<Result<_, _>>()?;
    extra.extend([
        "-kernel".into(),
        path_of(&kernel),
        "-append".into(),
        OsString::from(changed_options(&entry.options, change)),
    ]);
    let mut files = vec![kernel];
    if !initrds.is_empty() {
        let initrd = in_memory("initrd", &initrds)?;
        extra.extend(["-initrd".into(), path_of(&initrd)]);
        files.push(initrd);
    }
    Ok(files)
}

fn take(image: &Path, place: &Location) -> Result<Vec<u8>, String> {
    let text = |e: crate::inspect::error::Error| e.to_string();
    let disk = disk::open(image).map_err(text)?;
    let table = partitions::read(&disk).map_err(text)?;
    let partition = table
        .partitions
        .iter()
        .find(|p| Some(&p.id) == place.partition.as_ref())
        .ok_or_else(|| format!("{place} is gone"))?;
    let fs = filesystem::open(&disk, partition).map_err(text)?;
    fs.read(place.path.as_deref().unwrap_or_default(), FILE_CAP)
        .map_err(text)
}

/// The kernel wants each initrd to start on a multiple of four bytes.
fn in_memory(name: &str, parts: &[Vec<u8>]) -> Result<File, String> {
    let mut file = File::from(memfd_create(name, MemfdFlags::CLOEXEC).map_err(|e| e.to_string())?);
    for part in parts {
        let padding = part.len().next_multiple_of(4) - part.len();
        file.write_all(part)
            .and_then(|()| file.write_all(&[0; 4][..padding]))
            .map_err(|e| e.to_string())?;
    }
    Ok(file)
}

fn path_of(file: &File) -> OsString {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into()
}

/// Stages at which a lever can show anything.
pub(super) fn worthwhile(judged: &Judged) -> bool {
    !judged.verdict().reached && judged.verdict().stage.is_some_and(|s| s > Stage::Host)
}
