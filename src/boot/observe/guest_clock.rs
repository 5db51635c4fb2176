//! When, on the host's clock, the guest wrote what is found in its memory later.

/// Maps guest times to the run's clock.
///
/// What the guest wrote cannot be seen before it was written: the smallest difference seen between "found at" and "written at" is the best
/// estimate of the clocks' offset, and it only gets better.
#[derive(Debug, Clone, Copy, Default)]
pub struct GuestClock {
    offset: Option<f64>,
}

impl GuestClock {
    /// Something written at guest time `guest` was found at `now`.
    pub fn found(&mut self, guest: f64, now: f64) {
        // Until its clock runs, the kernel writes 0.
        if guest > 0.0 {
            let offset = now - guest;
            self.offset = Some(self.offset.map_or(offset, |known| known.min(offset)));
        }
    }

    /// The host time of a guest time, within what is known: not before `after` (the last look), not after `now`.
    pub fn host(&self, guest: f64, after: f64, now: f64) -> f64 {
        match self.offset {
            Some(offset) => (guest + offset).max(after).min(now),
            None => now,
        }
    }

    /// The guest's time at `now`.
    pub fn guest(&self, now: f64) -> Option<f64> {
        self.offset.map(|offset| now - offset)
    }

    /// The guest's clock was started anew.
    pub fn reset(&mut self) {
        self.offset = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_delay_counts() {
        let mut clock = GuestClock::default();
        assert_eq!(clock.host(1.0, 0.0, 9.0), 9.0);
        clock.found(0.0, 2.0);
        clock.found(1.0, 5.0);
        clock.found(2.0, 5.5);
        assert_eq!(clock.host(2.1, 0.0, 9.0), 5.6);
        assert_eq!(clock.host(1.0, 5.0, 9.0), 5.0);
        assert_eq!(clock.host(8.0, 5.0, 9.0), 9.0);
        assert_eq!(clock.guest(9.0), Some(5.5));
    }
}
