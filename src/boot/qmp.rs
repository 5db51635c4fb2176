//! QEMU's control socket (QMP, `docs/interop/qmp-spec`): own line transport, typed answers where they fit.
//!
//! The types come from the `qapi` crate, generated from one QEMU version's schema. Another version may send fields,
//! events and enum values that those types do not know, so every line is first taken as plain JSON: replies are
//! matched by their id, events are passed on as they are, and a reply that does not fit its type stays readable
//! as [`Answer::Raw`].

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest line taken from QEMU. `query-qmp-schema` is about 200 KiB; nothing the doctor asks comes near this.
const LINE_CAP: u64 = 4 << 20;

/// How long QEMU may take for one answer. Under TCG the main loop can be kept busy for a while.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a command gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// QEMU said no.
    #[error("QEMU refused {command}: {description}")]
    Refused {
        /// Command.
        command: String,
        /// QEMU's words.
        description: String,
    },
    /// No answer in time.
    #[error("QEMU did not answer {0} in time")]
    Timeout(String),
    /// QEMU is gone.
    #[error("the QMP connection is closed")]
    Closed,
    /// Not QMP at the other end.
    #[error("not a QMP greeting: {0}")]
    NotQmp(String),
    /// Socket trouble.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// An answer, typed when this QEMU's reply fits the schema the types were made from.
#[derive(Debug)]
pub enum Answer<T> {
    /// Decoded.
    Typed(T),
    /// As QEMU sent it.
    Raw(Value),
}

type Waiting = HashMap<u64, SyncSender<Result<Value, String>>>;

#[derive(Debug)]
struct Shared {
    writer: Mutex<UnixStream>,
    /// `None` once the connection is closed.
    waiting: Mutex<Option<Waiting>>,
    next: AtomicU64,
}

/// A connection. Clones share it; commands may be sent from any thread.
#[derive(Debug, Clone)]
pub struct Qmp(Arc<Shared>);

/// An event: name, data, and QEMU's wall-clock time since 1970.
pub type EventHandler = Box<dyn FnMut(&str, Value, Option<Duration>) + Send>;

impl Qmp {
    /// Takes the greeting, negotiates, and starts the thread that reads replies and events.
    /// The returned thread ends when QEMU closes the connection.
    pub fn start(
        stream: UnixStream,
        mut on_event: EventHandler,
    ) -> Result<(Qmp, JoinHandle<()>), QmpError> {
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = Vec::new();
        let greeting = next_value(&mut reader, &mut line)?.ok_or(QmpError::Closed)?;
        if greeting.get("QMP").is_none() {
            return Err(QmpError::NotQmp(greeting.to_string()));
        }
        let qmp = Qmp(Arc::new(Shared {
            writer: Mutex::new(stream),
            waiting: Mutex::new(Some(HashMap::new())),
            next: AtomicU64::new(1),
        }));
        qmp.0.write(&json!({"execute": "qmp_capabilities"}))?;
        // Events can already come in front of the reply.
        loop {
            let value = next_value(&mut reader, &mut line)?.ok_or(QmpError::Closed)?;
            if value.get("return").is_some() {
                break;
            }
            dispatch_event(value, &mut on_event);
        }
        reader.get_ref().set_read_timeout(None)?;
        let shared = Arc::clone(&qmp.0);
        let thread = std::thread::Builder::new()
            .name("qmp".into())
            .spawn(move || {
                while let Ok(Some(value)) = next_value(&mut reader, &mut line) {
                    if value.get("event").is_some() {
                        dispatch_event(value, &mut on_event);
                    } else {
                        shared.answer(value);
                    }
                }
                *shared.waiting() = None;
            })?;
        Ok((qmp, thread))
    }

