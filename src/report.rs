//! Prints findings, timelines and verdicts; decides nothing.

pub mod safe;
