//! A packet in: socket → SA by SPI, or GRE tunnel by endpoints → device.

use crate::address::{Received, read_address, read_control};
use crate::coalesce;
use crate::counters::Drop;
use crate::event::{Direction, IkeDatagram, Kind, Notice};
use crate::hold::{Held, Kept};
use crate::keepalive;
use crate::socket::{ESP, LossCounter};
use crate::sys::{Envelope, Messages};
use crate::table::{GreTable, GreTunnel, InboundSa, Path, Policy, Receiver, State, Tunnel, read};
use seikan_esp::selector::Traffic;
use seikan_esp::{OpenError, ecn, gre, ip, packet};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, RwLockReadGuard};

/// Messages of one receive; a UDP message may hold 64 KiB of joined datagrams.
const RAW_MESSAGES: usize = 64;
const UDP_MESSAGES: usize = 8;
/// Room for the largest IP packet, and a distance that keeps the buffers from sharing cache sets.
const ROOM: usize = 65_536;
const STRIDE: usize = ROOM + 2112;
/// Receives of one socket before others get their turn. A short one does not end the burst: more
/// has come while its packets were opened, and asking again is cheaper than to sleep and be woken.
const BURST: usize = 16;

/// A worker's memory for packets on their way in.
pub struct Inbox {
    buffer: Vec<u8>,
    envelopes: Vec<Envelope>,
    messages: Messages,
    run: Vec<Range<usize>>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            // Zeroed memory is not touched, hence not resident, until packets arrive.
            buffer: vec![0; STRIDE * RAW_MESSAGES],
            envelopes: vec![Envelope::default(); RAW_MESSAGES],
            messages: Messages::default(),
            run: Vec::with_capacity(256),
        }
    }
}

/// What a datagram on a NAT traversal port is (RFC 3948 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demultiplexed<'a> {
    Ike(&'a [u8]),
    Keepalive,
    Esp,
}

pub fn demultiplex(datagram: &[u8]) -> Demultiplexed<'_> {
    match datagram {
        [0xff] => Demultiplexed::Keepalive,
        [0, 0, 0, 0, ike @ ..] => Demultiplexed::Ike(ike),
        _ => Demultiplexed::Esp,
    }
}

/// Where a packet came from and to.
#[derive(Clone, Copy)]
pub struct Outer {
    pub local: IpAddr,
    pub remote: SocketAddr,
    pub tos: u8,
    pub encapsulated: bool,
}

/// The run of inner packets for one tunnel and policy, written when another's packet comes.
struct Run<'a> {
    owner: Option<(Arc<Tunnel>, Option<Arc<Policy>>)>,
    ranges: &'a mut Vec<Range<usize>>,
}

/// Who takes what, for the length of one receive.
struct Tables<'a> {
    sas: RwLockReadGuard<'a, HashMap<u32, Arc<InboundSa>>>,
    gre: RwLockReadGuard<'a, GreTable>,
}

/// Serve a raw socket until it is empty or others are due.
pub fn serve_raw(state: &State, fd: BorrowedFd<'_>, protocol: u8, losses: &LossCounter, inbox: &mut Inbox, now: u64) {
    for _ in 0..BURST {
        let Inbox { buffer, envelopes, messages, run } = inbox;
        let Ok(count) = messages.receive(fd, envelopes, buffer, STRIDE, ROOM) else { return };
        let mut run = Run { owner: None, ranges: run };
        let tables = Tables { sas: read(&state.inbound), gre: read(&state.gre) };
        for (i, envelope) in envelopes[..count].iter().enumerate() {
            let received = read_control(envelope);
            if let Some(total) = received.lost {
                state.drops.add(Drop::ReceiveQueueFull, losses.update(total));
            }
            let whole = i * STRIDE..i * STRIDE + envelope.octets;
            if envelope.flags & libc::MSG_TRUNC != 0 {
                state.drops.add(Drop::Truncated, 1);
                continue;
            }
            let Some((outer, payload)) = raw_packet(envelope, &received, &buffer[whole.clone()]) else {
                state.drops.add(Drop::Malformed, 1);
                continue;
            };
            let payload = whole.start + payload..whole.end;
            if protocol == ESP {
                esp_packet(state, &tables, &outer, buffer, payload, &mut run, now);
            } else {
                gre_packet(state, &tables.gre, &outer, buffer, payload, &mut run);
            }
        }
        write_run(&mut run, buffer);
    }
}

