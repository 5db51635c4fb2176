//! A start script of the NixOS test driver (`run-NAME-vm`): what it would start, without starting it.

pub mod adapt;
pub mod expand;
pub mod prepare;
pub mod recorder;
pub mod rewrite;

use std::path::Path;

/// The machine's name as the driver takes it: `run-(.+)-vm` at the end of the script's name, else `machine`.
pub fn machine_name(script: &Path) -> String {
    let name = script.file_name().unwrap_or_default().to_string_lossy();
    name.split_once("run-")
        .and_then(|(_, rest)| rest.strip_suffix("-vm"))
        .filter(|name| !name.is_empty())
        .unwrap_or("machine")
        .to_owned()
}

/// Numbers of the test networks that a script asks for: `QEMU_VDE_SOCKET_1` by name, or network 1 when it goes through all of them.
pub fn vlans(text: &str) -> Vec<u32> {
    const VARIABLE: &str = "QEMU_VDE_SOCKET_";
    let mut numbers: Vec<u32> = text
        .match_indices(VARIABLE)
        .filter_map(|(at, _)| {
            let rest = &text[at + VARIABLE.len()..];
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            rest[..digits.min(9)].parse().ok()
        })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.is_empty() && text.contains(VARIABLE) {
        numbers.push(1);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_the_driver_finds_them() {
        assert_eq!(machine_name(Path::new("/x/run-server_1-vm")), "server_1");
        assert_eq!(machine_name(Path::new("/x/run-a-run-b-vm")), "a-run-b");
        assert_eq!(machine_name(Path::new("/x/start.sh")), "machine");
        assert_eq!(machine_name(Path::new("/x/run--vm")), "machine");
    }

    #[test]
    fn networks_by_number_or_by_loop() {
        assert_eq!(
            vlans("sock=$QEMU_VDE_SOCKET_2 x ${QEMU_VDE_SOCKET_1}"),
            [1, 2]
        );
        assert_eq!(vlans("for v in ${!QEMU_VDE_SOCKET_@}; do"), [1]);
        assert_eq!(vlans("exec qemu"), [0; 0]);
    }
}
