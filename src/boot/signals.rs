//! SIGINT, SIGTERM and SIGHUP: the first ends the boot cleanly, the second ends the doctor at once.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::mpsc::{Receiver, channel};

/// Signals of this process from now on. The keeper cleans up also when the doctor is ended at once.
pub fn interrupts() -> std::io::Result<Receiver<i32>> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let (sender, receiver) = channel();
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for (n, signal) in signals.forever().enumerate() {
                if n > 0 || sender.send(signal).is_err() {
                    std::process::exit(128 + signal);
                }
            }
        })?;
    Ok(receiver)
}
