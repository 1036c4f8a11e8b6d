//! A packet out: device → segments → SA or GRE header → socket.

use crate::address::Outer;
use crate::counters::Drop;
use crate::event::{Direction, Kind};
use crate::icmp;
use crate::segment::Plan;
use crate::socket::{ESP, GRE, Outgoing, SendError, Sender, Transmitter, family, path_mtu};
use crate::table::{Df, Mode, OutboundSa, Parameters, Path, State, Tunnel, read};
use crate::tun::{LARGEST, Tun, VNET_HEADER, VnetHeader};
use seikan_esp::packet::{HEADER, NEXT_IPV4, NEXT_IPV6};
use seikan_esp::{SealError, Sealing, ecn, gre, ip};
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Reads of one device before others get their turn.
const BURST: usize = 64;
/// Octets and packets that are sealed and sent at once.
const BATCH_OCTETS: usize = 256 << 10;
const BATCH_PACKETS: usize = 128;
/// The smallest MTU of IPv6 (RFC 8200 section 5).
const IPV6_MINIMUM: usize = 1280;
const UDP: u8 = 17;
/// IKE and its NAT traversal (RFC 2408 section 2.5.1, RFC 3947 section 4).
const IKE_PORTS: [u16; 2] = [500, 4500];

/// A worker's memory for packets on their way out.
pub struct Outbox {
    input: Vec<u8>,
    buffer: Vec<u8>,
    packets: Vec<Outgoing>,
    plaintext: Vec<(usize, u8)>,
    transmitter: Transmitter,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            input: vec![0; VNET_HEADER + LARGEST],
            buffer: vec![0; BATCH_OCTETS],
            packets: Vec::with_capacity(BATCH_PACKETS),
            plaintext: Vec::with_capacity(BATCH_PACKETS),
            transmitter: Transmitter::default(),
        }
    }
}

/// Where packets of a tunnel go during one burst.
struct Route {
    parameters: Arc<Parameters>,
    sa: Option<Arc<OutboundSa>>,
    path: Path,
    sender: Arc<Sender>,
    /// Octets of IP and UDP header around what this plane writes.
    outer: usize,
}

impl Route {
    /// Fails where the tunnel has no outbound SA, or no socket for its path.
    fn new(state: &State, tunnel: &Tunnel) -> Result<Self, Drop> {
        let parameters = read(&tunnel.parameters).clone();
        let (sa, path) = match parameters.mode {
            Mode::Gre => {
                let path = Path { local: parameters.source, remote: parameters.destination, encapsulation: None };
                (None, path)
            }
            Mode::Ipsec => {
                let sa = read(&tunnel.outbound).last().ok_or(Drop::NoSa)?.clone();
                let path = *read(&sa.path);
                (Some(sa), path)
            }
        };
        let key = match (path.encapsulation, &sa) {
            (Some(ports), _) => (0, family(path.local), ports.local_port),
            (None, Some(_)) => (ESP, family(path.local), 0),
            (None, None) => (GRE, family(path.local), 0),
        };
        let sender = read(&state.senders).get(&key).ok_or(Drop::NoSocket)?.clone();
        let ip = if path.local.is_ipv4() { 20 } else { 40 };
        let outer = ip + if path.encapsulation.is_some() { 8 } else { 0 };
        Ok(Self { parameters, sa, path, sender, outer })
    }

    /// Octets before the inner packet, and of all that this plane writes for `plaintext` octets.
    fn layout(&self, plaintext: usize) -> (usize, usize) {
        match &self.sa {
            Some(sa) => (HEADER + sa.sa.suite.iv, sa.sa.suite.sealed(plaintext)),
            None => {
                let header = gre::header_octets(self.parameters.key);
                (header, header + plaintext)
            }
        }
    }

    /// The largest inner packet for an outer path of `mtu` octets.
    fn largest_plaintext(&self, mtu: usize) -> usize {
        let room = mtu.saturating_sub(self.outer);
        match &self.sa {
            Some(sa) => sa.sa.suite.largest_plaintext(room),
            None => room.saturating_sub(gre::header_octets(self.parameters.key)),
        }
    }
}

