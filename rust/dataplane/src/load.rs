//! Packets of one route that are laid out together, sealed together and sent together.

use crate::address::Outer;
use crate::counters::Drop;
use crate::event::{Direction, Kind};
use crate::route::{Fields, Route};
use crate::segment::Plan;
use crate::socket::{Outgoing, SendError, Transmitter, path_mtu};
use crate::table::{Df, OutboundSa, State, Tunnel};
use seikan_esp::{SealError, Sealing, ecn, ip};
use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;

/// Octets and packets at most.
const OCTETS: usize = 256 << 10;
const PACKETS: usize = 128;
/// The smallest MTU of IPv6 (RFC 8200 section 5).
const IPV6_MINIMUM: usize = 1280;

pub struct Load {
    buffer: Vec<u8>,
    packets: Vec<Outgoing>,
    /// Octets of plaintext, and their next header.
    plaintext: Vec<(usize, u8)>,
    /// Whether they are packets of the tunnel.
    counted: bool,
}

impl Default for Load {
    fn default() -> Self {
        Self::new(true)
    }
}

impl Load {
    fn new(counted: bool) -> Self {
        Self {
            counted,
            // Zeroed memory is not touched, hence not resident, until packets are laid into it.
            buffer: vec![0; OCTETS],
            packets: Vec::with_capacity(PACKETS),
            plaintext: Vec::with_capacity(PACKETS),
        }
    }

    /// For what the plane sends on its own account.
    pub fn uncounted() -> Self {
        Self::new(false)
    }

    /// Add the segments of one packet of the device, sending what was there where room runs out. Where the packet is
    /// too big for the path and its sender does not let it be fragmented, the error is what would fit.
    #[allow(clippy::too_many_arguments)]
    pub fn add(
        &mut self,
        state: &State,
        tunnel: &Tunnel,
        route: &Route,
        packet: &ip::View<'_>,
        plan: &Plan,
        transmitter: &mut Transmitter,
        now: u64,
    ) -> Result<(), usize> {
        let (version, inner_df) = (packet.version(), packet.dont_fragment());
        let parameters = &route.config.parameters;
        let mut df = match (route.path.local, parameters.df) {
            (IpAddr::V4(_), Df::Clear) => false,
            (IpAddr::V4(_), Df::Set) => true,
            (IpAddr::V4(_), Df::Copy) => inner_df,
            // IPv6 is fragmented by its sender or not at all; the inner DF says whether it may be here.
            (IpAddr::V6(_), Df::Clear) => false,
            (IpAddr::V6(_), _) => inner_df,
        };
        if let (true, Some(mtu)) = (df, route.path_mtu(tunnel).get(now)) {
            let fits = route.largest(mtu);
            // An IPv6 sender need not go below its minimum (RFC 2473 section 7.1), and one that lets its IPv4
            // packets be fragmented does not wait for advice: those are fragmented outside.
            let insists = inner_df && !(version == 6 && fits < IPV6_MINIMUM && plan.octets(0) <= IPV6_MINIMUM);
            if plan.octets(0) > fits && insists {
                return Err(if version == 6 { fits.max(IPV6_MINIMUM) } else { fits });
            }
            df = plan.octets(0) <= fits;
        }
        let tos = ecn::ingress(packet.tos(), parameters.tos);
        let fields = Fields { version, tos, df };
        for n in 0..plan.count {
            let octets = plan.octets(n);
            let (before, total) = route.layout(octets);
            if self.packets.len() == PACKETS || self.used() + total > OCTETS {
                self.send(state, tunnel, route, transmitter, now);
            }
            let start = self.used();
            let slot = &mut self.buffer[start..start + total];
            plan.write(packet.octets(), n, &mut slot[before..before + octets]);
            route.write_headers(tunnel, slot, octets, fields);
            let fragmentable = !inner_df || version == 6 && octets <= IPV6_MINIMUM;
            self.packets.push(Outgoing { start, octets: total, tos, df, fragmentable });
            self.plaintext.push((route.headers() + octets, route.next_header(version)));
        }
        Ok(())
    }

    fn used(&self) -> usize {
        self.packets.last().map_or(0, |last| last.start + last.octets)
    }

