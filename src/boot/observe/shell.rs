//! The shell device: listens as the test driver does, keeps the noise, and then drives the shell.

use super::lines::Lines;
use super::serial::{PROMPT_AFTER, accept};
use crate::boot::channel::{Emitter, Message, Stop};
use crate::boot::interview;
use crate::boot::protocol::{self, Search};
use crate::boot::timeline::{Event, Source};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

/// Noise lines kept; a getty that respawns for ever gives a few per second.
const LINES_CAP: usize = 2000;
/// Bytes of a broken answer that are kept as evidence.
const EVIDENCE_CAP: usize = 2048;
/// Longest answer taken.
const ANSWER_CAP: usize = 4 << 20;
/// A command of the doctor is small; under TCG on a busy host it may still take a while.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

/// What the interview needs to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The magic line.
    pub magic: String,
    /// The backdoor unit.
    pub unit: String,
    /// The shell device without `/dev/`.
    pub device: String,
    /// Longest time to watch the guest after the shell has answered.
    pub settle: Duration,
}

/// Watches the device until the magic line, then speaks with the shell. To be run on a thread of its own.
pub fn observe(listener: &UnixListener, plan: &Plan, emitter: &Emitter, stop: &Stop) {
    let Some(stream) = accept(listener, stop) else {
        return;
    };
    if wait_for_magic(&stream, plan, emitter).is_some() {
        let mut shell = Shell {
            stream,
            emitter,
            stop,
        };
        let _ = interview::run(&mut shell, plan);
        emitter.send(Message::InterviewDone);
        // The guest must never block on a full socket.
        let _ = shell.stream.set_read_timeout(None);
        while matches!(shell.stream.read(&mut [0; 4096]), Ok(read) if read > 0) {}
    }
}

fn wait_for_magic(mut stream: &UnixStream, plan: &Plan, emitter: &Emitter) -> Option<()> {
    let mut search = Search::new(&plan.magic);
    let mut lines = Lines::default();
    let mut given = 0;
    let mut give = |line: super::lines::Line| {
        given += 1;
        if given <= LINES_CAP && !line.text.contains(&plan.magic) {
            emitter.emit(
                Source::Shell,
                Event::ShellLine {
                    text: line.text,
                    partial: line.partial,
                },
            );
        }
    };
    let mut buffer = [0; protocol::CONNECT_CHUNK];
    loop {
        let timeout = lines.pending().then_some(PROMPT_AFTER);
        stream.set_read_timeout(timeout).ok()?;
        let read = match stream.read(&mut buffer) {
            Ok(0) => return None,
            Ok(read) => read,
            Err(error) if would_block(&error) => {
                lines.quiet().into_iter().for_each(&mut give);
                continue;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return None,
        };
        emitter.touch();
        let mut out = Vec::new();
        lines.push(&buffer[..read], &mut out);
        out.into_iter().for_each(&mut give);
        if let Some(found) = search.take(&buffer[..read]) {
            emitter.emit(
                Source::Shell,
                Event::MagicLine {
                    noise: found.noise,
                    split: found.split,
                },
            );
            return Some(());
        }
    }
}

fn would_block(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The connected shell.
#[derive(Debug)]
pub struct Shell<'a> {
    stream: UnixStream,
    emitter: &'a Emitter,
    stop: &'a Stop,
}

/// A command's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Decoded output.
    pub output: String,
    /// Exit code.
    pub code: i32,
}

