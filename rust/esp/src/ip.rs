//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers, as far as a tunnel needs them.

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
            }
        }
    }
}
