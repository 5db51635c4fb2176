//! QEMU's trace lines (`docs/devel/tracing`, backend `log`), read from a FIFO.
//!
//! ```text
//! 13738@1795421380.413451:virtio_set_status vdev 0x5572888f41f0 val 1
//! ```
//! Thread id, wall-clock time (because of `-msg timestamp=on`), event, arguments in words.

use super::channel::{Clock, Emitter};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest line taken; QEMU's have about a hundred bytes, and a file name can make one longer.
const LINE_CAP: u64 = 16 << 10;
/// Room between QEMU and the doctor: ten thousand lines, so that a doctor that is not scheduled for a while does not hold up QEMU.
const PIPE_SIZE: usize = 1 << 20;

/// One event of the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceEvent<'a> {
    /// A block node was opened.
    Open {
        /// Node.
        node: u64,
        /// File name.
        filename: &'a str,
        /// Driver (`raw`, `qcow2`, `file`).
        format: &'a str,
    },
    /// A guest disk was read.
    Read {
        /// Node.
        node: u64,
        /// First byte.
        offset: u64,
        /// Length.
        len: u64,
    },
    /// A guest disk was written.
    Write {
        /// Node.
        node: u64,
        /// First byte.
        offset: u64,
        /// Length.
        len: u64,
    },
    /// The guest wrote a virtio device's status register (virtio 1.2, 2.1).
    Status {
        /// Device.
        device: u64,
        /// New status.
        status: u8,
    },
    /// The guest wrote to a console port.
    PortOutput {
        /// Port.
        port: u32,
        /// Bytes.
        len: u64,
    },
}

/// Parses a line: its wall-clock time when it has one, and the event when it is one of ours.
pub fn parse(line: &str) -> Option<(Option<Duration>, TraceEvent<'_>)> {
    let (head, rest) = line.split_once(' ')?;
    let (time, name) = match head.rsplit_once(':') {
        Some((prefix, name)) => (wall_time(prefix), name),
        None => (None, head),
    };
    let event = match name {
        "blk_co_preadv" => TraceEvent::Read {
            node: pointer(rest, "bs")?,
            offset: number(rest, "offset")?,
            len: number(rest, "bytes")?,
        },
        "blk_co_pwritev" => TraceEvent::Write {
            node: pointer(rest, "bs")?,
            offset: number(rest, "offset")?,
            len: number(rest, "bytes")?,
        },
        "virtio_set_status" => TraceEvent::Status {
            device: pointer(rest, "vdev")?,
            status: u8::try_from(number(rest, "val")?).ok()?,
        },
        "virtio_console_flush_buf" => TraceEvent::PortOutput {
            port: u32::try_from(number(rest, "port")?).ok()?,
            len: number(rest, "in_len")?,
        },
        "bdrv_open_common" => TraceEvent::Open {
            node: pointer(rest, "bs")?,
            // A file name can hold quotes and blanks: it ends where the flags begin.
            filename: rest
                .split_once("filename \"")?
                .1
                .rsplit_once("\" flags ")?
                .0,
            format: rest.rsplit_once("format_name \"")?.1.trim_end_matches('"'),
        },
        _ => return None,
    };
    Some((time, event))
}

/// `13738@1795421380.413451` → time since 1970.
fn wall_time(prefix: &str) -> Option<Duration> {
    let (seconds, micros) = prefix.split_once('@')?.1.split_once('.')?;
    Some(
        Duration::from_secs(seconds.parse().ok()?)
            + Duration::from_micros(micros.parse::<u32>().ok()?.into()),
    )
}

fn word<'a>(rest: &'a str, key: &str) -> Option<&'a str> {
    let mut words = rest.split(' ');
    words.find(|w| *w == key)?;
    Some(words.next()?.trim_end_matches(','))
}

fn number(rest: &str, key: &str) -> Option<u64> {
    word(rest, key)?.parse().ok()
}

fn pointer(rest: &str, key: &str) -> Option<u64> {
    u64::from_str_radix(word(rest, key)?.strip_prefix("0x")?, 16).ok()
}

/// The FIFO between QEMU and the doctor.
#[derive(Debug)]
pub struct Fifo {
    reader: File,
    holder: Holder,
}