/// A raw IPv4 socket gives the IP header too; a raw IPv6 socket gives what is behind it.
fn raw_packet(envelope: &Envelope, received: &Received, octets: &[u8]) -> Option<(Outer, usize)> {
    let remote = read_address(&envelope.address[..envelope.address_octets.min(32)])?;
    if remote.is_ipv6() {
        let outer = Outer { local: received.local?, remote, tos: received.tos, encapsulated: false };
        return Some((outer, 0));
    }
    let view = ip::View::new(octets).filter(|view| view.version() == 4)?;
    let local: [u8; 4] = view.addresses().1.try_into().ok()?;
    Some((Outer { local: local.into(), remote, tos: view.tos(), encapsulated: false }, view.header()))
}

/// Serve a NAT traversal socket until it is empty or others are due.
pub fn serve_udp(state: &State, fd: BorrowedFd<'_>, port: u16, losses: &LossCounter, inbox: &mut Inbox, now: u64) {
    for _ in 0..BURST {
        let Inbox { buffer, envelopes, messages, run } = inbox;
        let Ok(count) = messages.receive(fd, &mut envelopes[..UDP_MESSAGES], buffer, STRIDE, ROOM) else { return };
        let mut run = Run { owner: None, ranges: run };
        let tables = Tables { sas: read(&state.inbound), gre: read(&state.gre) };
        for (i, envelope) in envelopes[..count].iter().enumerate() {
            let received = read_control(envelope);
            if let Some(total) = received.lost {
                state.drops.add(Drop::ReceiveQueueFull, losses.update(total));
            }
            let remote = read_address(&envelope.address[..envelope.address_octets.min(32)]);
            let (Some(remote), Some(local)) = (remote, received.local) else {
                state.drops.add(Drop::Malformed, 1);
                continue;
            };
            if envelope.flags & libc::MSG_TRUNC != 0 {
                state.drops.add(Drop::Truncated, 1);
                continue;
            }
            if envelope.octets == 0 {
                state.drops.add(Drop::Malformed, 1);
            }
            let outer = Outer { local, remote, tos: received.tos, encapsulated: true };
            let (start, end) = (i * STRIDE, i * STRIDE + envelope.octets);
            let segment = received.segment.filter(|octets| *octets > 0).unwrap_or(ROOM);
            for at in (start..end).step_by(segment) {
                let datagram = at..end.min(at + segment);
                match demultiplex(&buffer[datagram.clone()]) {
                    Demultiplexed::Keepalive => state.drops.add(Drop::Keepalive, 1),
                    Demultiplexed::Ike(ike) => {
                        let data = ike.to_vec();
                        let local = SocketAddr::new(local, port);
                        state.events.push(Notice::Ike(IkeDatagram { data, local, remote }), &state.drops);
                    }
                    Demultiplexed::Esp => esp_packet(state, &tables, &outer, buffer, datagram, &mut run, now),
                }
            }
        }
        write_run(&mut run, buffer);
    }
}

/// Find the SA of one ESP packet.
fn esp_packet(
    state: &State,
    tables: &Tables<'_>,
    outer: &Outer,
    buffer: &mut [u8],
    range: Range<usize>,
    run: &mut Run<'_>,
    now: u64,
) {
    let Some(spi) = packet::spi(&buffer[range.clone()]) else {
        return state.drops.add(Drop::Malformed, 1);
    };
    // An SA is found by SPI and destination (RFC 4301 section 4.1); the source may change on the way.
    let found = tables.sas.get(&spi).map(|sa| (sa, *read(&sa.path))).filter(|(_, path)| path.local == outer.local);
    match found {
        Some((sa, path)) => open(state, &tables.gre, sa, &path, outer, buffer, range, run, now),
        None => match state.hold.keep(spi, *outer, &buffer[range.clone()], now) {
            Kept::Yes => {}
            Kept::Full => unknown_spi(state, outer, &buffer[range], Drop::HoldFull, now),
            Kept::Stranger => unknown_spi(state, outer, &buffer[range], Drop::UnknownSpi, now),
        },
    }
}

