//! Joining TCP segments of one flow that arrived together, so that the device takes them in one
//! write, as a network card with receive offload does it (the rules are those of Linux GRO).

use crate::tun::{GSO_TCP4, GSO_TCP6, LARGEST, NEEDS_CHECKSUM, VNET_HEADER, VnetHeader};
use seikan_esp::ip::{self, View};
use std::io::IoSlice;
use std::ops::Range;

const TCP: u8 = 6;
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;
/// Flows that are open at once, and segments of one write.
const FLOWS: usize = 8;
const SEGMENTS: usize = 64;
/// The largest headers that are joined: IPv6 and TCP with all options.
const HEADERS: usize = 40 + 60;

/// One write to the device: headers of its own, then payloads where they lie in the receive buffer.
pub struct Joined {
    prefix: [u8; VNET_HEADER + HEADERS],
    prefix_octets: usize,
    payloads: Vec<Range<usize>>,
    pub packets: u64,
    pub octets: u64,
}

impl Joined {
    /// The parts of the write; `buffer` is what the ranges given to `join` are ranges of.
    pub fn parts<'a>(&'a self, buffer: &'a [u8]) -> Vec<IoSlice<'a>> {
        let mut parts = Vec::with_capacity(1 + self.payloads.len());
        parts.push(IoSlice::new(&self.prefix[..self.prefix_octets]));
        parts.extend(self.payloads.iter().map(|range| IoSlice::new(&buffer[range.clone()])));
        parts
    }

    fn single(packet: Range<usize>) -> Self {
        let octets = packet.len() as u64;
        let prefix = [0; VNET_HEADER + HEADERS];
        Self { prefix, prefix_octets: VNET_HEADER, payloads: vec![packet], packets: 1, octets }
    }
}

struct Flow {
    /// IP and TCP header of the first segment.
    header: [u8; HEADERS],
    header_octets: usize,
    ip_header: usize,
    size: usize,
    next_sequence: u32,
    whole: Range<usize>,
    payloads: Vec<Range<usize>>,
    octets: u64,
    total: usize,
    pushed: bool,
    /// A segment shorter than the others was taken: nothing may follow it.
    closed: bool,
}

/// Join the packets at `ranges` of `buffer`, all of one tunnel, in the order of their arrival. The
/// order within a flow is kept. `write` is called for each packet or train of segments.
pub fn join(buffer: &[u8], ranges: &[Range<usize>], mut write: impl FnMut(Joined)) {
    let mut flows: Vec<Flow> = Vec::new();
    for range in ranges {
        let packet = &buffer[range.clone()];
        let Some(segment) = Segment::new(packet) else {
            // Something else of a flow that is open (a FIN, say) must not overtake it.
            for flow in flows.drain(..) {
                write(flow.finish(buffer));
            }
            write(Joined::single(range.clone()));
            continue;
        };
        if let Some(at) = flows.iter().position(|flow| flow.same_flow(packet, &segment)) {
            if flows[at].take(packet, &segment, range) {
                continue;
            }
            write(flows.remove(at).finish(buffer));
        }
        if flows.len() == FLOWS {
            write(flows.remove(0).finish(buffer));
        }
        flows.push(Flow::new(packet, &segment, range));
    }
    for flow in flows {
        write(flow.finish(buffer));
    }
}

/// A TCP segment that may be joined with others.
struct Segment {
    ip_header: usize,
    headers: usize,
    sequence: u32,
    pushed: bool,
}

impl Segment {
    fn new(packet: &[u8]) -> Option<Self> {
        let view = View::new(packet)?;
        // No options, no fragments, and DF, without which the identification would have to count.
        let plain = match view.version() {
            4 => view.header() == 20 && !view.fragment() && view.dont_fragment(),
            _ => true,
        };
        if !plain || view.protocol() != TCP || view.length() != packet.len() {
            return None;
        }
        let ip_header = view.header();
        let tcp = packet.get(ip_header..).filter(|tcp| tcp.len() >= 20)?;
        let octets = usize::from(tcp[12] >> 4) * 4;
        let flags = tcp[13];
        if octets < 20 || tcp.len() <= octets || flags & !PSH != ACK || tcp[12] & 0x0f != 0 {
            return None;
        }
        let (source, destination) = view.addresses();
        let sum = ip::pseudo_header(source, destination, TCP, tcp.len());
        if ip::checksum(ip::sum(tcp, sum)) != 0 {
            return None;
        }
        let sequence = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
        Some(Self { ip_header, headers: ip_header + octets, sequence, pushed: flags & PSH != 0 })
    }
}