/// Whether a device may have more to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Wait,
    /// The device is gone: nothing will come any more.
    Gone,
}

/// Serve one device until it is empty or others are due.
pub fn serve(state: &State, tunnel: &Tunnel, outbox: &mut Outbox, now: u64) -> Next {
    let guard = read(&tunnel.tun);
    let Some(tun) = guard.as_ref() else { return Next::Gone };
    let route = Route::new(state, tunnel);
    for _ in 0..BURST {
        let octets = match tun.read(&mut outbox.input) {
            Ok(octets) => octets,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => break,
            Err(_) => {
                // EBADFD: the device was deleted from outside. Nothing else comes from a read of TUN.
                outbox.flush(state, tunnel, route.as_ref().ok(), now);
                return Next::Gone;
            }
        };
        outbox.accept(state, tunnel, tun, route.as_ref(), octets, now);
    }
    outbox.flush(state, tunnel, route.as_ref().ok(), now);
    Next::Wait
}

impl Outbox {
    /// Take one read of the device: cut it and lay its packets into the batch.
    fn accept(
        &mut self,
        state: &State,
        tunnel: &Tunnel,
        tun: &Tun,
        route: Result<&Route, &Drop>,
        octets: usize,
        now: u64,
    ) {
        let drops = &tunnel.traffic.drops;
        let Some(header) = self.input[..octets].first_chunk::<VNET_HEADER>().map(VnetHeader::parse) else {
            return drops.add(Drop::NotIp, 1);
        };
        let Some(view) = ip::View::new(&self.input[VNET_HEADER..octets]) else {
            return drops.add(Drop::NotIp, 1);
        };
        if route.is_ok_and(|route| recursive(&view, &route.parameters)) {
            return drops.add(Drop::Recursion, 1);
        }
        let (version, tos, inner_df) = (view.version(), view.tos(), view.dont_fragment());
        let Ok(plan) = Plan::new(&header, &self.input[VNET_HEADER..octets]) else {
            return drops.add(Drop::Segmentation, 1);
        };
        let route = match route {
            Ok(route) => route,
            Err(reason) => return drops.add(*reason, plan.count as u64),
        };
        let mut df = match (route.path.local, route.parameters.df) {
            (IpAddr::V4(_), Df::Clear) => false,
            (IpAddr::V4(_), Df::Set) => true,
            (IpAddr::V4(_), Df::Copy) => inner_df,
            // IPv6 is fragmented by its sender or not at all; the inner DF says whether it may be here.
            (IpAddr::V6(_), Df::Clear) => false,
            (IpAddr::V6(_), _) => inner_df,
        };
        if let (true, Some(mtu)) = (df, tunnel.path_mtu.get(now)) {
            let fits = route.largest_plaintext(mtu);
            // An IPv6 sender need not go below its minimum (RFC 2473 section 7.1), and one that lets its IPv4
            // packets be fragmented does not wait for advice: those are fragmented outside.
            let insists = inner_df && !(version == 6 && fits < IPV6_MINIMUM && plan.octets(0) <= IPV6_MINIMUM);
            if plan.octets(0) > fits && insists {
                drops.add(Drop::TooBig, plan.count as u64);
                let advised = if version == 6 { fits.max(IPV6_MINIMUM) } else { fits };
                return answer_too_big(tun, &self.input[VNET_HEADER..octets], advised);
            }
            df = plan.octets(0) <= fits;
        }
        let outer_tos = ecn::ingress(tos, route.parameters.tos);
        for n in 0..plan.count {
            let plaintext = plan.octets(n);
            let (before, total) = route.layout(plaintext);
            if self.packets.len() == BATCH_PACKETS || self.used() + total > BATCH_OCTETS {
                self.flush(state, tunnel, Some(route), now);
            }
            let start = self.used();
            let slot = &mut self.buffer[start..start + total];
            plan.write(&self.input[VNET_HEADER..octets], n, &mut slot[before..before + plaintext]);
            if route.sa.is_none() {
                gre::write(slot, version, route.parameters.key);
            }
            let fragmentable = !inner_df || version == 6 && plaintext <= IPV6_MINIMUM;
            self.packets.push(Outgoing { start, octets: total, tos: outer_tos, df, fragmentable });
            self.plaintext.push((plaintext, if version == 4 { NEXT_IPV4 } else { NEXT_IPV6 }));
        }
    }