/// Count an ESP packet that has no SA as `reason`, and tell of it.
fn unknown_spi(state: &State, outer: &Outer, octets: &[u8], reason: Drop, now: u64) {
    state.drops.add(reason, 1);
    let Some(spi) = packet::spi(octets) else { return };
    if state.events.allow_unknown(spi, now) {
        state.report(Kind::UnknownSpi, |event| {
            event.spi = Some(spi);
            event.direction = Some(Direction::In);
            event.remote = Some(outer.remote.ip());
            event.remote_port = outer.encapsulated.then_some(outer.remote.port());
            event.local = Some(outer.local);
            event.sequence = packet::sequence(octets);
        });
    }
}

/// Drop a packet that was held.
pub fn drop_held(state: &State, held: &Held, reason: Drop, now: u64) {
    unknown_spi(state, &held.outer, &held.octets, reason, now);
}

/// Drop what was held for too long.
pub fn drop_expired(state: &State, now: u64) {
    state.hold.expire(now).iter().for_each(|(_, held)| drop_held(state, held, Drop::HoldExpired, now));
}

/// Open what was held for an SA that is about to be in the table, as if it came now.
pub fn take_held(state: &State, sa: &InboundSa, spi: u32, now: u64) {
    drop_expired(state, now);
    let packets = state.hold.take(spi);
    if packets.is_empty() {
        return;
    }
    let mut buffer = Vec::with_capacity(packets.iter().map(|held| held.octets.len()).sum());
    let mut ranges = Vec::with_capacity(packets.len());
    let mut run = Run { owner: None, ranges: &mut ranges };
    let (gre, path) = (read(&state.gre), *read(&sa.path));
    for Held { outer, octets, .. } in &packets {
        if path.local != outer.local {
            unknown_spi(state, outer, octets, Drop::UnknownSpi, now);
            continue;
        }
        let range = buffer.len()..buffer.len() + octets.len();
        buffer.extend_from_slice(octets);
        open(state, &gre, sa, &path, outer, &mut buffer, range, &mut run, now);
    }
    write_run(&mut run, &buffer);
}

