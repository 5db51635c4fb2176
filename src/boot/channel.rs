//! What every observer holds: a clock, a way to say what it saw, and a way to be told to stop.

use super::timeline::{Event, Observation, Source};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Host seconds since QEMU was started. QEMU's trace lines carry wall-clock times, so both clocks are kept.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    start_wall: Duration,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Clock {
        Clock {
            start: Instant::now(),
            start_wall: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    /// Seconds since the start.
    pub fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// A wall-clock time since 1970 as seconds since the start; never later than now, never negative.
    pub fn at_wall(&self, since_epoch: Duration) -> f64 {
        let t = since_epoch.saturating_sub(self.start_wall).as_secs_f64();
        t.min(self.now())
    }
}

/// What reaches the engine.
#[derive(Debug)]
pub enum Message {
    /// An observer saw something.
    Seen(Observation),
    /// How long vCPUs and disk have been idle; told continually, kept only now and then.
    Idle(Idleness),
    /// The shell driver has asked all it wanted to ask.
    InterviewDone,
    /// QEMU is gone and its channels are drained.
    MachineGone,
    /// The user wants to stop (signal number).
    Interrupt(i32),
}

/// One sample of host-side idleness.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Idleness {
    /// Seconds since the vCPUs last did noticeable work.
    pub cpu: f64,
    /// Seconds since anything was last seen on any channel (disk, serial, shell, virtio, logs).
    pub io: f64,
}

/// Sends observations into the one stream, and notes that the guest is alive.
#[derive(Debug, Clone)]
pub struct Emitter {
    clock: Clock,
    sender: Sender<Message>,
    /// Microseconds on the clock at which the guest last did something visible.
    last_activity: Arc<AtomicU64>,
}

impl Emitter {
    /// An emitter for a run that started with `clock`.
    pub fn new(clock: Clock, sender: Sender<Message>) -> Emitter {
        Emitter {
            clock,
            sender,
            last_activity: Arc::new(AtomicU64::new(0)),
        }
    }

    /// The run's clock.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Seen just now.
    pub fn emit(&self, source: Source, event: Event) {
        self.emit_at(self.clock.now(), source, event);
    }

    /// Seen at time `t` of the clock. A closed stream means that the run is over; that is no error.
    pub fn emit_at(&self, t: f64, source: Source, event: Event) {
        if !matches!(
            source,
            Source::Doctor | Source::Idle | Source::Qmp | Source::Qemu | Source::Disk
        ) {
            self.touch_at(t);
        }
        self.send(Message::Seen(Observation { t, source, event }));
    }

    /// Sends any message.
    pub fn send(&self, message: Message) {
        let _ = self.sender.send(message);
    }

    /// The guest did something that is not worth an observation of its own (one more read of the same file).
    pub fn touch(&self) {
        self.touch_at(self.clock.now());
    }

    /// It did so at time `t`, which may have passed when it is found out.
    fn touch_at(&self, t: f64) {
        let t = (t * 1e6) as u64;
        self.last_activity.fetch_max(t, Ordering::Relaxed);
    }

    /// Seconds since the guest last did something visible.
    pub fn silent_for(&self) -> f64 {
        self.clock.now() - self.last_activity.load(Ordering::Relaxed) as f64 / 1e6
    }
}

/// Tells observers that the run is over.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Not stopped yet.
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Stops all who wait or ask.
    pub fn stop(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Whether the run is over.
    pub fn stopped(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the end of the run, at most `time`. True when it is over.
    pub fn wait(&self, time: Duration) -> bool {
        let stopped = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (stopped, _) = self
            .0
            .1
            .wait_timeout_while(stopped, time, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        *stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn wall_times_are_clamped_to_the_run() {
        let clock = Clock::start();
        assert_eq!(clock.at_wall(Duration::ZERO), 0.0);
        assert!(clock.at_wall(Duration::from_secs(1 << 40)) < 60.0);
    }

    #[test]
    fn guest_activity_resets_silence_and_doctor_notes_do_not() {
        let (sender, receiver) = channel();
        let emitter = Emitter::new(Clock::start(), sender);
        std::thread::sleep(Duration::from_millis(30));
        emitter.emit(Source::Doctor, Event::Note { text: "x".into() });
        assert!(emitter.silent_for() >= 0.03);
        emitter.touch();
        assert!(emitter.silent_for() < 0.03);
        assert!(matches!(receiver.recv(), Ok(Message::Seen(_))));
    }

    #[test]
    fn stop_wakes_a_waiter() {
        let stop = Stop::new();
        let other = stop.clone();
        let waiter = std::thread::spawn(move || other.wait(Duration::from_secs(30)));
        stop.stop();
        assert!(waiter.join().unwrap());
    }
}
