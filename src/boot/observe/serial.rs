//! A serial port of the guest: read at once, never written, so that it can never block the guest.

use super::lines::{Line, Lines};
use crate::boot::channel::{Emitter, Stop};
use crate::boot::timeline::{Event, Source};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

/// A line that has not ended for this long is a prompt.
pub const PROMPT_AFTER: Duration = Duration::from_millis(400);
/// Lines kept per port. A guest that prints without end must not fill the host's memory.
const LINES_CAP: usize = 50_000;

/// Waits for QEMU to connect to a socket; none when the run ends first.
pub fn accept(listener: &UnixListener, stop: &Stop) -> Option<UnixStream> {
    listener.set_nonblocking(true).ok()?;
    let patience = Timespec {
        tv_sec: 0,
        tv_nsec: 200_000_000,
    };
    while !stop.stopped() {
        let mut fds = [PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN)];
        let _ = poll(&mut fds, Some(&patience));
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).ok()?;
                return Some(stream);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
    None
}

/// A port on a socket.
pub fn observe_socket(listener: UnixListener, port: u8, emitter: &Emitter, stop: &Stop) {
    let Some(stream) = accept(&listener, stop) else {
        return;
    };
    let mut reader = Reader::new(port, emitter);
    let mut buffer = [0; 8192];
    let mut input = &stream;
    loop {
        let timeout = reader.lines.pending().then_some(PROMPT_AFTER);
        if stream.set_read_timeout(timeout).is_err() {
            return;
        }
        match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => reader.take(&buffer[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                reader.quiet();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    reader.end();
}

/// A port on a pipe (QEMU's standard output). A pipe has no read timeout: it is polled.
pub fn observe_pipe(mut pipe: impl Read + AsFd, port: u8, emitter: &Emitter) {
    let mut reader = Reader::new(port, emitter);
    let mut buffer = [0; 8192];
    let patience = Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(PROMPT_AFTER.subsec_nanos()),
    };
    loop {
        if reader.lines.pending() {
            let mut fds = [PollFd::new(&pipe, PollFlags::IN)];
            if matches!(poll(&mut fds, Some(&patience)), Ok(0)) {
                reader.quiet();
            }
        }
        match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => reader.take(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    reader.end();
}

struct Reader<'a> {
    port: u8,
    emitter: &'a Emitter,
    lines: Lines,
    given: usize,
}

impl<'a> Reader<'a> {
    fn new(port: u8, emitter: &'a Emitter) -> Self {
        Reader {
            port,
            emitter,
            lines: Lines::default(),
            given: 0,
        }
    }

    /// A countdown that is drawn over and over gives no new line, and is no sign of progress.
    fn take(&mut self, bytes: &[u8]) {
        let mut out = Vec::new();
        self.lines.push(bytes, &mut out);
        for line in out {
            self.give(line);
        }
    }

    fn quiet(&mut self) {
        if let Some(line) = self.lines.quiet() {
            self.give(line);
        }
    }

    /// The channel closed: what is left was not finished.
    fn end(&mut self) {
        self.quiet();
    }

    fn give(&mut self, line: Line) {
        self.given += 1;
        if self.given > LINES_CAP {
            return;
        }
        self.emitter.emit(
            Source::Serial,
            Event::SerialLine {
                port: self.port,
                text: line.text,
                partial: line.partial,
            },
        );
        if self.given == LINES_CAP {
            let text = format!(
                "serial port {} printed {LINES_CAP} lines; the rest is not kept",
                self.port
            );
            self.emitter.emit(Source::Doctor, Event::Note { text });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::channel::{Clock, Message};
    use std::io::Write;
    use std::sync::mpsc::channel;

    #[test]
    fn a_prompt_is_seen_without_newline() {
        let (sender, receiver) = channel();
        let emitter = Emitter::new(Clock::start(), sender);
        let (reader, mut writer) = std::io::pipe().unwrap();
        let thread = std::thread::spawn(move || observe_pipe(reader, 1, &emitter));
        writer.write_all(b"hello\r\nlogin: ").unwrap();
        let mut texts = Vec::new();
        for _ in 0..2 {
            if let Ok(Message::Seen(seen)) = receiver.recv()
                && let Event::SerialLine { text, partial, .. } = seen.event
            {
                texts.push((text, partial));
            }
        }
        assert_eq!(texts, [("hello".into(), false), ("login:".into(), true)]);
        drop(writer);
        thread.join().unwrap();
    }
}