/// Open one ESP packet and queue what is in it for its tunnel.
#[allow(clippy::too_many_arguments)]
fn open(
    state: &State,
    gre: &GreTable,
    sa: &InboundSa,
    path: &Path,
    outer: &Outer,
    buffer: &mut [u8],
    range: Range<usize>,
    run: &mut Run<'_>,
    now: u64,
) {
    let spi = sa.sa.spi;
    let drop = |reason| sa.dropped(state, reason, 1);
    let report = |kind, sequence: Option<u32>| {
        state.report(kind, |event| {
            event.tunnel = Some(sa.bundle.name.clone());
            event.spi = Some(spi);
            event.direction = Some(Direction::In);
            event.remote = Some(outer.remote.ip());
            event.remote_port = outer.encapsulated.then_some(outer.remote.port());
            event.local = Some(outer.local);
            event.sequence = sequence;
        });
    };
    if path.encapsulation.is_some() != outer.encapsulated {
        return drop(Drop::EncapsulationMismatch);
    }
    let opened = match sa.sa.open(&mut buffer[range.clone()], now) {
        Ok(opened) => opened,
        Err(OpenError::Malformed) => return drop(Drop::Malformed),
        Err(OpenError::Replay { sequence }) => {
            if sa.limits.replay.allow(now) {
                report(Kind::Replay, Some(sequence));
            }
            return drop(Drop::Replay);
        }
        Err(OpenError::Authentication { sequence }) => {
            if sa.limits.authentication.allow(now) {
                report(Kind::AuthenticationFailure, Some(sequence));
            }
            return drop(Drop::Authentication);
        }
        Err(OpenError::HardExpired { report: first }) => {
            if first {
                report(Kind::HardExpire, None);
            }
            return drop(Drop::HardExpired);
        }
        Err(OpenError::Dummy) => return drop(Drop::Dummy),
        Err(OpenError::NextHeader) => return drop(Drop::NextHeader),
        Err(OpenError::Inner) => return drop(Drop::Inner),
    };
    if opened.soft_expired {
        report(Kind::SoftExpire, None);
    }
    if outer.encapsulated && opened.newest && outer.remote != path.remote_address() && sa.limits.peer_address.allow(now)
    {
        report(Kind::PeerAddress, Some(opened.sequence as u32));
    }
    let inner = range.start + opened.payload.start..range.start + opened.payload.end;
    let (tunnel, policy) = match &sa.receiver {
        Receiver::Ipsec(tunnel, policy) => (tunnel, policy.as_ref()),
        Receiver::Gre => {
            return protected_gre(state, gre, sa, outer.tos, opened.next_header, buffer, inner, run);
        }
    };
    if let Some(policy) = policy
        && !ip::View::new(&buffer[inner.clone()]).is_some_and(|view| policy.selector.admits(&Traffic::received(&view)))
    {
        return drop(Drop::SelectorMismatch);
    }
    if !apply_ecn(&mut buffer[inner.clone()], outer.tos) {
        return drop(Drop::Ecn);
    }
    queue(run, tunnel, policy, inner, buffer);
}

/// Find the tunnel of a GRE packet that came out of an SA: the one of its bundle that has the key.
#[allow(clippy::too_many_arguments)]
fn protected_gre(
    state: &State,
    table: &GreTable,
    sa: &InboundSa,
    outer_tos: u8,
    next_header: u8,
    buffer: &mut [u8],
    inner: Range<usize>,
    run: &mut Run<'_>,
) {
    let drop = |reason| sa.dropped(state, reason, 1);
    let found = match gre::protected(&buffer[inner.clone()], next_header) {
        Ok(found) => found,
        Err(gre::ProtectedError::Fragment) => return drop(Drop::GreFragment),
        Err(gre::ProtectedError::NotGre) => return drop(Drop::NotGre),
    };
    // Congestion marked outside goes through the header between to the inner packet.
    let Some(tos) = found.tos.map_or(Some(outer_tos), |tos| ecn::between(tos, outer_tos)) else {
        return drop(Drop::Ecn);
    };
    let range = inner.start + found.packet.start..inner.start + found.packet.end;
    let header = match gre::parse(&buffer[range.clone()]) {
        Ok(header) => header,
        Err(error) => return drop(refused(error)),
    };
    let Some(tunnel) = table.protected.get(&(sa.bundle.id, header.key)) else {
        return drop(Drop::GreNoTunnel);
    };
    if header.protocol == gre::KEEPALIVE && keepalive::came_back(state, tunnel) {
        return;
    }
    if let Err(reason) = gre_payload(tunnel, &header, tos, buffer, range, run) {
        sa.drops.add(reason, 1);
        tunnel.dropped(None, reason, 1);
    }
}

/// Find the tunnel of one GRE packet in clear and queue what is in it.
fn gre_packet(
    state: &State,
    table: &GreTable,
    outer: &Outer,
    buffer: &mut [u8],
    range: Range<usize>,
    run: &mut Run<'_>,
) {
    let header = match gre::parse(&buffer[range.clone()]) {
        Ok(header) => header,
        Err(error) => return state.drops.add(refused(error), 1),
    };
    let Some(GreTunnel { tunnel, protected }) = table.clear.get(&(outer.local, outer.remote.ip(), header.key)) else {
        return state.drops.add(Drop::GreNoTunnel, 1);
    };
    if header.protocol == gre::KEEPALIVE && keepalive::came_back(state, tunnel) {
        return;
    }
    if *protected {
        return tunnel.dropped(None, Drop::GreClear, 1);
    }
    if let Err(reason) = gre_payload(tunnel, &header, outer.tos, buffer, range, run) {
        tunnel.dropped(None, reason, 1);
    }
}

