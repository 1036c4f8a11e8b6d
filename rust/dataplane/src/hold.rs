//! Packets that come before their SA: the peer may send on a new pair as soon as it has answered,
//! while this side has yet to read the answer. What carries an SPI that the control side has
//! reserved waits here, bounded in number, octets and time, until the SA is added.
//!
//! Nobody asks here for the SPI of an SA that is there.

use crate::inbound::Outer;
use crate::table::lock;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const SECOND: u64 = 1_000_000_000;
/// Most reservations at once, and how long one stands: longer than an exchange with all its repetitions takes.
const RESERVATIONS: usize = 4096;
const STANDS: u64 = 120 * SECOND;
/// Most packets of one SPI, packets and octets in all, and how long one waits.
const PACKETS_OF_SPI: usize = 64;
const PACKETS: usize = 1024;
const OCTETS: usize = 4 << 20;
const WAITS: u64 = 2 * SECOND;

/// A packet that waits, and when it came (CLOCK_MONOTONIC, ns).
pub struct Held {
    pub outer: Outer,
    pub octets: Box<[u8]>,
    at: u64,
}

/// What became of a packet of an SPI without SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is held.
    Yes,
    /// Its SPI is reserved, but no more packets are held.
    Full,
    /// Its SPI is not reserved.
    Stranger,
}

struct Reservation {
    since: u64,
    packets: Vec<Held>,
}

#[derive(Default)]
struct Inner {
    reservations: HashMap<u32, Reservation>,
    packets: usize,
    octets: usize,
}

#[derive(Default)]
pub struct Hold {
    inner: Mutex<Inner>,
    /// When the oldest packet has waited long enough, or earlier; 0 where none is held.
    deadline: AtomicU64,
}

impl Inner {
    fn remove(&mut self, spi: u32) -> Vec<Held> {
        let packets = self.reservations.remove(&spi).map_or_else(Vec::new, |reservation| reservation.packets);
        self.released(&packets);
        packets
    }

    fn released(&mut self, packets: &[Held]) {
        self.packets -= packets.len();
        self.octets -= packets.iter().map(|held| held.octets.len()).sum::<usize>();
    }
}

impl Hold {
    /// Hold packets of `spi` from now on; gives those of the reservation that gave way to it.
    pub fn reserve(&self, spi: u32, now: u64) -> Vec<Held> {
        let mut inner = lock(&self.inner);
        if let Some(reservation) = inner.reservations.get_mut(&spi) {
            reservation.since = now;
            return Vec::new();
        }
        let mut gone = Vec::new();
        if inner.reservations.len() >= RESERVATIONS {
            let oldest = inner.reservations.iter().min_by_key(|(_, reservation)| reservation.since);
            if let Some(spi) = oldest.map(|(spi, _)| *spi) {
                gone = inner.remove(spi);
            }
        }
        inner.reservations.insert(spi, Reservation { since: now, packets: Vec::new() });
        gone
    }

    /// Hold a copy of a packet, if its SPI is reserved and there is room.
    pub fn keep(&self, spi: u32, outer: Outer, octets: &[u8], now: u64) -> Kept {
        let mut inner = lock(&self.inner);
        let room = inner.packets < PACKETS && inner.octets + octets.len() <= OCTETS;
        let Some(reservation) = inner.reservations.get_mut(&spi) else { return Kept::Stranger };
        if now >= reservation.since + STANDS {
            return Kept::Stranger;
        }
        if !room || reservation.packets.len() >= PACKETS_OF_SPI {
            return Kept::Full;
        }
        reservation.packets.push(Held { outer, octets: octets.into(), at: now });
        inner.packets += 1;
        inner.octets += octets.len();
        let due = now + WAITS;
        let deadline = self.deadline.load(Relaxed);
        if deadline == 0 || due < deadline {
            self.deadline.store(due, Relaxed);
        }
        Kept::Yes
    }

    /// End a reservation, if there is one, and give its packets in the order they came in.
    pub fn take(&self, spi: u32) -> Vec<Held> {
        lock(&self.inner).remove(spi)
    }

    /// When `expire` has something to do; None while nothing is held. Takes no lock.
    pub fn deadline(&self) -> Option<u64> {
        Some(self.deadline.load(Relaxed)).filter(|deadline| *deadline != 0)
    }

    /// The packets that have waited too long, by SPI; they are not held any more. Old reservations end.
    pub fn expire(&self, now: u64) -> Vec<(u32, Held)> {
        let mut inner = lock(&self.inner);
        let mut gone = Vec::new();
        let mut next = 0;
        inner.reservations.retain(|spi, reservation| {
            let old = reservation.packets.partition_point(|held| now >= held.at + WAITS);
            gone.extend(reservation.packets.drain(..old).map(|held| (*spi, held)));
            if let Some(first) = reservation.packets.first().map(|held| held.at + WAITS) {
                next = if next == 0 { first } else { first.min(next) };
            }
            !reservation.packets.is_empty() || now < reservation.since + STANDS
        });
        inner.packets -= gone.len();
        inner.octets -= gone.iter().map(|(_, held)| held.octets.len()).sum::<usize>();
        self.deadline.store(next, Relaxed);
        gone
    }

