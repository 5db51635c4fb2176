//! A machine ready to be started: the argument vector, and where each channel of the guest ends.

use super::accel::Accel;
use super::firmware::{Firmware, is_qcow2};
use super::image::{Format, option_value};
use super::keeper::Process;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Id of the virtconsole, so that QEMU announces when the guest's driver opens it (`VSERPORT_CHANGE`).
pub const PORT_ID: &str = "isar-doctor-shell";
/// Node name of the image's block node.
pub const NODE: &str = "image";
const RAM_ID: &str = "isar-doctor-ram";

/// Trace events: reads and writes of guest disks, which node is which file, driver status, console output.
const TRACE_EVENTS: &[&str] = &[
    "bdrv_open_common",
    "blk_co_preadv",
    "blk_co_pwritev",
    "virtio_set_status",
    "virtio_console_flush_buf",
];

/// Where the guest's n-th serial port goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SerialEnd {
    /// A socket that the doctor listens on.
    Socket(PathBuf),
    /// QEMU's standard output.
    Stdout,
    /// Nowhere, or somewhere the doctor cannot look; with the reason.
    Blind(String),
}

/// Who listens on the control socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QmpEnd {
    /// The doctor does, QEMU connects.
    DoctorListens(PathBuf),
    /// QEMU does (as the test driver has it), the doctor connects.
    QemuListens(PathBuf),
}

/// Everything needed to start and watch one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// Serial ports in order.
    pub serial: Vec<SerialEnd>,
    /// Sockets the doctor must listen on without reading anything from them (the test driver's monitor).
    pub idle_sockets: Vec<PathBuf>,
    /// Socket of the shell device; the doctor listens.
    pub shell: PathBuf,
    /// Control socket.
    pub qmp: QmpEnd,
    /// FIFO for QEMU's trace lines; none when not traced.
    pub trace: Option<PathBuf>,
    /// Guest memory in bytes.
    pub memory: u64,
    /// Guest memory is a shared memfd.
    pub memfd: bool,
    /// What was added for observation, in words.
    pub added: Vec<String>,
    /// Working directory of QEMU.
    pub cwd: PathBuf,
    /// The image's path as QEMU opens it.
    pub image: String,
    /// Processes that must run before QEMU (virtual switches).
    pub helpers: Vec<Process>,
}

/// What the doctor's own machine is made of.
#[derive(Debug)]
pub struct Parts<'a> {
    /// QEMU.
    pub qemu: &'a Path,
    /// Image and its format; none for the firmware alone.
    pub image: Option<(&'a Path, Format)>,
    /// Firmware code.
    pub firmware: &'a Firmware,
    /// Private copy of the variable store.
    pub vars: &'a Path,
    /// Accelerator.
    pub accel: Accel,
    /// Guest memory in MiB.
    pub memory: u64,
    /// vCPUs.
    pub smp: u32,
    /// Further options of the image's `-drive`.
    pub drive: Option<&'static str>,
    /// Arguments after `--`.
    pub extra: &'a [OsString],
    /// Private directory.
    pub dir: &'a Path,
    /// Nothing is added for observation.
    pub exact: bool,
}

/// The machine as the ISAR tests' start script and the test driver make it together, with every channel on a socket.
pub fn own(parts: &Parts<'_>) -> Launch {
    let dir = parts.dir;
    let mut b = Builder(vec![parts.qemu.into()]);
    b.pair("-name", "isar-doctor,debug-threads=on");
    // Nothing that the arguments do not name: no display, no floppy, no CD.
    b.flag("-nodefaults").pair("-display", "none");
    let smm = if parts.firmware.needs_smm {
        ",smm=on"
    } else {
        ""
    };
    b.pair("-machine", format!("q35{smm}"));
    if parts.firmware.needs_smm {
        b.pair("-global", "driver=cfi.pflash01,property=secure,value=on");
    }
    b.pair("-accel", parts.accel.argument())
        .pair("-cpu", parts.accel.cpu())
        .pair("-smp", parts.smp.to_string())
        .pair("-m", format!("{}M", parts.memory));
    b.drive(
        "if=pflash,unit=0,readonly=on",
        &parts.firmware.code,
        flash_format(&parts.firmware.code),
    );
    b.drive("if=pflash,unit=1", parts.vars, flash_format(parts.vars));
    if let Some((image, format)) = parts.image {
        let mut options = format!("if=virtio,snapshot=on,node-name={NODE}");
        if let Some(more) = parts.drive {
            options.push(',');
            options.push_str(more);
        }
        b.drive(&options, image, format.name());
    }
    // Isolated: DHCP answers, nothing else is there.
    b.pair("-netdev", "user,id=net0,restrict=on")
        .pair("-device", "virtio-net-pci,netdev=net0,romfile=");
    let serial: Vec<PathBuf> = (0..2).map(|n| dir.join(format!("serial{n}"))).collect();
    for (n, path) in serial.iter().enumerate() {
        b.socket(&format!("serial{n}"), path);
        b.pair("-serial", format!("chardev:serial{n}"));
    }
    let shell = dir.join("shell");
    let id = if parts.exact {
        String::new()
    } else {
        format!(",id={PORT_ID}")
    };
    b.socket("shell", &shell)
        .pair("-device", "virtio-serial")
        .pair("-device", format!("virtconsole,chardev=shell{id}"))
        .pair("-device", "virtio-rng-pci");
    let qmp = dir.join("qmp");
    b.socket("qmp", &qmp)
        .pair("-mon", "chardev=qmp,mode=control")
        .flag("-no-reboot");
    b.0.extend(parts.extra.iter().cloned());
    let mut launch = Launch {
        argv: b.0,
        serial: serial.into_iter().map(SerialEnd::Socket).collect(),
        idle_sockets: Vec::new(),
        shell,
        qmp: QmpEnd::DoctorListens(qmp),
        trace: None,
        memory: parts.memory << 20,
        memfd: false,
        added: Vec::new(),
        cwd: dir.to_owned(),
        image: parts
            .image
            .map_or_else(String::new, |(image, _)| image.display().to_string()),
        helpers: Vec::new(),
    };
    if !parts.exact {
        launch
            .added
            .push(format!("id={PORT_ID} on the virtconsole"));
        launch.observe_memory();
        launch.observe_trace(dir);
    }
    launch
}

