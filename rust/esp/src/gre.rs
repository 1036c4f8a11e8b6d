//! GRE (RFC 2784) with the key and sequence number extensions (RFC 2890).

use crate::ip;
use crate::packet::NEXT_GRE;
use std::net::IpAddr;
use std::ops::Range;

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const VERSION: u16 = 0x0007;

pub const ETHERTYPE_IPV4: u16 = 0x0800;
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// What IOS has in the protocol field of a keepalive's inner header: it carries nothing.
pub const KEEPALIVE: u16 = 0;
/// IP precedence 6, internetwork control, as IOS marks its keepalives.
const KEEPALIVE_TOS: u8 = 0xc0;

/// Octets of the header this side sends.
pub fn header_octets(key: Option<u32>) -> usize {
    if key.is_some() { 8 } else { 4 }
}

/// Write the header for an inner packet of IP `version` into the start of `out`.
pub fn write(out: &mut [u8], version: u8, key: Option<u32>) {
    write_protocol(out, if version == 4 { ETHERTYPE_IPV4 } else { ETHERTYPE_IPV6 }, key);
}

fn write_protocol(out: &mut [u8], protocol: u16, key: Option<u32>) {
    let flags = if key.is_some() { KEY } else { 0 };
    out[..2].copy_from_slice(&flags.to_be_bytes());
    out[2..4].copy_from_slice(&protocol.to_be_bytes());
    if let Some(key) = key {
        out[4..8].copy_from_slice(&key.to_be_bytes());
    }
}

/// The inner packet of a keepalive as IOS makes it: an empty GRE packet from `destination` to `source`, the two ends of
/// the tunnel. The peer takes it out of the tunnel and routes it back, without knowing what it is.
pub fn keepalive(source: IpAddr, destination: IpAddr, key: Option<u32>) -> Vec<u8> {
    let octets = ip::header_octets(source);
    let mut packet = vec![0; octets + header_octets(key)];
    write_protocol(&mut packet[octets..], KEEPALIVE, key);
    let header = ip::Header {
        source: destination,
        destination: source,
        protocol: NEXT_GRE,
        tos: KEEPALIVE_TOS,
        ttl: 255,
        dont_fragment: false,
        identification: 0,
    };
    header.write(&mut packet);
    packet
}

/// A received header: `octets` of it lie before the inner packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub key: Option<u32>,
    pub protocol: u16,
    pub octets: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GreError {
    /// Too short for the fields its flags announce.
    Malformed,
    /// Source routing (RFC 1701) or a version other than 0.
    Unsupported,
    Checksum,
}

/// Parse the header of `packet`, which is all of the outer payload. A checksum is verified; a
/// sequence number is skipped, as RFC 2890 section 2.2 allows a receiver that does not order packets.
pub fn parse(packet: &[u8]) -> Result<Header, GreError> {
    let field = |at: usize| packet.get(at..at + 4).and_then(|f| f.first_chunk::<4>()).ok_or(GreError::Malformed);
    let [a, b, c, d] = *field(0)?;
    let flags = u16::from_be_bytes([a, b]);
    if flags & (ROUTING | VERSION) != 0 {
        return Err(GreError::Unsupported);
    }
    let mut octets = 4;
    if flags & CHECKSUM != 0 {
        field(octets)?;
        octets += 4;
        if ip::checksum(ip::sum(packet, 0)) != 0 {
            return Err(GreError::Checksum);
        }
    }
    let mut key = None;
    if flags & KEY != 0 {
        key = Some(u32::from_be_bytes(*field(octets)?));
        octets += 4;
    }
    if flags & SEQUENCE != 0 {
        field(octets)?;
        octets += 4;
    }
    Ok(Header { key, protocol: u16::from_be_bytes([c, d]), octets })
}

/// GRE that came out of an SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// Where the GRE packet lies in the payload.
    pub packet: Range<usize>,
    /// The TOS octet of the IP header around it, in tunnel mode.
    pub tos: Option<u8>,
}

/// Why what came out of a GRE tunnel's SA is no GRE packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtectedError {
    /// Part of a GRE packet, which its sender cut before it encrypted.
    Fragment,
    NotGre,
}

