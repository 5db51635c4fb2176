//! The memory of a running guest, through `/proc/<pid>` of its QEMU: nothing is stopped, copied or asked of the guest.
//!
//! QEMU says where in its own address space the guest's RAM lies (`gpa2hva`), `/proc/<pid>/maps` what is mapped there. A shared memfd
//! (or another shared file) is opened through `/proc/<pid>/fd`; private memory is read through `/proc/<pid>/mem`, which the kernel
//! allows for one's own descendants (ptrace(2), "Ptrace access mode checking"). So no argument of QEMU need be changed.

use super::file::{FileMemory, Holes, Segment};
use super::{GuestMemory, MemoryError, layout};
use crate::boot::qmp::{Qmp, QmpError};
use crate::boot::vm::Vm;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `/proc/<pid>/maps` of a QEMU has some hundred lines.
const MAPS_CAP: u64 = 8 << 20;

/// How guest memory is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The shared file behind it.
    SharedFile,
    /// QEMU's private memory.
    ProcessMemory,
}

/// Opens the memory of a running guest.
pub fn open(vm: &Vm) -> Result<(FileMemory, Way), MemoryError> {
    let (name, size) = backend(&vm.qmp, vm.memory)?;
    let mtree = monitor(&vm.qmp, "info mtree -f")?;
    let segments = layout::from_mtree(&mtree, &name, size);
    let first = segments
        .first()
        .ok_or_else(|| unsupported("QEMU does not say where the guest's RAM lies"))?;
    let answer = monitor(&vm.qmp, &format!("gpa2hva {:#x}", first.address))?;
    let host = host_address(&answer)
        .and_then(|host| host.checked_sub(first.offset))
        .ok_or_else(|| unsupported(&format!("QEMU does not map guest RAM: {}", answer.trim())))?;
    open_at(
        Path::new(&format!("/proc/{}", vm.pid)),
        host,
        size,
        segments,
    )
}

/// Has QEMU write the guest's memory to a file, for where it can't be reached while it changes. The guest stands still meanwhile. The
/// file is gone when the memory is dropped.
pub fn dump(vm: &Vm, patience: Duration) -> Result<Arc<dyn GuestMemory>, MemoryError> {
    let path = vm.dir.join("memory.core");
    let result = dump_to(vm, &path, patience).and_then(|()| Ok(super::open::open(&path)?.0));
    let _ = std::fs::remove_file(&path);
    result
}

fn dump_to(vm: &Vm, path: &Path, patience: Duration) -> Result<(), MemoryError> {
    let refused = |e: QmpError| unsupported(&e.to_string());
    let protocol = format!("file:{}", path.display());
    vm.qmp
        .execute(
            "dump-guest-memory",
            json!({"paging": false, "protocol": protocol, "detach": true}),
        )
        .map_err(refused)?;
    let deadline = Instant::now() + patience;
    loop {
        let state = vm.qmp.execute("query-dump", Value::Null).map_err(refused)?;
        match state["status"].as_str() {
            Some("active") if Instant::now() < deadline => {
                // `DUMP_COMPLETED` is told to another handler; this is a matter of a second or two.
                std::thread::sleep(Duration::from_millis(50));
            }
            Some("completed") => return Ok(()),
            _ => return Err(unsupported("QEMU could not dump the guest's memory")),
        }
    }
}

fn unsupported(why: &str) -> MemoryError {
    MemoryError::Unsupported(why.to_owned())
}

/// Id and size of the one memory backend.
fn backend(qmp: &Qmp, memory: u64) -> Result<(String, u64), MemoryError> {
    let list = qmp
        .execute("query-memdev", Value::Null)
        .map_err(|e| unsupported(&e.to_string()))?;
    let devices = list.as_array().map(Vec::as_slice).unwrap_or_default();
    match devices {
        [one] => {
            let id = one["id"].as_str().unwrap_or("pc.ram").to_owned();
            Ok((id, one["size"].as_u64().unwrap_or(memory)))
        }
        [] => Ok(("pc.ram".to_owned(), memory)),
        _ => Err(unsupported("the guest has several memory backends")),
    }
}

fn monitor(qmp: &Qmp, command: &str) -> Result<String, MemoryError> {
    let answer = qmp
        .execute("human-monitor-command", json!({"command-line": command}))
        .map_err(|e| unsupported(&e.to_string()))?;
    Ok(answer.as_str().unwrap_or_default().to_owned())
}

/// `Host virtual address for 0x100000 (pc.ram) is 0x7f…`.
fn host_address(answer: &str) -> Option<u64> {
    let hex = answer.trim().rsplit_once(" is 0x")?.1;
    u64::from_str_radix(hex, 16).ok()
}

