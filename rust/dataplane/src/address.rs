//! Socket addresses and control messages as octets, written and read without pointers.

use crate::sys::Envelope;
use std::ffi::c_int;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A `sockaddr_in` or `sockaddr_in6`.
pub fn write_address(out: &mut [u8; 32], address: SocketAddr) -> usize {
    match address {
        SocketAddr::V4(v4) => {
            out[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
            out[2..4].copy_from_slice(&v4.port().to_be_bytes());
            out[4..8].copy_from_slice(&v4.ip().octets());
            out[8..16].fill(0);
            16
        }
        SocketAddr::V6(v6) => {
            out[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
            out[2..4].copy_from_slice(&v6.port().to_be_bytes());
            out[4..8].fill(0);
            out[8..24].copy_from_slice(&v6.ip().octets());
            out[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
            28
        }
    }
}

/// The address of a `sockaddr_in` or `sockaddr_in6`; an IPv4 one mapped into IPv6 comes out as IPv4.
pub fn read_address(octets: &[u8]) -> Option<SocketAddr> {
    let family = c_int::from(u16::from_ne_bytes(*octets.first_chunk::<2>()?));
    let port = u16::from_be_bytes([*octets.get(2)?, *octets.get(3)?]);
    let ip = match family {
        libc::AF_INET => IpAddr::from(*octets.get(4..8)?.first_chunk::<4>()?),
        libc::AF_INET6 => Ipv6Addr::from(*octets.get(8..24)?.first_chunk::<16>()?).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Octets of a `cmsghdr`, and what control data is aligned to.
const CMSG_HEADER: usize = size_of::<libc::cmsghdr>();
const CMSG_ALIGN: usize = align_of::<libc::cmsghdr>();

fn push_control(envelope: &mut Envelope, level: c_int, kind: c_int, data: &[u8]) {
    let at = envelope.control_octets;
    let length = CMSG_HEADER + data.len();
    envelope.control[at..at + 8].copy_from_slice(&length.to_ne_bytes());
    envelope.control[at + 8..at + 12].copy_from_slice(&level.to_ne_bytes());
    envelope.control[at + 12..at + 16].copy_from_slice(&kind.to_ne_bytes());
    envelope.control[at + CMSG_HEADER..at + length].copy_from_slice(data);
    envelope.control_octets = at + length.next_multiple_of(CMSG_ALIGN);
}

/// Outer fields of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    pub local: IpAddr,
    pub remote: SocketAddr,
    pub tos: u8,
    pub ttl: u8,
}

/// Where to and how a message goes: destination, source, TOS, TTL, and the size of UDP segments.
pub fn envelope(outer: &Outer, segment: Option<u16>) -> Envelope {
    let mut envelope = Envelope::default();
    envelope.address_octets = write_address(&mut envelope.address, outer.remote);
    let (tos, ttl) = (c_int::from(outer.tos).to_ne_bytes(), c_int::from(outer.ttl).to_ne_bytes());
    match outer.local {
        IpAddr::V4(local) => {
            // in_pktinfo: interface index, source, unused.
            let mut info = [0; 12];
            info[4..8].copy_from_slice(&local.octets());
            push_control(&mut envelope, libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            push_control(&mut envelope, libc::IPPROTO_IP, libc::IP_TOS, &tos);
            push_control(&mut envelope, libc::IPPROTO_IP, libc::IP_TTL, &ttl);
        }
        IpAddr::V6(local) => {
            let mut info = [0; 20];
            info[..16].copy_from_slice(&local.octets());
            push_control(&mut envelope, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            push_control(&mut envelope, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &tos);
            push_control(&mut envelope, libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &ttl);
        }
    }
    if let Some(octets) = segment {
        push_control(&mut envelope, libc::SOL_UDP, libc::UDP_SEGMENT, &octets.to_ne_bytes());
    }
    envelope
}

/// What came with a received message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    pub local: Option<IpAddr>,
    pub tos: u8,
    /// Octets of each datagram that was joined into the message (UDP_GRO).
    pub segment: Option<usize>,
    /// Packets that the socket's full queue lost since it was made.
    pub lost: Option<u32>,
}

pub fn read_control(envelope: &Envelope) -> Received {
    let mut received = Received::default();
    let mut rest = &envelope.control[..envelope.control_octets.min(envelope.control.len())];
    while let Some(header) = rest.first_chunk::<16>() {
        let word = |at: usize| c_int::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let mut length = [0; 8];
        length.copy_from_slice(&header[..8]);
        let length = usize::from_ne_bytes(length);
        let Some(data) = rest.get(CMSG_HEADER..length) else { break };
        match (word(8), word(12)) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) if data.len() >= 12 => {
                received.local = Some(Ipv4Addr::new(data[8], data[9], data[10], data[11]).into());
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                received.local = data.first_chunk::<16>().map(|ip| Ipv6Addr::from(*ip).to_canonical());
            }
            (libc::IPPROTO_IP, libc::IP_TOS) => received.tos = data.first().copied().unwrap_or(0),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                received.tos = data.first_chunk::<4>().map_or(0, |value| c_int::from_ne_bytes(*value) as u8);
            }
            (libc::SOL_UDP, libc::UDP_GRO) => {
                received.segment = data.first_chunk::<4>().map(|value| c_int::from_ne_bytes(*value).max(0) as usize);
            }
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                received.lost = data.first_chunk::<4>().map(|value| u32::from_ne_bytes(*value));
            }
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(CMSG_ALIGN)..).unwrap_or(&[]);
    }
    received
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_around() {
        for text in ["192.0.2.1:4500", "[2001:db8::1]:500"] {
            let address: SocketAddr = text.parse().unwrap();
            let mut octets = [0xee; 32];
            let length = write_address(&mut octets, address);
            assert_eq!(read_address(&octets[..length]), Some(address));
            assert_eq!(read_address(&octets[..5]), None);
        }
        let mut octets = [0; 32];
        write_address(&mut octets, "[::ffff:192.0.2.1]:9".parse().unwrap());
        assert_eq!(read_address(&octets), "192.0.2.1:9".parse().ok());
    }

    #[test]
    fn control_messages_are_read_as_written() {
        for (local, remote) in [("192.0.2.1", "192.0.2.2:4500"), ("2001:db8::1", "[2001:db8::2]:0")] {
            let outer = Outer { local: local.parse().unwrap(), remote: remote.parse().unwrap(), tos: 0xb9, ttl: 255 };
            let envelope = envelope(&outer, Some(1400));
            assert!(envelope.control_octets <= envelope.control.len());
            assert_eq!(read_control(&envelope).tos, 0xb9);
        }
    }

    #[test]
    fn broken_control_data_ends_the_reading() {
        let mut envelope = Envelope { control_octets: 160, ..Envelope::default() };
        assert_eq!(read_control(&envelope), Received::default());
        envelope.control[0] = 200;
        assert_eq!(read_control(&envelope), Received::default());
    }
}
