//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers, as far as a tunnel needs them.

use std::net::{IpAddr, Ipv6Addr};

/// IPv6 extension headers that are no next layer protocol (RFC 8200 section 4); AH is one (RFC 4301 section 4.4.1.1).
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;
/// How many of them are looked behind: each may occur once, destination options twice (RFC 8200 section 4.1).
const EXTENSION_HEADERS: usize = 8;

/// What an IP packet carries: None where the packet does not tell, or the header is in another fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextLayer {
    pub protocol: Option<u8>,
    pub header: Option<usize>,
}

/// A checked view of an IP packet: the header is whole and the length it states is there.
#[derive(Clone, Copy)]
pub struct View<'a> {
    octets: &'a [u8],
    length: usize,
    header: usize,
}

impl<'a> View<'a> {
    /// `None` where the octets are not a whole IP packet. Octets behind it are tolerated.
    pub fn new(octets: &'a [u8]) -> Option<Self> {
        let (length, header) = match octets.first()? >> 4 {
            4 if octets.len() >= 20 => {
                (usize::from(u16::from_be_bytes([octets[2], octets[3]])), usize::from(octets[0] & 15) * 4)
            }
            6 if octets.len() >= 40 => (40 + usize::from(u16::from_be_bytes([octets[4], octets[5]])), 40),
            _ => return None,
        };
        let whole = header >= 20 && header <= length && length <= octets.len();
        whole.then(|| Self { octets: &octets[..length], length, header })
    }

    /// 4 or 6.
    pub fn version(&self) -> u8 {
        self.octets[0] >> 4
    }

    /// Octets of the packet by its own header.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Octets of the IPv4 header with options, or of the fixed IPv6 header.
    pub fn header(&self) -> usize {
        self.header
    }

    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The TOS or traffic class octet: DSCP and ECN (RFC 2474, RFC 3168).
    pub fn tos(&self) -> u8 {
        match self.version() {
            4 => self.octets[1],
            _ => self.octets[0] << 4 | self.octets[1] >> 4,
        }
    }

    /// The DF bit; IPv6 is never fragmented on the way, so it counts as set.
    pub fn dont_fragment(&self) -> bool {
        self.version() == 6 || self.octets[6] & 0x40 != 0
    }

    /// Whether this is a fragment of an IPv4 packet.
    pub fn fragment(&self) -> bool {
        self.version() == 4 && u16::from_be_bytes([self.octets[6], self.octets[7]]) & 0x3fff != 0
    }

    /// The protocol, or the first next header.
    pub fn protocol(&self) -> u8 {
        if self.version() == 4 { self.octets[9] } else { self.octets[6] }
    }

    /// The next layer protocol (RFC 4301 section 4.4.1.1) and where its header begins.
    pub fn next_layer(&self) -> NextLayer {
        if self.version() == 4 {
            let first = u16::from_be_bytes([self.octets[6], self.octets[7]]) & 0x1fff == 0;
            return NextLayer { protocol: Some(self.octets[9]), header: first.then_some(self.header) };
        }
        let (mut kind, mut at) = (self.octets[6], self.header);
        for _ in 0..EXTENSION_HEADERS {
            if !matches!(kind, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS) {
                return NextLayer { protocol: Some(kind), header: Some(at) };
            }
            let Some(header) = self.octets.get(at..).and_then(|rest| rest.first_chunk::<8>()) else { break };
            if kind != FRAGMENT {
                at += (usize::from(header[1]) + 1) * 8;
            } else if u16::from_be_bytes([header[2], header[3]]) & 0xfff8 == 0 {
                at += 8;
            } else {
                // A later fragment: what follows is no header, and its protocol is known only if it is named here.
                let hidden = matches!(header[0], HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS);
                return NextLayer { protocol: (!hidden).then_some(header[0]), header: None };
            }
            kind = header[0];
        }
        NextLayer { protocol: None, header: None }
    }

    /// Source and destination, 4 or 16 octets each.
    pub fn addresses(&self) -> (&'a [u8], &'a [u8]) {
        match self.version() {
            4 => (&self.octets[12..16], &self.octets[16..20]),
            _ => (&self.octets[8..24], &self.octets[24..40]),
        }
    }
}

/// Replace the ECN field of a packet that a `View` accepted; keeps an IPv4 header checksum right (RFC 1624).
pub fn set_ecn(packet: &mut [u8], ecn: u8) {
    if packet[0] >> 4 == 4 {
        let old = u16::from_be_bytes([packet[0], packet[1]]);
        packet[1] = packet[1] & !3 | ecn;
        let new = u16::from_be_bytes([packet[0], packet[1]]);
        let sum = u16::from_be_bytes([packet[10], packet[11]]);
        let folded = u32::from(!sum) + u32::from(!old) + u32::from(new);
        let folded = (folded & 0xffff) + (folded >> 16);
        let folded = (folded & 0xffff) + (folded >> 16);
        packet[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    } else {
        packet[1] = packet[1] & !0x30 | ecn << 4;
    }
}

/// An outer IP header without options that this side writes.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    pub tos: u8,
    pub ttl: u8,
    /// IPv4 only, as is `identification`: IPv6 has neither without a fragment header.
    pub dont_fragment: bool,
    pub identification: u16,
}

