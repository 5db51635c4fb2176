//! A firmware without a disk: does an accelerator work, and how fast is it?

use super::accel::{Accel, kvm_complaint};
use super::channel::Stop;
use super::firmware::Firmware;
use super::launch::{self, Parts};
use super::machine::{Nest, private_copy};
use super::observe::serial::accept;
use super::qemu::Qemu;
use super::trouble::{HostTrouble, Kind};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

/// Guest memory of the probe in MiB.
const MEMORY: u64 = 256;
/// The firmware prints its first byte after one second with KVM, after three with TCG on an idle desktop.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a probe came out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// Seconds from QEMU's start to the firmware's first byte on the console.
    pub firmware: f64,
}

/// Starts the firmware alone and waits for its first sign of life.
pub fn run(
    qemu: &Qemu,
    firmware: &Firmware,
    accel: Accel,
    executable: Option<&Path>,
) -> Result<Speed, HostTrouble> {
    let nest = Nest::new(executable)?;
    let vars = private_copy(&firmware.vars, nest.dir())?;
    let launch = launch::own(&Parts {
        qemu: &qemu.path,
        image: None,
        firmware,
        vars: &vars,
        accel,
        memory: MEMORY,
        smp: 1,
        drive: None,
        extra: &[],
        dir: nest.dir(),
        exact: true,
    });
    let start = Instant::now();
    let mut machine = nest.start(&launch)?;
    let stop = Stop::new();
    let watch = machine.exit.take();
    let (console, stderr) = (
        machine.serial.first_mut().and_then(Option::take),
        machine.stderr.take(),
    );
    let said = std::thread::scope(|scope| {
        // QEMU's end, or time's, ends the waiting for a connection.
        let ended = stop.clone();
        scope.spawn(move || {
            if let Some(watch) = watch {
                watch.wait();
                ended.stop();
            }
        });
        let stream = console.and_then(|listener| accept(&listener, &stop));
        let said = stream.is_some_and(|mut stream| {
            let _ = stream.set_read_timeout(Some(PATIENCE));
            matches!(stream.read(&mut [0; 64]), Ok(read) if read > 0)
        });
        let firmware = start.elapsed().as_secs_f64();
        drop(machine);
        said.then_some(firmware)
    });
    if let Some(firmware) = said {
        return Ok(Speed { firmware });
    }
    let mut text = String::new();
    if let Some(stderr) = stderr {
        let _ = stderr.take(64 << 10).read_to_string(&mut text);
    }
    let why = kvm_complaint(&text)
        .or_else(|| text.lines().rfind(|l| !l.trim().is_empty()))
        .unwrap_or("the firmware showed no sign of life");
    Err(HostTrouble::new(
        Kind::QemuBroken,
        format!(
            "QEMU with {} does not run the firmware: {why}",
            accel.name()
        ),
        "see the message, or try another QEMU with --qemu",
    ))
}