impl Shell<'_> {
    /// Runs a command by the driver's protocol and records what came of it.
    pub fn ask(&mut self, command: &str) -> Option<Answer> {
        match self.exchange(command) {
            Ok(answer) => {
                self.emitter.emit(
                    Source::Guest,
                    Event::ShellAnswered {
                        command: command.to_owned(),
                        output: answer.output.clone(),
                        code: answer.code,
                    },
                );
                Some(answer)
            }
            Err(got) => {
                self.broken(command, got);
                None
            }
        }
    }

    /// Records that the shell does not do what the driver needs.
    pub fn broken(&self, command: &str, got: String) {
        // At the end of the run the connection breaks because the doctor ends it.
        if !self.stop.stopped() {
            self.emitter.emit(
                Source::Guest,
                Event::ShellBroken {
                    command: command.to_owned(),
                    got,
                },
            );
        }
    }

    /// Waits, unless the run ends. True when it has ended.
    pub fn pause(&self, time: Duration) -> bool {
        self.stop.wait(time)
    }

    fn exchange(&mut self, command: &str) -> Result<Answer, String> {
        self.send(&protocol::command_line(command, 60))?;
        let block = self.block()?;
        let output = protocol::decode_answer(&block).ok_or_else(|| evidence(&block))?;
        self.send(protocol::STATUS_QUERY)?;
        let status = self.block()?;
        let code = protocol::decode_status(&status).ok_or_else(|| evidence(&status))?;
        Ok(Answer {
            output: String::from_utf8_lossy(&output).into_owned(),
            code,
        })
    }

    fn send(&mut self, text: &str) -> Result<(), String> {
        self.stream
            .set_write_timeout(Some(ANSWER_PATIENCE))
            .and_then(|()| self.stream.write_all(text.as_bytes()))
            .map_err(|error| format!("the command could not be sent: {error}"))
    }

    /// Reads pieces until one ends with a newline, as the driver does.
    fn block(&mut self) -> Result<Vec<u8>, String> {
        let deadline = Instant::now() + ANSWER_PATIENCE;
        let mut block = Vec::new();
        let mut buffer = [0; protocol::ANSWER_CHUNK];
        while block.len() < ANSWER_CAP {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let _ = self.stream.set_read_timeout(Some(left));
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    return Err(format!(
                        "the connection was closed after {}",
                        evidence(&block)
                    ));
                }
                Ok(read) => {
                    self.emitter.touch();
                    block.extend_from_slice(&buffer[..read]);
                    if block.ends_with(b"\n") {
                        return Ok(block);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if would_block(&error) => break,
                Err(error) => return Err(format!("{error} after {}", evidence(&block))),
            }
        }
        Err(format!("no complete answer: {}", evidence(&block)))
    }
}

fn evidence(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(EVIDENCE_CAP)];
    format!("{:?}", String::from_utf8_lossy(shown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::channel::Clock;
    use std::io::{BufRead, BufReader};
    use std::sync::mpsc::{Receiver, channel};

    fn shell_over(
        guest: impl FnOnce(UnixStream) + Send + 'static,
    ) -> (UnixStream, Emitter, Receiver<Message>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        std::thread::spawn(move || guest(theirs));
        let (sender, receiver) = channel();
        (ours, Emitter::new(Clock::start(), sender), receiver)
    }

    #[test]
    fn a_raw_shell_answers_and_an_echoing_one_does_not() {
        let (stream, emitter, _receiver) = shell_over(|mut guest| {
            let mut reader = BufReader::new(guest.try_clone().unwrap());
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            guest.write_all(b"aGkK\n").unwrap();
            reader.read_line(&mut line).unwrap();
            guest.write_all(b"0\n").unwrap();
            // Now with echo.
            line.clear();
            reader.read_line(&mut line).unwrap();
            guest.write_all(line.as_bytes()).unwrap();
        });
        let stop = Stop::new();
        let mut shell = Shell {
            stream,
            emitter: &emitter,
            stop: &stop,
        };
        assert_eq!(
            shell.ask("echo hi"),
            Some(Answer {
                output: "hi\n".into(),
                code: 0
            })
        );
        assert_eq!(shell.ask("echo hi"), None);
    }

    #[test]
    fn noise_before_the_magic_line_is_kept() {
        let (stream, emitter, receiver) = shell_over(|mut guest| {
            guest
                .write_all(b"\r\nDebian GNU/Linux 12 isar hvc0\r\n\r\nisar login: ")
                .unwrap();
            std::thread::sleep(PROMPT_AFTER * 2);
            guest.write_all(b"MAGIC\n").unwrap();
        });
        let plan = Plan {
            magic: "MAGIC".into(),
            unit: String::new(),
            device: String::new(),
            settle: Duration::ZERO,
        };
        wait_for_magic(&stream, &plan, &emitter).unwrap();
        drop(emitter);
        let events: Vec<Event> = receiver
            .iter()
            .filter_map(|m| match m {
                Message::Seen(seen) => Some(seen.event),
                _ => None,
            })
            .collect();
        let [
            Event::ShellLine { text: banner, .. },
            Event::ShellLine {
                text: prompt,
                partial: true,
            },
            Event::MagicLine {
                noise,
                split: false,
            },
        ] = &events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!(
            (banner.as_str(), prompt.as_str()),
            ("Debian GNU/Linux 12 isar hvc0", "isar login:")
        );
        assert_eq!(*noise, 41);
    }
}