/// Guest RAM that is mapped at `host` of a process.
fn open_at(
    process: &Path,
    host: u64,
    size: u64,
    mut segments: Vec<Segment>,
) -> Result<(FileMemory, Way), MemoryError> {
    let mut maps = String::new();
    File::open(process.join("maps"))?
        .take(MAPS_CAP)
        .read_to_string(&mut maps)?;
    let mapping = maps
        .lines()
        .filter_map(Mapping::parse)
        .find(|m| (m.start..m.end).contains(&host))
        .ok_or_else(|| unsupported("guest RAM is not in QEMU's address space"))?;
    if mapping.shared
        && mapping.inode != 0
        && mapping.end - host >= size
        && let Some(file) = shared_file(process, mapping.inode)
    {
        for segment in &mut segments {
            segment.offset += mapping.offset + (host - mapping.start);
        }
        return Ok((
            FileMemory::new(file, segments, Holes::Seek),
            Way::SharedFile,
        ));
    }
    for segment in &mut segments {
        segment.offset = segment
            .offset
            .checked_add(host)
            .ok_or_else(|| unsupported("guest RAM is out of bounds"))?;
    }
    let memory = File::open(process.join("mem"))?;
    let pagemap = File::open(process.join("pagemap"))?;
    let memory = FileMemory::new(memory, segments, Holes::Pagemap(pagemap));
    Ok((memory, Way::ProcessMemory))
}

/// The open file of a process with this inode. `st_dev` is not compared: overlay file systems tell another one in `maps`.
fn shared_file(process: &Path, inode: u64) -> Option<File> {
    let fds = std::fs::read_dir(process.join("fd")).ok()?;
    for fd in fds.flatten() {
        let path = fd.path();
        let link = std::fs::read_link(&path).unwrap_or_default();
        // Only what can be guest RAM: a memfd, or a file in memory or hugetlbfs. Devices and sockets are never opened.
        let regular =
            std::fs::metadata(&path).is_ok_and(|m| m.file_type().is_file() && m.ino() == inode);
        if regular && link.is_absolute() {
            return File::open(&path).ok();
        }
    }
    None
}

/// A line of `/proc/<pid>/maps`.
struct Mapping {
    start: u64,
    end: u64,
    shared: bool,
    offset: u64,
    inode: u64,
}

impl Mapping {
    fn parse(line: &str) -> Option<Mapping> {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let permissions = words.next()?;
        let offset = words.next()?;
        let inode = words.nth(1)?;
        Some(Mapping {
            start: u64::from_str_radix(start, 16).ok()?,
            end: u64::from_str_radix(end, 16).ok()?,
            shared: permissions.ends_with('s'),
            offset: u64::from_str_radix(offset, 16).ok()?,
            inode: inode.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn lines_of_maps_and_the_monitor_are_understood() {
        let line = "7f5b40000000-7f5b80000000 rw-s 00200000 00:01 2057   /memfd:memory-backend-memfd (deleted)";
        let mapping = Mapping::parse(line).unwrap();
        assert!(mapping.shared);
        assert_eq!((mapping.offset, mapping.inode), (0x20_0000, 2057));
        assert_eq!(mapping.end - mapping.start, 1 << 30);
        assert!(Mapping::parse("x-y").is_none());
        let answer = "Host virtual address for 0x100000 (pc.ram) is 0x7f5b40100000\r\n";
        assert_eq!(host_address(answer), Some(0x7f5b_4010_0000));
        assert_eq!(host_address("No memory is mapped at address 0x0"), None);
    }

    #[test]
    fn private_memory_is_read_through_the_process() {
        // This test's own memory stands in for QEMU's.
        let memory: Vec<u8> = (0..3 * 4096u32).map(|n| (n / 7) as u8).collect();
        let segment = Segment {
            address: 1 << 32,
            len: memory.len() as u64,
            offset: 0,
        };
        let host = memory.as_ptr() as u64;
        let process = Path::new("/proc/self");
        let (guest, way) = open_at(process, host, memory.len() as u64, vec![segment]).unwrap();
        assert_eq!(way, Way::ProcessMemory);
        let mut read = vec![0; memory.len()];
        guest.read_at(1 << 32, &mut read).unwrap();
        assert_eq!(read, memory);
        assert!(!guest.populated().is_empty());
    }

    #[test]
    fn a_shared_file_is_found_by_its_inode() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"guest").unwrap();
        let inode = file.metadata().unwrap().ino();
        let found = shared_file(Path::new("/proc/self"), inode).unwrap();
        assert_eq!(found.metadata().unwrap().ino(), inode);
        assert!(shared_file(Path::new("/proc/self"), u64::MAX).is_none());
    }
}
