//! Observers: each watches one channel of the guest, on a thread of its own, and never pushes back.
//!
//! An observer gets an [`Emitter`](super::channel::Emitter) (what it saw, and when), a
//! [`Stop`](super::channel::Stop) (when to end), and what it watches. Those that look into the running machine
//! get a [`Vm`](super::vm::Vm).

pub mod disk_reads;
pub mod guest_clock;
pub mod idle;
pub mod journal;
pub mod kernel_log;
pub mod lines;
pub mod qmp_events;
pub mod serial;
pub mod shell;
pub mod virtio;
