//! Cutting what the device hands over into packets of the tunnel's size: TCP segmentation as a
//! network card does it, UDP segmentation, and the checksums the kernel left for later.

use crate::tun::{GSO_ECN, GSO_NONE, GSO_TCP4, GSO_TCP6, GSO_UDP, NEEDS_CHECKSUM, VnetHeader};
use seikan_esp::ip;

const TCP: u8 = 6;
const UDP: u8 = 17;
const FIN_PSH: u8 = 0x09;
const CWR: u8 = 0x80;

/// The offload header does not fit its packet.
#[derive(Debug, PartialEq, Eq)]
pub struct SegmentError;

/// How one packet of the device becomes packets of the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Octets of IP and transport header; 0 where the packet stays whole.
    headers: usize,
    ip_header: usize,
    protocol: u8,
    /// Octets of payload in each segment.
    size: usize,
    /// Octets of the whole packet.
    length: usize,
    pub count: usize,
    checksum: Option<(usize, usize)>,
}

impl Plan {
    /// Check `header` against `packet`, which the kernel made: nothing in it is taken on trust.
    pub fn new(header: &VnetHeader, packet: &[u8]) -> Result<Self, SegmentError> {
        let view = ip::View::new(packet).ok_or(SegmentError)?;
        let length = view.length();
        let mut checksum = None;
        if header.flags & NEEDS_CHECKSUM != 0 {
            let (start, offset) = (usize::from(header.checksum_start), usize::from(header.checksum_offset));
            if start + offset + 2 > length {
                return Err(SegmentError);
            }
            checksum = Some((start, start + offset));
        }
        let gso = header.gso_type & !GSO_ECN;
        if gso == GSO_NONE {
            return Ok(Self { headers: 0, ip_header: 0, protocol: 0, size: length, length, count: 1, checksum });
        }
        let (transport, _) = checksum.ok_or(SegmentError)?;
        let (protocol, headers) = match (gso, view.version()) {
            (GSO_TCP4, 4) | (GSO_TCP6, 6) => {
                let offset = packet.get(transport + 12).ok_or(SegmentError)?;
                let octets = usize::from(offset >> 4) * 4;
                if octets < 20 {
                    return Err(SegmentError);
                }
                (TCP, transport + octets)
            }
            (GSO_UDP, _) => (UDP, transport + 8),
            _ => return Err(SegmentError),
        };
        let size = usize::from(header.gso_size);
        if size == 0 || transport < view.header() || headers > length {
            return Err(SegmentError);
        }
        let count = (length - headers).div_ceil(size).max(1);
        Ok(Self { headers, ip_header: transport, protocol, size, length, count, checksum })
    }

    /// Octets of segment `n`.
    pub fn octets(&self, n: usize) -> usize {
        if self.headers == 0 {
            return self.length;
        }
        self.headers + (self.length - self.headers - n * self.size).min(self.size)
    }

    /// Write segment `n` of `packet` into `out`, which has `octets(n)` octets.
    pub fn write(&self, packet: &[u8], n: usize, out: &mut [u8]) {
        if self.headers == 0 {
            out.copy_from_slice(&packet[..self.length]);
            if let Some((start, at)) = self.checksum {
                finish_checksum(out, start, at);
            }
            return;
        }
        let (headers, payload) = out.split_at_mut(self.headers);
        headers.copy_from_slice(&packet[..self.headers]);
        let from = self.headers + n * self.size;
        payload.copy_from_slice(&packet[from..from + payload.len()]);
        let last = n + 1 == self.count;
        let version = out[0] >> 4;
        let protocol = self.protocol;
        write_ip_length(out, self.ip_header, n);
        let transport = self.ip_header;
        let length = out.len() - transport;
        let at = if protocol == TCP {
            let sequence =
                u32::from_be_bytes([out[transport + 4], out[transport + 5], out[transport + 6], out[transport + 7]]);
            let sequence = sequence.wrapping_add((n * self.size) as u32);
            out[transport + 4..transport + 8].copy_from_slice(&sequence.to_be_bytes());
            let flags = &mut out[transport + 13];
            if !last {
                *flags &= !FIN_PSH;
            }
            if n > 0 {
                // Only the first segment says that the window was reduced (RFC 3168 section 6.1.2).
                *flags &= !CWR;
            }
            transport + 16
        } else {
            out[transport + 4..transport + 6].copy_from_slice(&(length as u16).to_be_bytes());
            transport + 6
        };
        out[at..at + 2].fill(0);
        let sum = {
            let (source, destination) = addresses(out, version);
            ip::pseudo_header(source, destination, protocol, length)
        };
        let checksum = match (ip::checksum(ip::sum(&out[transport..], sum)), protocol) {
            (0, UDP) => 0xffff,
            (value, _) => value,
        };
        out[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    }
}

fn addresses(packet: &[u8], version: u8) -> (&[u8], &[u8]) {
    if version == 4 { (&packet[12..16], &packet[16..20]) } else { (&packet[8..24], &packet[24..40]) }
}

/// Length, identification and header checksum of segment `n`; an IPv6 header has only a length.
fn write_ip_length(out: &mut [u8], ip_header: usize, n: usize) {
    if out[0] >> 4 == 6 {
        let length = out.len() - 40;
        out[4..6].copy_from_slice(&(length as u16).to_be_bytes());
        return;
    }
    let length = out.len() as u16;
    out[2..4].copy_from_slice(&length.to_be_bytes());
    let identification = u16::from_be_bytes([out[4], out[5]]).wrapping_add(n as u16);
    out[4..6].copy_from_slice(&identification.to_be_bytes());
    out[10..12].fill(0);
    let checksum = ip::checksum(ip::sum(&out[..ip_header], 0));
    out[10..12].copy_from_slice(&checksum.to_be_bytes());
}

/// The kernel left the sum of the pseudo header in the field; the rest is added here.
fn finish_checksum(packet: &mut [u8], start: usize, at: usize) {
    let mut checksum = ip::checksum(ip::sum(&packet[start..], 0));
    if checksum == 0 {
        // Zero means "none" to UDP, and is the same number to the others.
        checksum = 0xffff;
    }
    packet[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
#[path = "segment_tests.rs"]
pub(crate) mod tests;
