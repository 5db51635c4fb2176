//! `boot --repeat N`: the same image over and over, for races that are won on most days.

use super::judge::Inspected;
use super::{BootArgs, Format, Target, observe};
use crate::boot::outcome::Ended;
use crate::boot::setup::host_facts;
use crate::boot::trouble::BootError;
use crate::report::boot_progress::{self, Style};
use crate::report::boot_repeat::{self, Repeated, Run};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Receiver;

/// vCPUs and helper threads of one boot keep about this many host CPUs busy.
const CPUS_A_BOOT: u32 = 2;

/// Boots `count` times, side by side as cores allow, and prints what differs. An interrupt ends all boots at once.
pub(super) fn repeat(
    args: &BootArgs,
    count: u32,
    inspected: &Inspected,
    interrupts: Option<Receiver<i32>>,
) -> Result<ExitCode, BootError> {
    drop(interrupts);
    let places = (host_facts().cpus / CPUS_A_BOOT).clamp(1, count);
    let next = AtomicU32::new(1);
    let results: Mutex<Vec<Result<Run, BootError>>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..places {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n > count {
                        break;
                    }
                    let result = once(args, inspected, n);
                    // What stops one boot from starting stops them all.
                    if result.is_err() {
                        next.store(count + 1, Ordering::Relaxed);
                    }
                    let mut all = results
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                    if let (Ok(run), false) = (&result, args.quiet) {
                        let line = boot_repeat::line(run);
                        let _ =
                            writeln!(anstream::stderr(), "{line} ({} of {count})", all.len() + 1);
                    }
                    all.push(result);
                }
            });
        }
    });
    let results = results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut runs = results.into_iter().collect::<Result<Vec<_>, _>>()?;
    runs.sort_by_key(|run| run.number);
    let image = args.image.as_deref().or(args.run_script.as_deref());
    let repeated = Repeated::new(image.map(|i| i.display().to_string()), args.stress, runs);
    print(args, &repeated)?;
    Ok(ExitCode::from(u8::from(!repeated.healthy)))
}

fn once(args: &BootArgs, inspected: &Inspected, number: u32) -> Result<Run, BootError> {
    let target = Target::prepare(args)?;
    let mut display = boot_progress::display(Style::Quiet);
    let outcome = observe(args, target, inspected, display.as_mut(), None)?;
    let seconds = outcome.timeline.last().map_or(0.0, |o| o.t);
    let timed_out = matches!(outcome.ended, Ended::Timeout { .. });
    let judged = inspected.judge(outcome);
    Ok(Run::new(number, judged.verdict(), seconds, timed_out))
}

fn print(args: &BootArgs, repeated: &Repeated) -> Result<(), BootError> {
    let text = match args.format {
        Format::Human => boot_repeat::human(repeated),
        Format::Json => boot_repeat::json(repeated).map_err(|e| BootError::Usage(e.to_string()))?,
    };
    match &args.output {
        Some(path) => std::fs::write(path, anstream::adapter::strip_str(&text).to_string())
            .map_err(|e| BootError::Usage(format!("{}: {e}", path.display()))),
        None => {
            // A reader that closed the pipe has seen enough.
            let _ = anstream::stdout().write_all(text.as_bytes());
            Ok(())
        }
    }
}
