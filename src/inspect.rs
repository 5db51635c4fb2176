//! An image file → [`Facts`](facts::Facts). Observes, never judges, never writes.

pub mod bootloader;
pub mod cmdline;
pub mod commands;
pub mod disk;
pub mod dpkg;
pub mod error;
pub mod exec;
pub mod facts;
pub mod filesystem;
pub mod fnmatch;
pub mod fstab;
pub mod initrd;
pub mod kernel;
pub mod modules;
pub mod partitions;
pub mod rootfs;
pub mod source;
pub mod systemd;
pub mod udev;