    /// Forget everything.
    pub fn clear(&self) {
        *lock(&self.inner) = Inner::default();
        self.deadline.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPI: u32 = 0x1001;

    fn outer() -> Outer {
        let (local, remote) = ("192.0.2.1".parse().unwrap(), "192.0.2.2:0".parse().unwrap());
        Outer { local, remote, tos: 0, encapsulated: false }
    }

    fn keep(hold: &Hold, spi: u32, octet: u8, now: u64) -> Kept {
        hold.keep(spi, outer(), &[octet], now)
    }

    fn octets(held: &[Held]) -> Vec<u8> {
        held.iter().map(|held| held.octets[0]).collect()
    }

    #[test]
    fn only_what_is_reserved_is_held_and_comes_out_once_in_order() {
        let hold = Hold::default();
        assert_eq!(keep(&hold, SPI, 0, 1), Kept::Stranger);
        assert!(hold.reserve(SPI, 1).is_empty());
        assert_eq!(hold.deadline(), None);
        (0..3).for_each(|n| assert_eq!(keep(&hold, SPI, n, 1), Kept::Yes));
        assert_eq!(keep(&hold, SPI + 1, 0, 1), Kept::Stranger);
        assert_eq!(octets(&hold.take(SPI)), [0, 1, 2]);
        assert!(hold.take(SPI).is_empty());
        assert_eq!(keep(&hold, SPI, 0, 1), Kept::Stranger);
    }

    #[test]
    fn packets_are_bounded_by_spi_in_all_and_in_octets() {
        let hold = Hold::default();
        (0..100).for_each(|n| assert!(hold.reserve(SPI + n, 1).is_empty()));
        for spi in SPI..SPI + 100 {
            let kept = (0..=PACKETS_OF_SPI).filter(|_| keep(&hold, spi, 0, 1) == Kept::Yes).count();
            assert_eq!(kept, if spi < SPI + 16 { PACKETS_OF_SPI } else { 0 });
        }
        assert_eq!(keep(&hold, SPI, 0, 1), Kept::Full);
        // Room comes back with what is taken, and with what is too old.
        assert_eq!(hold.take(SPI).len(), PACKETS_OF_SPI);
        assert_eq!(keep(&hold, SPI + 50, 0, 2), Kept::Yes);
        assert_eq!(hold.expire(1 + WAITS).len(), PACKETS - PACKETS_OF_SPI);
        let large = vec![0; 65_000];
        let kept = (0..100).filter(|n| hold.keep(SPI + 1 + n % 50, outer(), &large, 2) == Kept::Yes).count();
        assert_eq!(kept, (OCTETS - 1) / large.len());
    }

    #[test]
    fn packets_and_reservations_age() {
        let hold = Hold::default();
        hold.reserve(SPI, SECOND);
        keep(&hold, SPI, 1, SECOND);
        keep(&hold, SPI, 2, 2 * SECOND);
        assert_eq!(hold.deadline(), Some(3 * SECOND));
        assert!(hold.expire(3 * SECOND - 1).is_empty());
        let gone = hold.expire(3 * SECOND);
        assert_eq!(gone.iter().map(|(spi, held)| (*spi, held.octets[0])).collect::<Vec<_>>(), [(SPI, 1)]);
        assert_eq!(hold.deadline(), Some(4 * SECOND));
        assert_eq!(octets(&hold.take(SPI)), [2]);
        assert!(hold.expire(4 * SECOND).is_empty());
        assert_eq!(hold.deadline(), None);
        hold.reserve(SPI, SECOND);
        assert_eq!(keep(&hold, SPI, 3, SECOND + STANDS), Kept::Stranger);
    }

    #[test]
    fn the_oldest_reservation_gives_way() {
        let hold = Hold::default();
        (0..RESERVATIONS as u32).for_each(|n| assert!(hold.reserve(SPI + n, 10 + u64::from(n)).is_empty()));
        keep(&hold, SPI, 1, 10);
        keep(&hold, SPI + 1, 2, 10);
        // One that is reserved again is the youngest, and needs no other to go.
        assert!(hold.reserve(SPI, 1_000_000).is_empty());
        assert_eq!(octets(&hold.reserve(SPI - 1, 1_000_001)), [2]);
        assert_eq!(octets(&hold.take(SPI)), [1]);
        assert_eq!(keep(&hold, SPI + 1, 3, 1_000_001), Kept::Stranger);
    }
}