/// Keeps the FIFO from reading as ended before QEMU has opened it.
#[derive(Debug, Clone)]
pub struct Holder(Arc<Mutex<Option<File>>>);

impl Holder {
    /// From here on QEMU's end is the end. Also to be called when QEMU ended before it opened the FIFO.
    pub fn release(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Fifo {
    /// Makes the FIFO and opens it for reading, so that QEMU's opening does not block.
    pub fn create(path: &Path) -> std::io::Result<Fifo> {
        rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        let reader = File::options()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open(path)?;
        let holder = File::options().write(true).open(path)?;
        rustix::fs::fcntl_setfl(&reader, OFlags::empty())?;
        // More than the default is a favour of the kernel; without it the FIFO works, only smaller.
        let _ = rustix::pipe::fcntl_setpipe_size(&reader, PIPE_SIZE);
        let holder = Holder(Arc::new(Mutex::new(Some(holder))));
        Ok(Fifo { reader, holder })
    }

    /// What must be released for the reading to end.
    pub fn holder(&self) -> Holder {
        self.holder.clone()
    }

    /// Reads until QEMU ends, and gives every event with its time to `handle`. To be run on a thread of its own.
    pub fn read(
        self,
        clock: Clock,
        emitter: &Emitter,
        mut handle: impl FnMut(f64, TraceEvent<'_>),
    ) {
        let mut reader = BufReader::with_capacity(64 << 10, self.reader);
        let mut held = true;
        let mut line = Vec::new();
        loop {
            line.clear();
            match reader.by_ref().take(LINE_CAP).read_until(b'\n', &mut line) {
                Ok(read) if read > 0 => {}
                _ => return,
            }
            if std::mem::take(&mut held) {
                self.holder.release();
            }
            let text = String::from_utf8_lossy(&line);
            if let Some((wall, event)) = parse(text.trim_end()) {
                let t = wall.map_or_else(|| clock.now(), |wall| clock.at_wall(wall));
                // An idle guest's file systems still write now and then; reads are work.
                if !matches!(event, TraceEvent::Write { .. }) {
                    emitter.touch();
                }
                handle(t, event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_qemu_7_2() {
        let (time, event) =
            parse("13738@1795421380.413451:virtio_set_status vdev 0x5572888f41f0 val 7").unwrap();
        assert_eq!(time, Some(Duration::new(1_795_421_380, 413_451_000)));
        assert_eq!(
            event,
            TraceEvent::Status {
                device: 0x5572_888f_41f0,
                status: 7
            }
        );
        let (_, event) =
            parse("1@2.000003:blk_co_preadv blk 0x1 bs 0x2 offset 512 bytes 4096 flags 0x0")
                .unwrap();
        assert_eq!(
            event,
            TraceEvent::Read {
                node: 2,
                offset: 512,
                len: 4096
            }
        );
        let (_, event) = parse(r#"1@2.3:bdrv_open_common bs 0x5 filename "/i/a "x" b.wic" flags 0x2a000 format_name "file""#).unwrap();
        assert_eq!(
            event,
            TraceEvent::Open {
                node: 5,
                filename: r#"/i/a "x" b.wic"#,
                format: "file"
            }
        );
    }

    #[test]
    fn a_fifo_that_qemu_never_opened_can_be_ended() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = Fifo::create(&directory.path().join("trace")).unwrap();
        let holder = fifo.holder();
        let (sender, _receiver) = std::sync::mpsc::channel();
        let emitter = Emitter::new(Clock::start(), sender);
        let thread = std::thread::spawn(move || fifo.read(emitter.clock(), &emitter, |_, _| {}));
        holder.release();
        thread.join().unwrap();
    }

    #[test]
    fn lines_without_time_and_of_others() {
        assert_eq!(
            parse("virtio_console_flush_buf port 0, in_len 33, out_len 33"),
            Some((None, TraceEvent::PortOutput { port: 0, len: 33 }))
        );
        assert_eq!(parse("1@2.3:something_else a 1"), None);
        assert_eq!(parse("1@2.3:virtio_set_status vdev zz val 999"), None);
        assert_eq!(parse(""), None);
    }
}
