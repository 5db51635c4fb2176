//! Events that QEMU announces by itself.

use crate::boot::channel::Emitter;
use crate::boot::qmp::EventHandler;
use crate::boot::timeline::{Event, Source};
use serde_json::Value;
use std::time::Duration;

/// A handler that turns QMP events into observations.
pub fn handler(emitter: Emitter) -> EventHandler {
    Box::new(move |name: &str, data: Value, time: Option<Duration>| {
        // Chatter of emulated devices says nothing about the boot.
        if matches!(name, "RTC_CHANGE" | "NIC_RX_FILTER_CHANGED") {
            return;
        }
        let t = time.map_or_else(|| emitter.clock().now(), |t| emitter.clock().at_wall(t));
        emitter.emit_at(t, Source::Qmp, event(name, data));
    })
}

fn event(name: &str, data: Value) -> Event {
    if name == "VSERPORT_CHANGE"
        && let (Some(id), Some(open)) = (data["id"].as_str(), data["open"].as_bool())
    {
        return Event::PortOpen {
            id: id.to_owned(),
            open,
        };
    }
    Event::Qmp {
        name: name.to_owned(),
        data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_port_is_told_apart_and_the_rest_is_kept_whole() {
        assert_eq!(
            event("VSERPORT_CHANGE", json!({"id": "s", "open": true})),
            Event::PortOpen {
                id: "s".into(),
                open: true
            }
        );
        let data = json!({"guest": true, "reason": "guest-reset"});
        assert_eq!(
            event("RESET", data.clone()),
            Event::Qmp {
                name: "RESET".into(),
                data
            }
        );
    }
}
