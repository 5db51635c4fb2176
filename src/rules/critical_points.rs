//! The words of the critical-points table.

use crate::critical_point::CriticalPoint;
use serde::Deserialize;

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Id.
    pub id: CriticalPoint,
    /// Where.
    pub location: String,
    /// What happens there.
    pub what_happens: String,
    /// How it fails.
    pub failure_mode: String,
}

const TABLE: &str = include_str!("../../rules/critical-points.yaml");

/// The table, in its order.
pub fn table() -> Vec<Row> {
    // Part of the program; a test reads it.
    serde_yaml::from_str(TABLE).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_point_once_and_in_order() {
        let ids: Vec<_> = table().into_iter().map(|r| r.id).collect();
        assert_eq!(ids, CriticalPoint::ALL);
    }
}
