//! Test networks: the guest's MAC address must be the one that the test computes.

use super::{Case, finding};
use crate::boot::outcome::LaunchFinding;
use md5::{Digest, Md5};

pub(super) fn check(case: &Case, found: &mut Vec<LaunchFinding>) {
    for netdev in case.all("netdev") {
        let keys = netdev.keys("type");
        if keys.get("type") != Some("vde") {
            continue;
        }
        let vlan = case
            .vlans
            .iter()
            .find(|(_, socket)| keys.get("sock").is_some_and(|s| *socket == *s));
        let card = case.all("device").find(|o| {
            let card = o.keys("driver");
            card.get("netdev").is_some() && card.get("netdev") == keys.get("id")
        });
        let (Some((vlan, _)), Some(card)) = (vlan, card) else {
            continue;
        };
        let expected = mac(&case.name, *vlan);
        let given = card.keys("driver").get("mac").map(str::to_lowercase);
        let matches = given
            .as_ref()
            .is_some_and(|mac| *mac == expected || mac.starts_with(&nixos_prefix(*vlan)));
        if !matches {
            found.push(finding(
                "launch-mac-mismatch",
                "warning",
                format!(
                    "the network card of network {vlan} has MAC address {}, and the test expects {expected} for {}: \
                     DHCP reservations and static addresses will not fit",
                    given.as_deref().unwrap_or("52:54:00:12:34:56 (QEMU's default, the same in every machine)"),
                    case.name
                ),
                card.text(),
                format!("set mac={expected}"),
            ));
        }
    }
}

/// The ISAR tests' scheme: `52:54:00:`, two bytes of the MD5 of the machine's name, and the network's number.
fn mac(name: &str, vlan: u32) -> String {
    let digest = Md5::digest(name.as_bytes());
    format!("52:54:00:{:02x}:{:02x}:{vlan:02x}", digest[0], digest[1])
}

/// NixOS machines count instead (`nixos/lib/qemu-common.nix`, `qemuNicMac`).
fn nixos_prefix(vlan: u32) -> String {
    format!("52:54:00:12:{vlan:02x}:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_the_tests_compute_them() {
        assert_eq!(mac("server_1", 1), "52:54:00:a9:d3:01");
        assert_eq!(mac("server_2", 1), "52:54:00:cc:9f:01");
    }
}
