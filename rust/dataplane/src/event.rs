//! What the control side hears of: bounded queues behind one descriptor that polls readable.

use crate::counters::{Drop, Drops};
use crate::sys;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    SoftExpire,
    HardExpire,
    UnknownSpi,
    Replay,
    SequenceWrap,
    AuthenticationFailure,
    PathMtu,
    PeerAddress,
    Acquire,
    Keepalive,
}

impl Kind {
    /// The name the control side knows the kind by.
    pub fn name(self) -> &'static str {
        match self {
            Self::SoftExpire => "soft-expire",
            Self::HardExpire => "hard-expire",
            Self::UnknownSpi => "unknown-spi",
            Self::Replay => "replay",
            Self::SequenceWrap => "sequence-wrap",
            Self::AuthenticationFailure => "authentication-failure",
            Self::PathMtu => "path-mtu",
            Self::PeerAddress => "peer-address",
            Self::Acquire => "acquire",
            Self::Keepalive => "keepalive",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    In,
    Out,
}

#[derive(Clone, Debug)]
pub struct Event {
    pub kind: Kind,
    pub tunnel: Option<String>,
    pub spi: Option<u32>,
    pub direction: Option<Direction>,
    pub remote: Option<IpAddr>,
    pub remote_port: Option<u16>,
    pub local: Option<IpAddr>,
    pub mtu: Option<u32>,
    pub sequence: Option<u32>,
    pub policy: Option<u32>,
}

impl Event {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            tunnel: None,
            spi: None,
            direction: None,
            remote: None,
            remote_port: None,
            local: None,
            mtu: None,
            sequence: None,
            policy: None,
        }
    }
}

/// An IKE datagram from a NAT traversal socket, without the non-ESP marker.
#[derive(Clone, Debug)]
pub struct IkeDatagram {
    pub data: Vec<u8>,
    pub local: SocketAddr,
    pub remote: SocketAddr,
}

#[derive(Clone, Debug)]
pub enum Notice {
    Event(Event),
    Ike(IkeDatagram),
}

/// Longest queues, and the most that one `take` gives.
const EVENTS: usize = 8192;
const IKE_DATAGRAMS: usize = 1024;
const TAKE: usize = 256;

const SECOND: u64 = 1_000_000_000;

#[derive(Default)]
struct Queue {
    notices: VecDeque<Notice>,
    ike: usize,
}

pub struct Events {
    queue: Mutex<Queue>,
    wake: OwnedFd,
    unknown: Mutex<HashMap<u32, u64>>,
}

impl Events {
    pub fn new() -> io::Result<Self> {
        Ok(Self { queue: Mutex::default(), wake: sys::eventfd()?, unknown: Mutex::default() })
    }

    pub fn descriptor(&self) -> RawFd {
        self.wake.as_raw_fd()
    }

    pub fn push(&self, notice: Notice, drops: &Drops) {
        let mut queue = lock(&self.queue);
        let ike = usize::from(matches!(notice, Notice::Ike(_)));
        if ike == 1 && queue.ike >= IKE_DATAGRAMS {
            drops.add(Drop::IkeQueueFull, 1);
        } else if ike == 0 && queue.notices.len() - queue.ike >= EVENTS {
            drops.add(Drop::EventQueueFull, 1);
        } else {
            queue.ike += ike;
            queue.notices.push_back(notice);
            if queue.notices.len() == 1 {
                sys::eventfd_set(&self.wake);
            }
        }
    }

    /// The oldest notices, at most 256; the descriptor stays readable while there are more.
    pub fn take(&self) -> Vec<Notice> {
        let mut queue = lock(&self.queue);
        let count = queue.notices.len().min(TAKE);
        let taken: Vec<_> = queue.notices.drain(..count).collect();
        queue.ike -= taken.iter().filter(|notice| matches!(notice, Notice::Ike(_))).count();
        if queue.notices.is_empty() {
            sys::eventfd_clear(&self.wake);
        }
        taken
    }

    /// At most one report a second for each unknown SPI, for a bounded number of SPIs.
    pub fn allow_unknown(&self, spi: u32, now: u64) -> bool {
        const SPIS: usize = 64;
        let mut seen = lock(&self.unknown);
        seen.retain(|_, at| now < *at + SECOND);
        let allowed = seen.len() < SPIS && !seen.contains_key(&spi);
        if allowed {
            seen.insert(spi, now);
        }
        allowed
    }
}

/// The data is still whole where a worker panicked while it held the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets one report through a second.
#[derive(Default)]
pub struct Limiter(AtomicU64);

impl Limiter {
    /// `now` is CLOCK_MONOTONIC in nanoseconds.
    pub fn allow(&self, now: u64) -> bool {
        let last = self.0.load(Relaxed);
        (last == 0 || now >= last + SECOND) && self.0.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_bounded_and_counted() {
        let (events, drops) = (Events::new().unwrap(), Drops::default());
        let address = "192.0.2.1:4500".parse().unwrap();
        for _ in 0..EVENTS + 3 {
            events.push(Notice::Event(Event::new(Kind::Replay)), &drops);
        }
        for _ in 0..IKE_DATAGRAMS + 2 {
            events.push(Notice::Ike(IkeDatagram { data: vec![], local: address, remote: address }), &drops);
        }
        assert_eq!(drops.read(), [("ike-queue-full", 2), ("event-queue-full", 3)]);
        let mut taken = 0;
        while sys::readable(events.descriptor()) {
            taken += events.take().len();
        }
        assert_eq!(taken, EVENTS + IKE_DATAGRAMS);
        assert!(events.take().is_empty());
    }

    #[test]
    fn reports_are_limited() {
        let limiter = Limiter::default();
        assert!(limiter.allow(5) && !limiter.allow(6) && limiter.allow(5 + SECOND));
        let events = Events::new().unwrap();
        let allowed = (0..1000).filter(|spi| events.allow_unknown(*spi, 1)).count();
        assert_eq!(allowed, 64);
        assert!(!events.allow_unknown(0, 2) && events.allow_unknown(0, 2 + SECOND));
    }
}
