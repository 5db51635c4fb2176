//! Boots an image under QEMU and observes it: machine → observations → timeline. Never judges.

pub mod channel;
pub mod memory;
pub mod names;
pub mod observe;
pub mod outcome;
pub mod qmp;
pub mod stages;
pub mod timeline;
pub mod vm;
