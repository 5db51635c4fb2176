//! The declarations of the fixtures hold together.

mod common;

use std::collections::HashSet;

/// Stage ids, in the order of the chain.
const STAGES: [&str; 11] = [
    "host",
    "firmware",
    "bootloader",
    "kernel",
    "initrd",
    "rootfs",
    "systemd",
    "device",
    "unit",
    "script",
    "shell",
];

#[test]
fn every_declaration_is_complete() {
    let mut names = HashSet::new();
    for fixture in common::fixtures() {
        assert!(
            names.insert(&fixture.name),
            "{} is declared twice",
            fixture.name
        );
        assert!(!fixture.title.is_empty(), "{} has no title", fixture.name);
        let boot = fixture
            .expect
            .boot
            .as_ref()
            .unwrap_or_else(|| panic!("{} does not say how its boot ends", fixture.name));
        assert!(
            STAGES.contains(&boot.stage.as_str()),
            "{}: stage {:?}",
            fixture.name,
            boot.stage
        );
        assert_eq!(
            boot.reached,
            boot.stage == "shell" && boot.critical_point.is_none(),
            "{}",
            fixture.name
        );
        if fixture.fault.is_none() {
            assert!(
                boot.reached && fixture.expect.inspect.is_empty(),
                "{} names no fault",
                fixture.name
            );
        }
    }
}

#[test]
fn an_image_is_built_and_has_a_partition_table() {
    let image = common::image("healthy");
    let bytes = std::fs::read(&image)
        .map(|bytes| bytes[512..520].to_vec())
        .expect("the image is readable");
    assert_eq!(bytes, b"EFI PART");
}
