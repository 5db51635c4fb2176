//! Rules, profiles and the critical-points table, loaded from YAML.