/// The GRE packet in `payload`, which `next_header` introduced: at its start in transport mode, in an IP packet in
/// tunnel mode. The addresses of that IP packet are not looked at: behind a NAT they are the peer's private ones.
pub fn protected(payload: &[u8], next_header: u8) -> Result<Protected, ProtectedError> {
    if next_header == NEXT_GRE {
        return Ok(Protected { packet: 0..payload.len(), tos: None });
    }
    let view = ip::View::new(payload).ok_or(ProtectedError::NotGre)?;
    match view.next_layer() {
        ip::NextLayer { protocol: Some(NEXT_GRE), header } if view.fragment() || header.is_none() => {
            Err(ProtectedError::Fragment)
        }
        ip::NextLayer { protocol: Some(NEXT_GRE), header: Some(at) } => {
            Ok(Protected { packet: at..view.length(), tos: Some(view.tos()) })
        }
        _ => Err(ProtectedError::NotGre),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_parsed() {
        for (version, key) in [(4, None), (6, None), (4, Some(7)), (6, Some(u32::MAX))] {
            let mut packet = vec![0xee; 30];
            write(&mut packet, version, key);
            let protocol = if version == 4 { ETHERTYPE_IPV4 } else { ETHERTYPE_IPV6 };
            assert_eq!(parse(&packet), Ok(Header { key, protocol, octets: header_octets(key) }));
        }
    }

    #[test]
    fn checksum_key_and_sequence_together() {
        let mut packet = vec![0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0x45, 1, 2];
        let check = ip::checksum(ip::sum(&packet, 0));
        packet[4..6].copy_from_slice(&check.to_be_bytes());
        assert_eq!(parse(&packet), Ok(Header { key: Some(5), protocol: ETHERTYPE_IPV4, octets: 16 }));
        packet[17] ^= 1;
        assert_eq!(parse(&packet), Err(GreError::Checksum));
        for cut in 0..16 {
            assert!(parse(&packet[..cut]).is_err());
        }
    }

    #[test]
    fn routing_and_other_versions_are_unsupported() {
        assert_eq!(parse(&[0x40, 0, 8, 0]), Err(GreError::Unsupported));
        assert_eq!(parse(&[0x00, 1, 8, 0]), Err(GreError::Unsupported));
    }

    #[test]
    fn a_keepalive_is_an_empty_gre_packet_back() {
        let unhex = crate::packet::tests::unhex;
        let packet = keepalive([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), Some(0x77));
        assert_eq!(packet[20..], unhex("2000 0000 00000077"));
        assert_eq!((&packet[12..16], &packet[16..20]), (&[10, 0, 0, 2][..], &[10, 0, 0, 1][..]));
        assert_eq!((packet[1], packet[8], packet[9]), (0xc0, 255, 47));
        assert_eq!(parse(&packet[20..]), Ok(Header { key: Some(0x77), protocol: KEEPALIVE, octets: 8 }));
        let packet = keepalive("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap(), None);
        let view = ip::View::new(&packet).unwrap();
        assert_eq!((view.length(), view.protocol(), view.addresses().1[15]), (44, 47, 1));
        assert_eq!(parse(&packet[40..]), Ok(Header { key: None, protocol: KEEPALIVE, octets: 4 }));
    }

    fn in_ip(source: &str, destination: &str, protocol: u8, gre: &[u8]) -> Vec<u8> {
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        let octets = ip::header_octets(source);
        let mut packet = [vec![0; octets], gre.to_vec()].concat();
        ip::Header { source, destination, protocol, tos: 0x22, ttl: 255, dont_fragment: false, identification: 1 }
            .write(&mut packet);
        packet
    }

    #[test]
    fn gre_comes_out_of_an_sa_in_either_mode() {
        let gre = [0, 0, 8, 0, 0x45];
        assert_eq!(protected(&gre, NEXT_GRE), Ok(Protected { packet: 0..5, tos: None }));
        for (source, destination, next, at) in [("10.0.0.1", "10.0.0.2", 4, 20), ("fd00::1", "fd00::2", 41, 40)] {
            let packet = in_ip(source, destination, NEXT_GRE, &gre);
            assert_eq!(protected(&packet, next), Ok(Protected { packet: at..at + 5, tos: Some(0x22) }));
            assert_eq!(protected(&in_ip(source, destination, 17, &gre), next), Err(ProtectedError::NotGre));
        }
    }

    #[test]
    fn a_fragment_is_told_from_what_is_no_gre() {
        let gre = [0; 16];
        for (at, value) in [(6, 0x20), (7, 2)] {
            let mut packet = in_ip("10.0.0.1", "10.0.0.2", NEXT_GRE, &gre);
            packet[at] = value;
            assert_eq!(protected(&packet, 4), Err(ProtectedError::Fragment));
            packet[9] = 17;
            assert_eq!(protected(&packet, 4), Err(ProtectedError::NotGre));
        }
        let mut later = in_ip("fd00::1", "fd00::2", 44, &gre);
        later[40..44].copy_from_slice(&[47, 0, 0, 8]);
        assert_eq!(protected(&later, 41), Err(ProtectedError::Fragment));
    }

    proptest! {
        #[test]
        fn any_octets_are_gre_or_not(data in prop::collection::vec(any::<u8>(), 0..100), next in any::<u8>()) {
            if let Ok(found) = protected(&data, next) {
                prop_assert!(found.packet.start <= found.packet.end && found.packet.end <= data.len());
            }
        }

        #[test]
        fn any_octets_parse_or_are_refused(data in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(header) = parse(&data) {
                prop_assert!(header.octets <= data.len());
            }
        }
    }
}