/// Octets of the header without options of a family.
pub fn header_octets(address: IpAddr) -> usize {
    if address.is_ipv4() { 20 } else { 40 }
}

impl Header {
    /// Write it into the start of `packet`, all of which it announces; both addresses have one family.
    pub fn write(&self, packet: &mut [u8]) {
        let length = packet.len();
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                packet[..2].copy_from_slice(&[0x45, self.tos]);
                packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
                packet[4..6].copy_from_slice(&self.identification.to_be_bytes());
                packet[6..10].copy_from_slice(&[u8::from(self.dont_fragment) << 6, 0, self.ttl, self.protocol]);
                packet[10..12].fill(0);
                packet[12..16].copy_from_slice(&source.octets());
                packet[16..20].copy_from_slice(&destination.octets());
                let checksum = checksum(sum(&packet[..20], 0));
                packet[10..12].copy_from_slice(&checksum.to_be_bytes());
            }
            (source, destination) => {
                packet[..4].copy_from_slice(&[0x60 | self.tos >> 4, self.tos << 4, 0, 0]);
                packet[4..6].copy_from_slice(&((length - 40) as u16).to_be_bytes());
                packet[6..8].copy_from_slice(&[self.protocol, self.ttl]);
                packet[8..24].copy_from_slice(&to_ipv6(source).octets());
                packet[24..40].copy_from_slice(&to_ipv6(destination).octets());
            }
        }
    }
}

fn to_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// The ones' complement sum of `data` onto `sum`, not yet folded (RFC 1071); `data` starts at an even offset.
pub fn sum(data: &[u8], sum: u64) -> u64 {
    let mut total = u128::from(sum);
    let mut words = data.chunks_exact(8);
    for word in words.by_ref() {
        let mut octets = [0; 8];
        octets.copy_from_slice(word);
        total += u128::from(u64::from_be_bytes(octets));
    }
    let mut last = [0; 8];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    total += u128::from(u64::from_be_bytes(last));
    // 2^64 is 1 in ones' complement arithmetic of 16 bits, so the carries wrap around.
    let folded = (total & u128::from(u64::MAX)) + (total >> 64);
    u64::from(fold(folded))
}

fn fold(mut value: u128) -> u16 {
    while value > 0xffff {
        value = (value & 0xffff) + (value >> 16);
    }
    value as u16
}

/// The checksum field for octets whose `sum` is given.
pub fn checksum(sum: u64) -> u16 {
    !fold(u128::from(sum))
}

