//! Serial ports and the shell's console.

use super::{Case, finding};
use crate::boot::outcome::LaunchFinding;

pub(super) fn check(case: &Case, found: &mut Vec<LaunchFinding>) {
    serial(case, found);
    shell(case, found);
}

/// QEMU numbers serial ports in the order of `-serial`: the first is ttyS0. What the driver reads is the port on stdio.
fn serial(case: &Case, found: &mut Vec<LaunchFinding>) {
    let ports: Vec<&str> = case
        .all("serial")
        .filter_map(|o| o.value.as_deref())
        .filter(|v| *v != "none")
        .collect();
    let watched = ports
        .iter()
        .position(|p| matches!(*p, "stdio" | "mon:stdio"));
    let null_first = ports.first() == Some(&"null");
    // The kernel's messages go to every console, prompts to the last.
    let consoles: Option<Vec<usize>> = case.consoles.as_ref().map(|names| {
        names
            .iter()
            .filter_map(|n| n.strip_prefix("ttyS")?.parse().ok())
            .collect()
    });
    let seen = match (&consoles, watched) {
        (Some(consoles), Some(watched)) => consoles.contains(&watched),
        // Images made for the driver have console=ttyS0.
        (None, Some(watched)) => watched == 0,
        (_, None) => false,
    };
    if null_first && !seen {
        let port = watched.map_or("no port".to_owned(), |n| format!("ttyS{n}"));
        found.push(finding(
            "serial-null-first",
            "error",
            format!(
                "the first -serial is null, so the guest's ttyS0 goes nowhere and the driver's `-serial stdio` is {port}: \
                 the firmware is seen, because it writes to every port, and then nothing"
            ),
            "-serial null",
            "remove `-serial null` from the start script; the driver brings its own `-serial stdio`",
        ));
        return;
    }
    let Some(consoles) = consoles.filter(|_| !seen) else {
        return;
    };
    if let Some(missing) = consoles.iter().find(|n| **n >= ports.len()) {
        found.push(finding(
            "launch-console-without-port",
            "warning",
            format!("the kernel's console is ttyS{missing}, and QEMU has {} serial port(s)", ports.len()),
            format!("console=ttyS{missing}"),
            "make the console ttyS0 on the image's kernel command line, or add serial ports before it",
        ));
    }
}

/// The first virtconsole is hvc0; the driver's comes last.
fn shell(case: &Case, found: &mut Vec<LaunchFinding>) {
    let consoles: Vec<_> = case
        .all("device")
        .filter(|o| o.keys("driver").get("driver") == Some("virtconsole"))
        .collect();
    if let Some(first) = consoles.first()
        && consoles.len() > 1
        && first.keys("driver").get("chardev") != Some("shell")
    {
        found.push(finding(
            "launch-shell-not-first-console",
            "error",
            "the start script has a virtconsole of its own, so that one is /dev/hvc0 and the driver's is a later one",
            first.text(),
            "remove the virtconsole from the start script",
        ));
    }
}
