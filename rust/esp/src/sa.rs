//! Security associations, one type a direction: sequence numbers, lifetimes, counters.

use crate::ip;
use crate::packet::{self, HEADER, NEXT_GRE, NEXT_IPV4, NEXT_IPV6, NEXT_NONE, TRAILER};
use crate::replay::ReplayWindow;
use crate::suite::Suite;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Limits of one SA; 0 is no limit. Octets are of plaintext.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lifetime {
    pub soft_octets: u64,
    pub hard_octets: u64,
    pub soft_packets: u64,
    pub hard_packets: u64,
}

/// What went through an SA, and whether its limits were reported.
#[derive(Default)]
pub struct Usage {
    packets: AtomicU64,
    octets: AtomicU64,
    /// CLOCK_MONOTONIC in nanoseconds; 0 before the first packet.
    last_used: AtomicU64,
    soft_reported: AtomicBool,
    hard_reported: AtomicBool,
}

impl Usage {
    /// Packets, plaintext octets, and CLOCK_MONOTONIC nanoseconds of the last packet.
    pub fn read(&self) -> (u64, u64, u64) {
        (self.packets.load(Relaxed), self.octets.load(Relaxed), self.last_used.load(Relaxed))
    }

    fn add(&self, octets: u64, now: u64) {
        self.packets.fetch_add(1, Relaxed);
        self.octets.fetch_add(octets, Relaxed);
        self.last_used.store(now, Relaxed);
    }

    /// Whether `octets` more would cross a hard limit.
    fn exhausted(&self, lifetime: &Lifetime, octets: u64) -> bool {
        (lifetime.hard_packets != 0 && self.packets.load(Relaxed) >= lifetime.hard_packets)
            || (lifetime.hard_octets != 0 && self.octets.load(Relaxed) + octets > lifetime.hard_octets)
    }

    /// True once, when a soft limit is crossed.
    fn soft_crossed(&self, lifetime: &Lifetime) -> bool {
        let crossed = (lifetime.soft_packets != 0 && self.packets.load(Relaxed) >= lifetime.soft_packets)
            || (lifetime.soft_octets != 0 && self.octets.load(Relaxed) >= lifetime.soft_octets);
        crossed && !self.soft_reported.swap(true, Relaxed)
    }

    fn hard_crossed(&self) -> bool {
        !self.hard_reported.swap(true, Relaxed)
    }
}

/// One packet to seal: `buffer` has exactly `Suite::sealed(plaintext)` octets, with the plaintext
/// in place behind the header and the IV.
pub struct Sealing<'a> {
    pub buffer: &'a mut [u8],
    pub plaintext: usize,
    pub next_header: u8,
}

/// Why packets were not sealed; `report` is true the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// The sequence number would repeat (RFC 4303 section 3.3.3).
    SequenceWrap {
        report: bool,
    },
    HardExpired {
        report: bool,
    },
}

/// How many packets of a batch were sealed, from its start, and what stopped the others.
#[derive(Debug, PartialEq, Eq)]
pub struct Sealed {
    pub count: usize,
    pub soft_expired: bool,
    pub stopped: Option<SealError>,
}

/// An outbound SA.
pub struct Outbound {
    pub spi: u32,
    pub suite: Suite,
    pub usage: Usage,
    lifetime: Lifetime,
    extended: bool,
    /// The last sequence number used; the lock also keeps packets of one SA in order of their numbers.
    sequence: Mutex<u64>,
    wrap_reported: AtomicBool,
}

/// Packets handed to the suite at once: what fits the stack, and enough for its parallel lanes.
const BATCH: usize = 64;

impl Outbound {
    pub fn new(spi: u32, suite: Suite, extended: bool, lifetime: Lifetime) -> Self {
        Self {
            spi,
            suite,
            usage: Usage::default(),
            lifetime,
            extended,
            sequence: Mutex::new(0),
            wrap_reported: AtomicBool::new(false),
        }
    }