fn refused(error: gre::GreError) -> Drop {
    match error {
        gre::GreError::Malformed => Drop::GreMalformed,
        gre::GreError::Unsupported => Drop::GreUnsupported,
        gre::GreError::Checksum => Drop::GreChecksum,
    }
}

/// Queue what is in a GRE packet at `range`, around which was a header of TOS `outer`.
fn gre_payload(
    tunnel: &Arc<Tunnel>,
    header: &gre::Header,
    outer: u8,
    buffer: &mut [u8],
    range: Range<usize>,
    run: &mut Run<'_>,
) -> Result<(), Drop> {
    let version = match header.protocol {
        gre::ETHERTYPE_IPV4 => 4,
        gre::ETHERTYPE_IPV6 => 6,
        gre::KEEPALIVE => return Err(Drop::GreKeepalive),
        _ => return Err(Drop::GreProtocol),
    };
    let start = range.start + header.octets;
    let inner = match ip::View::new(&buffer[start..range.end]) {
        Some(view) if view.version() == version => start..start + view.length(),
        _ => return Err(Drop::Inner),
    };
    if !apply_ecn(&mut buffer[inner.clone()], outer) {
        return Err(Drop::Ecn);
    }
    queue(run, tunnel, None, inner, buffer);
    Ok(())
}

/// RFC 6040 section 4.2; false where the packet must be dropped.
fn apply_ecn(inner: &mut [u8], outer: u8) -> bool {
    if outer & 3 == ecn::NOT_ECT {
        return true;
    }
    let tos = ip::View::new(inner).map_or(0, |view| view.tos());
    match ecn::egress(tos, outer) {
        ecn::Egress::Keep => true,
        ecn::Egress::Set(value) => {
            ip::set_ecn(inner, value);
            true
        }
        ecn::Egress::Drop => false,
    }
}

fn queue(run: &mut Run<'_>, tunnel: &Arc<Tunnel>, policy: Option<&Arc<Policy>>, inner: Range<usize>, buffer: &[u8]) {
    let same = |(current, of): &(Arc<Tunnel>, Option<Arc<Policy>>)| {
        Arc::ptr_eq(current, tunnel) && of.as_ref().map(Arc::as_ptr) == policy.map(Arc::as_ptr)
    };
    if !run.owner.as_ref().is_some_and(same) {
        write_run(run, buffer);
        run.owner = Some((tunnel.clone(), policy.cloned()));
    }
    run.ranges.push(inner);
}

/// Hand the run to its device.
fn write_run(run: &mut Run<'_>, buffer: &[u8]) {
    let Some((tunnel, policy)) = run.owner.take() else { return };
    let policy = policy.as_deref();
    let guard = read(&tunnel.tun);
    match guard.as_ref() {
        None => tunnel.dropped(policy, Drop::DeviceDown, run.ranges.len() as u64),
        Some(tun) => {
            coalesce::join(buffer, run.ranges, |joined| {
                match tun.write(&joined.parts(buffer)) {
                    Ok(_) => {
                        for traffic in
                            [Some(&tunnel.traffic), policy.map(|policy| &policy.traffic)].into_iter().flatten()
                        {
                            traffic.packets_in.fetch_add(joined.packets, Relaxed);
                            traffic.octets_in.fetch_add(joined.octets, Relaxed);
                        }
                    }
                    // The kernel answers EIO for a device that is administratively down.
                    Err(error) if error.raw_os_error() == Some(libc::EIO) => {
                        tunnel.dropped(policy, Drop::DeviceDown, joined.packets);
                    }
                    Err(_) => tunnel.dropped(policy, Drop::DeviceWrite, joined.packets),
                }
            });
        }
    }
    run.ranges.clear();
}
