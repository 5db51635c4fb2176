//! Connects a machine's channels with their observers, one thread each.

use super::channel::{Emitter, Message, Stop};
use super::engine::Plan;
use super::launch::{Launch, QmpEnd, SerialEnd};
use super::machine::Machine;
use super::observe::disk_reads::{DiskReads, FileMap};
use super::observe::{idle, kernel_log, qmp_events, serial, shell, virtio};
use super::qmp::Qmp;
use super::timeline::{Event, Source};
use super::trace::{Fifo, Holder, TraceEvent};
use super::vm::Vm;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

/// Longest line taken from QEMU's stderr.
const LINE_CAP: u64 = 16 << 10;
/// Lines of QEMU's own messages kept.
const MESSAGES_CAP: usize = 5000;

/// The observers' threads.
#[derive(Debug)]
pub struct Wiring {
    threads: Vec<JoinHandle<()>>,
    qmp: Arc<Mutex<Option<Qmp>>>,
    /// Of the trace FIFO, when there is one.
    holder: Option<Holder>,
}

/// Starts every observer.
pub fn wire(
    machine: &mut Machine,
    launch: &Launch,
    plan: &Plan<'_>,
    map: &Arc<OnceLock<FileMap>>,
    emitter: &Emitter,
    stop: &Stop,
) -> Wiring {
    let mut threads = Vec::new();
    let mut start = |work: Box<dyn FnOnce(Emitter, Stop) + Send>| {
        let (emitter, stop) = (emitter.clone(), stop.clone());
        threads.push(spawn(move || work(emitter, stop)));
    };
    if let Some(exit) = machine.exit.take() {
        start(Box::new(move |emitter, stop| {
            match exit.wait() {
                Some(exit) => emitter.emit(
                    Source::Qemu,
                    Event::QemuExit {
                        code: exit.code,
                        signal: exit.signal,
                    },
                ),
                None if stop.stopped() => return,
                // Somebody killed the keeper, and with it QEMU.
                None => {
                    let text = "QEMU's keeper process is gone".to_owned();
                    emitter.emit(Source::Doctor, Event::Note { text });
                }
            }
            emitter.send(Message::MachineGone);
        }));
    }
    if let Some(stderr) = machine.stderr.take() {
        start(Box::new(move |emitter, _| messages(stderr, &emitter)));
    }
    let stdout_port = launch.serial.iter().position(|e| *e == SerialEnd::Stdout);
    if let Some(stdout) = machine.stdout.take() {
        start(Box::new(move |emitter, _| {
            match stdout_port.and_then(|p| u8::try_from(p).ok()) {
                Some(port) => serial::observe_pipe(stdout, port, &emitter),
                None => messages(stdout, &emitter),
            }
        }));
    }
    for (port, listener) in machine.serial.iter_mut().enumerate() {
        if let (Some(listener), Ok(port)) = (listener.take(), u8::try_from(port)) {
            start(Box::new(move |emitter, stop| {
                serial::observe_socket(listener, port, &emitter, &stop);
            }));
        }
    }
    if let Some(listener) = machine.shell.take() {
        let plan = shell::Plan {
            magic: plan.names.profile.magic.clone(),
            unit: plan.names.unit.clone(),
            device: plan.names.profile.device.clone(),
            settle: plan.limits.settle,
        };
        start(Box::new(move |emitter, stop| {
            shell::observe(&listener, &plan, &emitter, &stop);
        }));
    }
    let (wake, woken) = sync_channel(1024);
    let holder = machine.trace.as_ref().map(Fifo::holder);
    if let Some(fifo) = machine.trace.take() {
        let image = launch.image.clone();
        let map = Arc::clone(map);
        start(Box::new(move |emitter, _| {
            let mut reads = DiskReads::new(image, map);
            let mut output = virtio::PortOutput::default();
            fifo.read(emitter.clock(), &emitter, |t, event| {
                reads.take(t, &event, &emitter);
                match event {
                    TraceEvent::Status { .. } => {
                        let _ = wake.try_send(t);
                    }
                    TraceEvent::PortOutput { len, .. } => output.take(t, len, &emitter),
                    _ => {}
                }
            });
        }));
    }
    let qmp = Arc::new(Mutex::new(None));
    let connection = Connection {
        end: launch.qmp.clone(),
        listener: machine.qmp.take(),
        slot: Arc::clone(&qmp),
        vm: (machine.pid, launch.memory, machine.dir().to_owned()),
        woken: holder.is_some().then_some(woken),
    };
    start(Box::new(move |emitter, stop| {
        connection.run(&emitter, &stop)
    }));
    Wiring {
        threads,
        qmp,
        holder,
    }
}

