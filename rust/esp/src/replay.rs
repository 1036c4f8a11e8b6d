//! The anti-replay window (RFC 4303 section 3.4.3) and the inference of the high half of an
//! extended sequence number (RFC 4303 appendix A2).

/// Largest window that can be asked for, in packets.
pub const LARGEST: u32 = 4096;

/// The window RFC 4303 section 3.4.3 prefers; also what the high half is inferred with when the check is off.
const PREFERRED: u32 = 64;

/// Which sequence numbers were seen, as a ring of bits that ends at the highest one.
pub struct ReplayWindow {
    size: u64,
    extended: bool,
    highest: u64,
    ring: Vec<u64>,
}

impl ReplayWindow {
    /// `size` in packets is rounded up to whole words of 64; 0 turns the check off.
    pub fn new(size: u32, extended: bool) -> Self {
        let words = size.min(LARGEST).div_ceil(64) as usize;
        // One word more than the window, so that clearing a word never clears part of the window.
        let ring = if words == 0 { Vec::new() } else { vec![0; (words + 1).next_power_of_two()] };
        Self { size: words as u64 * 64, extended, highest: 0, ring }
    }

    /// The highest sequence number committed so far; 0 before the first.
    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// The whole sequence number that `low` of a packet stands for; `None` where it would lie before 0.
    pub fn infer(&self, low: u32) -> Option<u64> {
        if !self.extended {
            return Some(u64::from(low));
        }
        let window = if self.size == 0 { PREFERRED } else { self.size as u32 };
        let (top_high, top_low) = ((self.highest >> 32) as u32, self.highest as u32);
        let bottom = top_low.wrapping_sub(window - 1);
        let high = if top_low >= window - 1 {
            // Appendix A2.2, case A: the window lies within one subspace.
            if low >= bottom { top_high } else { top_high.checked_add(1)? }
        } else if low >= bottom {
            // Case B: the window reaches back into the subspace before.
            top_high.checked_sub(1)?
        } else {
            top_high
        };
        Some(u64::from(high) << 32 | u64::from(low))
    }

    /// Whether `sequence` is new and not older than the window. Zero is never sent (RFC 4303 section 3.3.3).
    pub fn check(&self, sequence: u64) -> bool {
        if self.ring.is_empty() {
            return true;
        }
        if sequence > self.highest {
            return true;
        }
        if sequence == 0 || self.highest - sequence >= self.size {
            return false;
        }
        self.ring[self.word(sequence)] & (1 << (sequence % 64)) == 0
    }

    /// Mark an authenticated `sequence` as seen. False where it was already, or fell out of the
    /// window, since it was checked: another worker was faster.
    pub fn commit(&mut self, sequence: u64) -> bool {
        if !self.check(sequence) {
            return false;
        }
        if sequence > self.highest {
            if !self.ring.is_empty() {
                let (from, to) = (self.highest / 64, sequence / 64);
                for word in 1..=(to - from).min(self.ring.len() as u64) {
                    let at = (from + word) as usize & (self.ring.len() - 1);
                    self.ring[at] = 0;
                }
            }
            self.highest = sequence;
        }
        if !self.ring.is_empty() {
            let word = self.word(sequence);
            self.ring[word] |= 1 << (sequence % 64);
        }
        true
    }

    fn word(&self, sequence: u64) -> usize {
        (sequence / 64) as usize & (self.ring.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn in_order_reordered_repeated_and_old() {
        let mut window = ReplayWindow::new(64, false);
        assert!(!window.check(0));
        assert!(window.commit(1));
        assert!(!window.commit(1));
        assert!(window.commit(64));
        assert!(window.commit(2));
        assert!(window.commit(65));
        assert!(!window.check(1), "just behind the window");
        assert!(!window.check(2));
        assert!(window.check(3));
        assert!(window.commit(1_000_000));
        assert!(!window.check(65));
        assert!(window.check(1_000_000 - 63));
        assert!(!window.check(1_000_000 - 64));
    }

    #[test]
    fn zero_turns_the_check_off() {
        let mut window = ReplayWindow::new(0, false);
        assert!(window.commit(5) && window.commit(5) && window.commit(1));
        assert_eq!(window.highest(), 5);
    }

    #[test]
    fn extended_numbers_cross_the_wrap() {
        let mut window = ReplayWindow::new(64, true);
        assert!(window.commit(0xffff_fff0));
        assert_eq!(window.infer(0xffff_ffff), Some(0xffff_ffff));
        assert_eq!(window.infer(3), Some(0x1_0000_0003));
        assert!(window.commit(0x1_0000_0003));
        assert_eq!(window.infer(0xffff_fff1), Some(0xffff_fff1), "late, from the subspace before");
        assert_eq!(window.infer(4), Some(0x1_0000_0004));
        assert!(window.commit(0xffff_fff1));
        assert!(!window.commit(0xffff_fff0));
    }

    #[test]
    fn a_number_before_the_first_subspace_is_refused() {
        assert_eq!(ReplayWindow::new(64, true).infer(0xffff_fff0), None);
        assert_eq!(ReplayWindow::new(64, false).infer(0xffff_fff0), Some(0xffff_fff0));
    }

    proptest! {
        /// Against the definition: a set of all numbers seen.
        #[test]
        fn agrees_with_a_set(size in 1u32..=4096, steps in prop::collection::vec((any::<bool>(), 0u64..9000), 1..400)) {
            let mut window = ReplayWindow::new(size, false);
            let rounded = u64::from(size.div_ceil(64) * 64);
            let (mut seen, mut highest) = (HashSet::new(), 0u64);
            for (ahead, distance) in steps {
                let sequence = if ahead { highest + distance % 300 } else { highest.saturating_sub(distance) };
                let fresh = sequence != 0
                    && !seen.contains(&sequence)
                    && (sequence > highest || highest - sequence < rounded);
                prop_assert_eq!(window.check(sequence), fresh);
                prop_assert_eq!(window.commit(sequence), fresh);
                if fresh {
                    seen.insert(sequence);
                    highest = highest.max(sequence);
                }
            }
        }

        /// Whatever is within the window or up to 2^31 ahead is inferred right.
        #[test]
        fn inference_finds_the_number(top in 1u64..1 << 40, delta in -63i64..1 << 31, size in prop_oneof![Just(64u32), Just(1024)]) {
            let mut window = ReplayWindow::new(size, true);
            // Reach `top` as a receiver does: in steps that can be inferred.
            window.highest = top;
            let sequence = top as i64 + delta;
            prop_assume!(sequence > 0);
            prop_assert_eq!(window.infer(sequence as u32), Some(sequence as u64));
        }
    }
}
