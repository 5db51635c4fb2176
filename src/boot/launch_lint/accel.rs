//! Accelerator, CPU and memory.

use super::{Case, finding};
use crate::boot::arguments::memory;
use crate::boot::outcome::LaunchFinding;
use crate::boot::run_script::adapt::asks_for_kvm;

/// A Debian initrd is unpacked in RAM beside OVMF.
const SMALL: u64 = 384 << 20;

pub(super) fn check(case: &Case, found: &mut Vec<LaunchFinding>) {
    if let Some(reason) = &case.kvm_trouble
        && asks_for_kvm(&case.options)
    {
        let argument: Vec<String> = case
            .options
            .iter()
            .filter(|o| asks_for_kvm(std::slice::from_ref(o)))
            .map(|o| o.text())
            .collect();
        found.push(finding(
            "launch-kvm-unavailable",
            "error",
            format!("the start script insists on KVM, which cannot be used here: {reason}"),
            argument.join(" "),
            "give the test a host with KVM, or let the script fall back (-accel kvm -accel tcg -cpu max)",
        ));
    }
    let size = memory(&case.options);
    if let Some(size) = size.filter(|size| *size < SMALL) {
        let given = case.all("m").last().map(|o| o.text());
        found.push(finding(
            "launch-memory-too-small",
            "warning",
            format!(
                "the guest has {} MiB of memory: too little for OVMF, a kernel and an unpacked initrd",
                size >> 20
            ),
            given.unwrap_or_else(|| "(no -m: QEMU's default)".to_owned()),
            "give it at least `-m 1024`",
        ));
    }
}