impl Wiring {
    /// The control socket, once it is connected.
    pub fn qmp(&self) -> Option<Qmp> {
        self.qmp
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What is asked once, when the watching ends and QEMU still runs.
    pub fn last_questions(&self, emitter: &Emitter) {
        let Some(qmp) = self.qmp() else { return };
        if self.holder.is_none()
            && let Some(used) = virtio::port_used_index(&qmp).filter(|used| *used > 0)
        {
            let event = Event::PortWrites {
                buffers: used.into(),
                bytes: None,
            };
            emitter.emit(Source::Virtio, event);
        }
    }

    /// Waits for every observer; they end when QEMU's channels close.
    pub fn join(self) {
        if let Some(holder) = &self.holder {
            holder.release();
        }
        for thread in self.threads {
            // A panic in an observer has been printed; the others' results stand.
            let _ = thread.join();
        }
    }
}

struct Connection {
    end: QmpEnd,
    listener: Option<UnixListener>,
    slot: Arc<Mutex<Option<Qmp>>>,
    vm: (u32, u64, PathBuf),
    woken: Option<Receiver<f64>>,
}

impl Connection {
    /// Connects QMP, and starts what needs it.
    fn run(self, emitter: &Emitter, stop: &Stop) {
        let stream = match (&self.end, &self.listener) {
            (QmpEnd::DoctorListens(_), Some(listener)) => serial::accept(listener, stop),
            (QmpEnd::QemuListens(path), _) => connect(path, stop),
            _ => None,
        };
        let Some(stream) = stream else { return };
        let (qmp, reader) = match Qmp::start(stream, qmp_events::handler(emitter.clone())) {
            Ok(connected) => connected,
            Err(error) => {
                if !stop.stopped() {
                    let text = format!("QEMU's control socket does not work: {error}");
                    emitter.emit(Source::Doctor, Event::Note { text });
                }
                return;
            }
        };
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(qmp.clone());
        let (pid, memory, dir) = self.vm;
        let vm = Vm {
            pid,
            memory,
            dir,
            qmp,
        };
        std::thread::scope(|scope| {
            scope.spawn(|| idle::observe(vm.pid, &vm.qmp, emitter, stop));
            scope.spawn(|| virtio::observe(&vm.qmp, self.woken, emitter, stop));
            scope.spawn(|| kernel_log::observe(&vm, emitter, stop));
        });
        let _ = reader.join();
    }
}

/// Connects to a socket that QEMU makes while it starts.
fn connect(path: &Path, stop: &Stop) -> Option<UnixStream> {
    loop {
        if let Ok(stream) = UnixStream::connect(path) {
            return Some(stream);
        }
        // Nothing announces a socket's birth but a directory watch, which costs more than these few looks.
        if stop.wait(Duration::from_millis(20)) {
            return None;
        }
    }
}

/// QEMU's own messages.
fn messages(input: impl Read, emitter: &Emitter) {
    let mut reader = BufReader::new(input);
    let mut line = Vec::new();
    let mut given = 0;
    loop {
        line.clear();
        match reader.by_ref().take(LINE_CAP).read_until(b'\n', &mut line) {
            Ok(read) if read > 0 => {}
            _ => return,
        }
        let text = String::from_utf8_lossy(&line);
        let text = without_time(text.trim_end()).to_owned();
        given += 1;
        if given <= MESSAGES_CAP && !text.is_empty() {
            emitter.emit(Source::Qemu, Event::QemuMessage { text });
        }
    }
}

/// `-msg timestamp=on` puts an ISO time in front; the observation has its own.
fn without_time(line: &str) -> &str {
    match line.split_once("Z ") {
        Some((time, rest)) if time.len() == 26 && time.as_bytes()[10] == b'T' => rest,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemu_messages_lose_their_time() {
        assert_eq!(
            without_time("2026-11-23T09:17:04.914395Z qemu-system-x86_64: error"),
            "qemu-system-x86_64: error"
        );
        assert_eq!(without_time("QuartZ x"), "QuartZ x");
    }
}
