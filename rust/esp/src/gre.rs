//! GRE (RFC 2784) with the key and sequence number extensions (RFC 2890).

use crate::ip;

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const VERSION: u16 = 0x0007;

pub const ETHERTYPE_IPV4: u16 = 0x0800;
pub const ETHERTYPE_IPV6: u16 = 0x86dd;

/// Octets of the header this side sends.
pub fn header_octets(key: Option<u32>) -> usize {
    if key.is_some() { 8 } else { 4 }
}

/// Write the header for an inner packet of IP `version` into the start of `out`.
pub fn write(out: &mut [u8], version: u8, key: Option<u32>) {
    let flags = if key.is_some() { KEY } else { 0 };
    let protocol = if version == 4 { ETHERTYPE_IPV4 } else { ETHERTYPE_IPV6 };
    out[..2].copy_from_slice(&flags.to_be_bytes());
    out[2..4].copy_from_slice(&protocol.to_be_bytes());
    if let Some(key) = key {
        out[4..8].copy_from_slice(&key.to_be_bytes());
    }
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

    proptest! {
        #[test]
        fn any_octets_parse_or_are_refused(data in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(header) = parse(&data) {
                prop_assert!(header.octets <= data.len());
            }
        }
    }
}
