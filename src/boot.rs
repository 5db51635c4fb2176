//! Boots an image under QEMU and observes it.

pub mod memory;
pub mod timeline;