    /// Number, pad, encrypt and authenticate packets in place, as many as the SA still may.
    pub fn seal(&self, packets: &mut [Sealing<'_>], now: u64) -> Sealed {
        let mut done = Sealed { count: 0, soft_expired: false, stopped: None };
        for batch in packets.chunks_mut(BATCH) {
            let (first, granted, stopped) = self.grant(batch, now);
            let mut slices: [&mut [u8]; BATCH] = [(); BATCH].map(|()| Default::default());
            for (i, (packet, slice)) in batch[..granted].iter_mut().zip(&mut slices).enumerate() {
                self.frame(packet, first + i as u64);
                *slice = packet.buffer;
            }
            self.suite.protect(&mut slices[..granted], first..first + granted as u64, self.extended);
            done.count += granted;
            if stopped.is_some() {
                done.stopped = stopped;
                break;
            }
        }
        done.soft_expired = self.usage.soft_crossed(&self.lifetime);
        done
    }

    /// Take sequence numbers for as many packets of `batch` as the limits allow.
    fn grant(&self, batch: &[Sealing<'_>], now: u64) -> (u64, usize, Option<SealError>) {
        let last = if self.extended { u64::MAX } else { u64::from(u32::MAX) };
        let mut sequence = self.sequence.lock().unwrap_or_else(PoisonError::into_inner);
        let first = sequence.saturating_add(1);
        let mut granted = 0;
        let mut stopped = None;
        for packet in batch {
            if *sequence == last {
                let report = !self.wrap_reported.swap(true, Relaxed);
                stopped = Some(SealError::SequenceWrap { report });
                break;
            }
            if self.usage.exhausted(&self.lifetime, packet.plaintext as u64) {
                stopped = Some(SealError::HardExpired { report: self.usage.hard_crossed() });
                break;
            }
            *sequence += 1;
            granted += 1;
            self.usage.add(packet.plaintext as u64, now);
        }
        (first, granted, stopped)
    }

    /// Write the header, the padding 1, 2, 3 … and the trailer (RFC 4303 section 2.4).
    fn frame(&self, packet: &mut Sealing<'_>, sequence: u64) {
        packet.buffer[..4].copy_from_slice(&self.spi.to_be_bytes());
        packet.buffer[4..HEADER].copy_from_slice(&(sequence as u32).to_be_bytes());
        let padding = self.suite.padding(packet.plaintext);
        let start = HEADER + self.suite.iv + packet.plaintext;
        let trailer = &mut packet.buffer[start..start + padding + TRAILER];
        for (i, octet) in trailer[..padding].iter_mut().enumerate() {
            *octet = i as u8 + 1;
        }
        trailer[padding] = padding as u8;
        trailer[padding + 1] = packet.next_header;
    }
}

/// Why a packet did not come out of an inbound SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Shorter than the suite's fields, or not a whole number of blocks.
    Malformed,
    Replay {
        sequence: u32,
    },
    Authentication {
        sequence: u32,
    },
    HardExpired {
        report: bool,
    },
    /// Next header 59 (RFC 4303 section 2.6).
    Dummy,
    /// A next header that this SA does not carry.
    NextHeader,
    /// The pad length, or the inner IP header, does not fit the payload.
    Inner,
}

/// What an inbound SA may have inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// An IP packet: tunnel mode.
    Ip,
    /// GRE in transport mode, or the IP packet of a GRE tunnel in tunnel mode. Which of them the peers agreed on does
    /// not matter: either is authenticated, and nothing but GRE is taken.
    Gre,
}

/// An inner packet, in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub payload: Range<usize>,
    /// 4, 41 or 47.
    pub next_header: u8,
    pub sequence: u64,
    /// It has the highest sequence number so far.
    pub newest: bool,
    pub soft_expired: bool,
}

/// An inbound SA.
pub struct Inbound {
    pub spi: u32,
    pub suite: Suite,
    pub usage: Usage,
    lifetime: Lifetime,
    extended: bool,
    carries: Carries,
    window: Mutex<ReplayWindow>,
}

impl Inbound {
    /// `replay_window` in packets; 0 turns the check off.
    pub fn new(
        spi: u32,
        suite: Suite,
        carries: Carries,
        replay_window: u32,
        extended: bool,
        lifetime: Lifetime,
    ) -> Self {
        let window = Mutex::new(ReplayWindow::new(replay_window, extended));
        Self { spi, suite, usage: Usage::default(), lifetime, extended, carries, window }
    }

    /// Replay check, ICV, decryption, window, in that order (RFC 4303 section 3.4), then the inner
    /// header; traffic flow padding behind the inner packet (section 2.7) is left out of `payload`.
    pub fn open(&self, packet: &mut [u8], now: u64) -> Result<Opened, OpenError> {
        let start = HEADER + self.suite.iv;
        let ciphertext = packet.len().checked_sub(start + self.suite.icv).ok_or(OpenError::Malformed)?;
        if ciphertext == 0 || ciphertext % self.suite.block != 0 {
            return Err(OpenError::Malformed);
        }
        let low = packet::sequence(packet).ok_or(OpenError::Malformed)?;
        let replay = OpenError::Replay { sequence: low };
        let sequence = {
            let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
            window.infer(low).filter(|sequence| window.check(*sequence)).ok_or(replay)?
        };
        if !self.suite.unprotect(packet, sequence, self.extended) {
            return Err(OpenError::Authentication { sequence: low });
        }
        let newest = {
            let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
            let newest = sequence > window.highest();
            if !window.commit(sequence) {
                return Err(replay);
            }
            newest
        };
        let (payload, next_header) = inner(packet, start, start + ciphertext, self.carries)?;
        if self.usage.exhausted(&self.lifetime, payload.len() as u64) {
            return Err(OpenError::HardExpired { report: self.usage.hard_crossed() });
        }
        self.usage.add(payload.len() as u64, now);
        Ok(Opened { payload, next_header, sequence, newest, soft_expired: self.usage.soft_crossed(&self.lifetime) })
    }
}

/// Where the inner packet lies in `start..end`, which is plaintext, padding and trailer, and its next header.
fn inner(packet: &[u8], start: usize, end: usize, carries: Carries) -> Result<(Range<usize>, u8), OpenError> {
    let (padding, next_header) = (usize::from(packet[end - 2]), packet[end - 1]);
    let length = (end - start).checked_sub(TRAILER + padding).ok_or(OpenError::Inner)?;
    let version = match next_header {
        NEXT_IPV4 => 4,
        NEXT_IPV6 => 6,
        NEXT_GRE if carries == Carries::Gre => return Ok((start..start + length, next_header)),
        NEXT_NONE => return Err(OpenError::Dummy),
        _ => return Err(OpenError::NextHeader),
    };
    match ip::View::new(&packet[start..start + length]) {
        Some(view) if view.version() == version => Ok((start..start + view.length(), next_header)),
        _ => Err(OpenError::Inner),
    }
}

#[cfg(test)]
#[path = "sa_tests.rs"]
mod tests;