    fn used(&self) -> usize {
        self.packets.last().map_or(0, |last| last.start + last.octets)
    }

    /// Seal and send the batch.
    fn flush(&mut self, state: &State, tunnel: &Tunnel, route: Option<&Route>, now: u64) {
        let Some(route) = route.filter(|_| !self.packets.is_empty()) else {
            return;
        };
        let sealed = match &route.sa {
            Some(sa) => self.seal(state, tunnel, sa, now),
            None => self.packets.len(),
        };
        let octets: usize = self.plaintext[..sealed].iter().map(|(octets, _)| octets).sum();
        tunnel.traffic.packets_out.fetch_add(sealed as u64, Relaxed);
        tunnel.traffic.octets_out.fetch_add(octets as u64, Relaxed);
        let path = &route.path;
        let outer = Outer { local: path.local, remote: path.remote_address(), tos: 0, ttl: route.parameters.ttl };
        let mut too_big = false;
        let mut again = Vec::new();
        self.transmitter.send(&route.sender, outer, &self.buffer, &self.packets[..sealed], |packet, error| {
            too_big |= error == SendError::TooBig;
            if error == SendError::TooBig && packet.df && packet.fragmentable {
                again.push(Outgoing { df: false, ..*packet });
            } else {
                tunnel.traffic.drops.add(unsent(error), 1);
            }
        });
        self.transmitter.send(&route.sender, outer, &self.buffer, &again, |_, error| {
            tunnel.traffic.drops.add(unsent(error), 1);
        });
        self.packets.clear();
        self.plaintext.clear();
        if too_big {
            learn_path_mtu(state, tunnel, path, now);
        }
    }

    /// Seal what the SA allows, from the start of the batch; gives how many.
    fn seal(&mut self, state: &State, tunnel: &Tunnel, sa: &OutboundSa, now: u64) -> usize {
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
                event.tunnel = Some(tunnel.device.clone());
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
            tunnel.traffic.drops.add(drop, refused);
            if first {
                report(kind);
            }
        }
        done.count
    }
}

/// What a packet that was not sent is counted under.
/// Whether the packet is one that this tunnel made, or IKE between its ends: sealing it again would loop.
fn recursive(packet: &ip::View<'_>, tunnel: &Parameters) -> bool {
    let (source, destination) = packet.addresses();
    let ends = match (tunnel.source, tunnel.destination) {
        (IpAddr::V4(a), IpAddr::V4(b)) => source == a.octets() && destination == b.octets(),
        (IpAddr::V6(a), IpAddr::V6(b)) => source == a.octets() && destination == b.octets(),
        _ => false,
    };
    let port = packet.octets().get(packet.header()..packet.header() + 2);
    ends && match packet.protocol() {
        ESP | GRE => true,
        UDP => port.is_some_and(|octets| IKE_PORTS.contains(&u16::from_be_bytes([octets[0], octets[1]]))),
        _ => false,
    }
}

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
fn learn_path_mtu(state: &State, tunnel: &Tunnel, path: &Path, now: u64) {
    // Where the kernel cannot say, the packets stay dropped and counted, and the next one asks again.
    let Ok(mtu) = path_mtu(path.local, path.remote) else { return };
    tunnel.path_mtu.learn(mtu, now);
    if tunnel.path_mtu_limit.allow(now) {
        state.report(Kind::PathMtu, |event| {
            event.tunnel = Some(tunnel.device.clone());
            event.remote = Some(path.remote);
            event.local = Some(path.local);
            event.mtu = Some(mtu);
        });
    }
}

/// Tell the inner sender; where the device does not take it the sender's next packet is answered.
fn answer_too_big(tun: &Tun, packet: &[u8], mtu: usize) {
    if let Some(answer) = icmp::too_big(packet, mtu as u32) {
        let _ = tun.write(&[IoSlice::new(&VnetHeader::default().octets()), IoSlice::new(&answer)]);
    }
}
