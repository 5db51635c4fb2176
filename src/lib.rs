//! isar-doctor says why a Debian image built with ISAR does not come up.
//!
//! Data flows one way: bytes → [`inspect`] facts → [`checks`] findings → [`report`], and
//! boot → observations → timeline → [`diagnose`] verdict → [`report`].

pub mod boot;
pub mod checks;
pub mod cli;
pub mod config;
pub mod critical_point;
pub mod diagnose;
pub mod diff;
pub mod inspect;
pub mod profile;
pub mod report;
pub mod rules;
pub mod stage;