fn flash_format(file: &Path) -> &'static str {
    if is_qcow2(file) { "qcow2" } else { "raw" }
}

impl Launch {
    /// Puts guest memory into a shared memfd, which the doctor reads through `/proc/<pid>/fd`.
    pub fn observe_memory(&mut self) {
        let size = self.memory;
        let mut b = Builder(std::mem::take(&mut self.argv));
        b.pair(
            "-object",
            format!("memory-backend-memfd,id={RAM_ID},size={size},share=on"),
        )
        .pair("-machine", format!("memory-backend={RAM_ID}"));
        self.argv = b.0;
        self.memfd = true;
        self.added
            .push(format!("guest memory in a shared memfd (-object memory-backend-memfd,id={RAM_ID}, -machine memory-backend={RAM_ID})"));
    }

    /// Has QEMU write trace lines into a FIFO.
    pub fn observe_trace(&mut self, dir: &Path) {
        let fifo = dir.join("trace");
        let mut b = Builder(std::mem::take(&mut self.argv));
        b.pair("-msg", "timestamp=on");
        let (last, first) = TRACE_EVENTS.split_last().unwrap_or((&"", &[]));
        for event in first {
            b.pair("-trace", format!("enable={event}"));
        }
        let mut value = OsString::from(format!("enable={last},file="));
        value.push(option_value(&fifo));
        b.pair("-trace", value);
        self.argv = b.0;
        self.trace = Some(fifo);
        self.added.push(format!(
            "trace lines into a FIFO (-msg timestamp=on, -trace enable={})",
            TRACE_EVENTS.join("|")
        ));
    }
}

/// Appends arguments.
struct Builder(Vec<OsString>);

impl Builder {
    fn flag(&mut self, name: &str) -> &mut Self {
        self.0.push(name.into());
        self
    }

    fn pair(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.0.push(name.into());
        self.0.push(value.into());
        self
    }

    fn drive(&mut self, options: &str, file: &Path, format: &str) -> &mut Self {
        let mut value = OsString::from(format!("{options},format={format},file="));
        value.push(option_value(file));
        self.pair("-drive", value)
    }

    fn socket(&mut self, id: &str, path: &Path) -> &mut Self {
        let mut value = OsString::from(format!("socket,id={id},path="));
        value.push(option_value(path));
        self.pair("-chardev", value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_never_written_and_every_channel_has_an_end() {
        let firmware = Firmware {
            code: "/fw/CODE.fd".into(),
            vars: "/fw/VARS.fd".into(),
            found_by: "option".into(),
            needs_smm: false,
        };
        let launch = own(&Parts {
            qemu: Path::new("/usr/bin/qemu-system-x86_64"),
            image: Some((Path::new("/i/a,b.wic"), Format::Raw)),
            firmware: &firmware,
            vars: Path::new("/p/vars"),
            accel: Accel::Tcg,
            memory: 1024,
            smp: 2,
            drive: None,
            extra: &["-s".into()],
            dir: Path::new("/p"),
            exact: false,
        });
        let line: Vec<_> = launch.argv.iter().map(|a| a.to_str().unwrap()).collect();
        let line = line.join(" ");
        assert!(
            line.contains(
                "-drive if=virtio,snapshot=on,node-name=image,format=raw,file=/i/a,,b.wic"
            )
        );
        assert!(line.contains("if=pflash,unit=0,readonly=on,format=raw,file=/fw/CODE.fd"));
        assert!(line.contains("virtconsole,chardev=shell,id=isar-doctor-shell"));
        assert!(line.contains("size=1073741824,share=on"));
        assert_eq!(line.matches("-serial chardev:").count(), 2);
        assert_eq!((launch.serial.len(), launch.added.len()), (2, 3));
    }
}