    /// Seal and send what is there.
    pub fn send(&mut self, state: &State, tunnel: &Tunnel, route: &Route, transmitter: &mut Transmitter, now: u64) {
        if self.packets.is_empty() {
            return;
        }
        let sealed = match &route.sa {
            Some(sa) => self.seal(state, tunnel, route, sa, now),
            None => self.packets.len(),
        };
        if self.counted {
            self.count(tunnel, route, sealed);
        }
        let path = &route.path;
        let ttl = route.config.parameters.ttl;
        let outer = Outer { local: path.local, remote: path.remote_address(), tos: 0, ttl };
        let unsent = |error| tunnel.dropped(route.policy.as_deref(), unsent(error), 1);
        let mut too_big = false;
        let mut again = Vec::new();
        transmitter.send(&route.sender, outer, &self.buffer, &self.packets[..sealed], |packet, error| {
            too_big |= error == SendError::TooBig;
            if error == SendError::TooBig && packet.df && packet.fragmentable {
                again.push(Outgoing { df: false, ..*packet });
            } else {
                unsent(error);
            }
        });
        transmitter.send(&route.sender, outer, &self.buffer, &again, |_, error| unsent(error));
        self.packets.clear();
        self.plaintext.clear();
        if too_big {
            learn_path_mtu(state, tunnel, route, now);
        }
    }

    /// Count the first `sealed` packets as sent.
    fn count(&self, tunnel: &Tunnel, route: &Route, sealed: usize) {
        let octets: usize = self.plaintext[..sealed].iter().map(|(octets, _)| octets - route.headers()).sum();
        for traffic in
            [Some(&tunnel.traffic), route.policy.as_ref().map(|policy| &policy.traffic)].into_iter().flatten()
        {
            traffic.packets_out.fetch_add(sealed as u64, Relaxed);
            traffic.octets_out.fetch_add(octets as u64, Relaxed);
        }
    }

    /// Seal what the SA allows, from the start; gives how many.
    fn seal(&mut self, state: &State, tunnel: &Tunnel, route: &Route, sa: &OutboundSa, now: u64) -> usize {
        let mut sealing = Vec::with_capacity(self.packets.len());
        let mut rest = self.buffer.as_mut_slice();
        for (packet, (plaintext, next_header)) in self.packets.iter().zip(&self.plaintext) {
            let (buffer, after) = rest.split_at_mut(packet.octets);
            sealing.push(Sealing { buffer, plaintext: *plaintext, next_header: *next_header });
            rest = after;
        }
        let done = sa.sa.seal(&mut sealing, now);
        let refused = (sealing.len() - done.count) as u64;
        let report = |kind| {
            state.report(kind, |event| {
                event.tunnel = route.config.bundle.as_ref().map(|bundle| bundle.name.clone());
                event.spi = Some(sa.sa.spi);
                event.direction = Some(Direction::Out);
            });
        };
        if done.soft_expired {
            report(Kind::SoftExpire);
        }
        if let Some(stopped) = done.stopped {
            let (drop, kind, first) = match stopped {
                SealError::SequenceWrap { report } => (Drop::SequenceWrap, Kind::SequenceWrap, report),
                SealError::HardExpired { report } => (Drop::HardExpired, Kind::HardExpire, report),
            };
            sa.drops.add(drop, refused);
            tunnel.dropped(route.policy.as_deref(), drop, refused);
            if first {
                report(kind);
            }
        }
        done.count
    }
}

/// What a packet that was not sent is counted under.
fn unsent(error: SendError) -> Drop {
    match error {
        SendError::TooBig => Drop::TooBig,
        SendError::NoRoute => Drop::NoRoute,
        SendError::QueueFull => Drop::SendQueueFull,
        SendError::Refused => Drop::SendFailed,
        SendError::Closed => Drop::NoSocket,
    }
}

/// Ask the kernel what it learned of the path, and tell the control side.
fn learn_path_mtu(state: &State, tunnel: &Tunnel, route: &Route, now: u64) {
    let path = &route.path;
    // Where the kernel cannot say, the packets stay dropped and counted, and the next one asks again.
    let Ok(mtu) = path_mtu(path.local, path.remote) else { return };
    let known = route.path_mtu(tunnel);
    known.learn(mtu, now);
    if known.limit.allow(now) {
        state.report(Kind::PathMtu, |event| {
            event.tunnel = Some(tunnel.device.clone());
            event.remote = Some(path.remote);
            event.local = Some(path.local);
            event.mtu = Some(mtu);
            event.policy = route.policy.as_ref().map(|policy| policy.number);
        });
    }
}