/// The sum of the pseudo header of TCP, UDP and ICMPv6 (RFC 9293 section 3.1, RFC 8200 section 8.1).
pub fn pseudo_header(source: &[u8], destination: &[u8], protocol: u8, length: usize) -> u64 {
    sum(destination, sum(source, u64::from(protocol) + length as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ipv4(tos: u8) -> Vec<u8> {
        let mut packet = vec![0x45, tos, 0, 24, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 1, 2, 3, 4];
        let check = checksum(sum(&packet[..20], 0));
        packet[10..12].copy_from_slice(&check.to_be_bytes());
        packet
    }

    #[test]
    fn a_view_is_whole_or_none() {
        let packet = ipv4(0);
        let view = View::new(&packet).unwrap();
        assert_eq!((view.version(), view.length(), view.header(), view.protocol()), (4, 24, 20, 17));
        assert!(view.dont_fragment() && !view.fragment());
        for cut in 0..24 {
            assert!(View::new(&packet[..cut]).is_none());
        }
        for (at, value) in [(0, 0x55), (0, 0x44), (0, 0x47), (3, 25), (3, 19)] {
            let mut broken = packet.clone();
            broken[at] = value;
            assert!(View::new(&broken).is_none(), "octet {at} = {value}");
        }
    }

    #[test]
    fn the_traffic_class_of_ipv6() {
        let mut packet = vec![0; 48];
        packet[..8].copy_from_slice(&[0x6a, 0xb0, 0, 0, 0, 8, 17, 64]);
        assert_eq!(View::new(&packet).unwrap().tos(), 0xab);
        set_ecn(&mut packet, 1);
        assert_eq!(View::new(&packet).unwrap().tos(), 0xa9);
        assert_eq!(View::new(&packet).unwrap().addresses().1.len(), 16);
    }

    /// An IPv6 packet whose first next header is `kind`.
    fn ipv6(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 40];
        packet[0] = 0x60;
        packet[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
        packet[6] = kind;
        packet.extend(payload);
        packet
    }

    fn next_layer(packet: &[u8]) -> (Option<u8>, Option<usize>) {
        let found = View::new(packet).unwrap().next_layer();
        (found.protocol, found.header)
    }

    #[test]
    fn the_next_layer_of_ipv4_and_its_fragments() {
        let mut packet = ipv4(0);
        assert_eq!(next_layer(&packet), (Some(17), Some(20)));
        packet[6] = 0x20;
        assert_eq!(next_layer(&packet), (Some(17), Some(20)), "the first fragment has the header");
        packet[7] = 3;
        assert_eq!(next_layer(&packet), (Some(17), None));
    }

    #[test]
    fn the_next_layer_is_behind_the_extension_headers_of_ipv6() {
        let ports = [0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0];
        assert_eq!(next_layer(&ipv6(6, &ports)), (Some(6), Some(40)));
        let hop_by_hop =
            [[DESTINATION_OPTIONS, 0, 0, 0, 0, 0, 0, 0], [132, 1, 0, 0, 0, 0, 0, 0], [0; 8], ports].concat();
        assert_eq!(next_layer(&ipv6(HOP_BY_HOP, &hop_by_hop)), (Some(132), Some(64)));
        let first = [[17, 0, 0, 1, 0, 0, 0, 9], ports].concat();
        assert_eq!(next_layer(&ipv6(FRAGMENT, &first)), (Some(17), Some(48)));
        let later = [[17, 0, 0, 8, 0, 0, 0, 9], ports].concat();
        assert_eq!(next_layer(&ipv6(FRAGMENT, &later)), (Some(17), None));
        let hidden = [[DESTINATION_OPTIONS, 0, 0, 8, 0, 0, 0, 9], ports].concat();
        assert_eq!(next_layer(&ipv6(FRAGMENT, &hidden)), (None, None));
        assert_eq!(next_layer(&ipv6(51, &ports)), (Some(51), Some(40)), "AH is a next layer");
        assert_eq!(next_layer(&ipv6(HOP_BY_HOP, &[6, 0, 0])), (None, None), "cut off");
        assert_eq!(next_layer(&ipv6(HOP_BY_HOP, &[0; 200])), (None, None), "a chain that does not end");
    }

    #[test]
    fn a_written_header_is_read_as_meant() {
        for (source, destination) in [("192.0.2.1", "198.51.100.2"), ("2001:db8::1", "2001:db8::2")] {
            let (source, destination): (IpAddr, IpAddr) = (source.parse().unwrap(), destination.parse().unwrap());
            let header = Header {
                source,
                destination,
                protocol: 47,
                tos: 0xb9,
                ttl: 77,
                dont_fragment: true,
                identification: 9,
            };
            let mut packet = vec![0xee; header_octets(source) + 7];
            header.write(&mut packet);
            let view = View::new(&packet).unwrap();
            assert_eq!((view.length(), view.header()), (packet.len(), packet.len() - 7));
            assert_eq!((view.tos(), view.protocol(), view.dont_fragment(), view.fragment()), (0xb9, 47, true, false));
            assert_eq!(packet[if view.version() == 4 { 8 } else { 7 }], 77);
            let octets = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            assert_eq!(view.addresses(), (&octets(source)[..], &octets(destination)[..]));
            if view.version() == 4 {
                assert_eq!(checksum(sum(&packet[..20], 0)), 0);
                assert_eq!(packet[4..6], [0, 9]);
            }
        }
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_rfc1071(data in prop::collection::vec(any::<u8>(), 0..200), start in any::<u16>()) {
            let mut plain = u64::from(start);
            for pair in data.chunks(2) {
                plain += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
            }
            while plain > 0xffff {
                plain = (plain & 0xffff) + (plain >> 16);
            }
            prop_assert_eq!(checksum(sum(&data, u64::from(start))), !(plain as u16));
        }

        #[test]
        fn ecn_changes_keep_the_checksum_right(tos in any::<u8>(), ecn in 0u8..4) {
            let mut packet = ipv4(tos);
            set_ecn(&mut packet, ecn);
            prop_assert_eq!(packet[1], tos & !3 | ecn);
            prop_assert_eq!(checksum(sum(&packet[..20], 0)), 0);
        }

        #[test]
        fn any_octets_make_a_view_or_none(data in prop::collection::vec(any::<u8>(), 0..120)) {
            if let Some(view) = View::new(&data) {
                prop_assert!(view.length() <= data.len() && view.header() <= view.length());
                let _ = (view.tos(), view.protocol(), view.addresses(), view.fragment(), view.dont_fragment());
                prop_assert!(view.next_layer().header.is_none_or(|at| at >= view.header()));
            }
        }
    }
}