impl Flow {
    fn new(packet: &[u8], segment: &Segment, range: &Range<usize>) -> Self {
        let mut header = [0; HEADERS];
        header[..segment.headers].copy_from_slice(&packet[..segment.headers]);
        let size = packet.len() - segment.headers;
        let mut payloads = Vec::with_capacity(SEGMENTS);
        payloads.push(range.start + segment.headers..range.end);
        Self {
            header,
            header_octets: segment.headers,
            ip_header: segment.ip_header,
            size,
            next_sequence: segment.sequence.wrapping_add(size as u32),
            whole: range.clone(),
            payloads,
            octets: packet.len() as u64,
            total: packet.len(),
            pushed: segment.pushed,
            closed: segment.pushed,
        }
    }

    /// Same addresses and ports.
    fn same_flow(&self, packet: &[u8], segment: &Segment) -> bool {
        let addresses = if segment.ip_header == 20 { 12..20 } else { 8..40 };
        let ports = segment.ip_header..segment.ip_header + 4;
        packet[0] >> 4 == self.header[0] >> 4
            && self.ip_header == segment.ip_header
            && packet[addresses.clone()] == self.header[addresses]
            && packet[ports.clone()] == self.header[ports]
    }

    /// Add a segment that continues this train; false where it does not.
    fn take(&mut self, packet: &[u8], segment: &Segment, range: &Range<usize>) -> bool {
        let payload = packet.len() - segment.headers;
        let fits = !self.closed
            && self.payloads.len() < SEGMENTS
            && segment.headers == self.header_octets
            && segment.sequence == self.next_sequence
            && payload <= self.size
            && self.total + payload <= LARGEST
            && self.same_headers(packet);
        if fits {
            self.payloads.push(range.start + segment.headers..range.end);
            self.next_sequence = self.next_sequence.wrapping_add(payload as u32);
            self.octets += packet.len() as u64;
            self.total += payload;
            self.pushed = segment.pushed;
            self.closed = segment.pushed || payload < self.size;
        }
        fits
    }

    /// What every segment of a train must share: TOS, TTL, acknowledgement, window and TCP options.
    fn same_headers(&self, packet: &[u8]) -> bool {
        let tcp = self.ip_header;
        let same = |range: Range<usize>| packet[range.clone()] == self.header[range];
        let ip = if tcp == 20 { same(0..2) && same(6..10) } else { same(0..4) && same(6..8) };
        ip && same(tcp + 8..tcp + 13) && same(tcp + 14..tcp + 16) && same(tcp + 20..self.header_octets)
    }

    fn finish(mut self, buffer: &[u8]) -> Joined {
        if self.payloads.len() == 1 {
            debug_assert!(self.whole.end <= buffer.len());
            return Joined::single(self.whole);
        }
        let tcp = self.ip_header;
        let header = &mut self.header[..self.header_octets];
        let gso_type = if tcp == 20 {
            header[2..4].copy_from_slice(&(self.total as u16).to_be_bytes());
            header[10..12].fill(0);
            let checksum = ip::checksum(ip::sum(&header[..20], 0));
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
            GSO_TCP4
        } else {
            header[4..6].copy_from_slice(&((self.total - 40) as u16).to_be_bytes());
            GSO_TCP6
        };
        if self.pushed {
            header[tcp + 13] |= PSH;
        }
        let (source, destination) = if tcp == 20 { (12..16, 16..20) } else { (8..24, 24..40) };
        let sum = ip::pseudo_header(&header[source], &header[destination], TCP, self.total - tcp);
        // The kernel wants the plain sum of the pseudo header in the field and adds the rest itself.
        header[tcp + 16..tcp + 18].copy_from_slice(&(!ip::checksum(sum)).to_be_bytes());
        let vnet = VnetHeader {
            flags: NEEDS_CHECKSUM,
            gso_type,
            header: self.header_octets as u16,
            gso_size: self.size as u16,
            checksum_start: tcp as u16,
            checksum_offset: 16,
        };
        let mut prefix = [0; VNET_HEADER + HEADERS];
        prefix[..VNET_HEADER].copy_from_slice(&vnet.octets());
        prefix[VNET_HEADER..VNET_HEADER + self.header_octets].copy_from_slice(header);
        Joined {
            prefix,
            prefix_octets: VNET_HEADER + self.header_octets,
            packets: self.payloads.len() as u64,
            octets: self.octets,
            payloads: self.payloads,
        }
    }
}

#[cfg(test)]
#[path = "coalesce_tests.rs"]
mod tests;