    /// Sends a command by name and waits for its raw result.
    pub fn execute(&self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = sync_channel(1);
        match self.0.waiting().as_mut() {
            Some(waiting) => waiting.insert(id, sender),
            None => return Err(QmpError::Closed),
        };
        let request = match arguments {
            Value::Null => json!({"execute": command, "id": id}),
            arguments => json!({"execute": command, "arguments": arguments, "id": id}),
        };
        self.0.write(&request)?;
        match receiver.recv_timeout(ANSWER_TIMEOUT) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(description)) => Err(QmpError::Refused {
                command: command.to_owned(),
                description,
            }),
            Err(RecvTimeoutError::Disconnected) => Err(QmpError::Closed),
            Err(RecvTimeoutError::Timeout) => {
                if let Some(waiting) = self.0.waiting().as_mut() {
                    waiting.remove(&id);
                }
                Err(QmpError::Timeout(command.to_owned()))
            }
        }
    }

    /// Sends a command of the schema.
    pub fn call<C: qapi::Command>(&self, command: &C) -> Result<Answer<C::Ok>, QmpError> {
        let arguments = match serde_json::to_value(command) {
            Ok(Value::Object(map)) if !map.is_empty() => Value::Object(map),
            _ => Value::Null,
        };
        let raw = self.execute(C::NAME, arguments)?;
        Ok(match serde_json::from_value::<C::Ok>(raw.clone()) {
            Ok(value) => Answer::Typed(value),
            Err(_) => Answer::Raw(raw),
        })
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, value: &Value) -> Result<(), QmpError> {
        let mut line = value.to_string().into_bytes();
        line.push(b'\n');
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(&line)?;
        Ok(())
    }

    /// Hands a reply to who asked. A reply without a known id (it timed out, or QEMU could not parse a line) is dropped.
    fn answer(&self, mut value: Value) {
        let Some(id) = value.get("id").and_then(Value::as_u64) else {
            return;
        };
        let Some(sender) = self.waiting().as_mut().and_then(|w| w.remove(&id)) else {
            return;
        };
        let result = match value.get_mut("return") {
            Some(result) => Ok(result.take()),
            None => Err(value["error"]["desc"]
                .as_str()
                .unwrap_or("error without a description")
                .to_owned()),
        };
        let _ = sender.send(result);
    }
}

/// The next JSON object; `None` at the end. Lines that are not JSON are skipped.
fn next_value(
    reader: &mut BufReader<UnixStream>,
    line: &mut Vec<u8>,
) -> Result<Option<Value>, std::io::Error> {
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE_CAP).read_until(b'\n', line)?;
        if read == 0 {
            return Ok(None);
        }
        if let Ok(value @ Value::Object(_)) = serde_json::from_slice(line) {
            return Ok(Some(value));
        }
    }
}

fn dispatch_event(mut value: Value, on_event: &mut EventHandler) {
    let time = value.get("timestamp").and_then(|t| {
        let seconds = t.get("seconds")?.as_u64()?;
        let micros = t.get("microseconds")?.as_u64()?;
        Some(Duration::from_secs(seconds) + Duration::from_micros(micros))
    });
    let data = value
        .get_mut("data")
        .map_or(Value::Null, |data| data.take());
    if let Some(name) = value.get("event").and_then(Value::as_str) {
        on_event(name, data, time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    /// A QEMU that plays its part of a script: what it expects to read is ignored, what it says is sent.
    fn fake(script: Vec<&'static str>) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(theirs.try_clone().unwrap());
            let mut theirs = theirs;
            for (index, say) in script.into_iter().enumerate() {
                if index > 0 {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                }
                theirs.write_all(say.as_bytes()).unwrap();
            }
        });
        ours
    }

    #[test]
    fn unknown_events_and_late_replies_do_not_shift_answers() {
        let stream = fake(vec![
            "{\"QMP\": {}}\n",
            "{\"event\": \"NEW_EVENT_OF_2031\", \"data\": {\"x\": []}, \"timestamp\": {\"seconds\": 1, \"microseconds\": 2}}\n{\"return\": {}}\n",
            "not json\n{\"return\": 7, \"id\": 99}\n{\"event\": \"STOP\"}\n{\"return\": {\"status\": \"prelaunch-ng\", \"running\": false}, \"id\": 1}\n",
            "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\": 2}\n",
        ]);
        let (sender, events) = channel();
        let (qmp, thread) = Qmp::start(
            stream,
            Box::new(move |name, _, t| {
                sender.send((name.to_owned(), t)).unwrap();
            }),
        )
        .unwrap();
        let Answer::Raw(status) = qmp.call(&qapi::qmp::query_status {}).unwrap() else {
            panic!("an unknown run state must stay raw");
        };
        assert_eq!(status["status"], "prelaunch-ng");
        assert!(matches!(
            qmp.execute("x", Value::Null),
            Err(QmpError::Refused { .. })
        ));
        thread.join().unwrap();
        assert!(matches!(
            qmp.execute("x", Value::Null),
            Err(QmpError::Closed)
        ));
        let names: Vec<_> = events.iter().collect();
        assert_eq!(
            names[0],
            ("NEW_EVENT_OF_2031".into(), Some(Duration::new(1, 2000)))
        );
        assert_eq!(names[1], ("STOP".into(), None));
    }

    #[test]
    fn end_of_file_at_the_greeting_is_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(matches!(
            Qmp::start(ours, Box::new(|_, _, _| {})),
            Err(QmpError::Closed)
        ));
    }
}
