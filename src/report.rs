//! Prints findings, timelines and verdicts; decides nothing.
