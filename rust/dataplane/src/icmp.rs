//! The answer to a packet that is too big for the path: RFC 1191 section 4, RFC 4443 section 3.2.

use seikan_esp::ip::{self, View};

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// Octets of an ICMP error at most: RFC 1812 section 4.3.2.3, RFC 4443 section 2.4.
const LARGEST_V4: usize = 576;
const LARGEST_V6: usize = 1280;

/// A packet to the inner sender that says `mtu`, or `None` where none may be sent (RFC 1122 section 3.2.2).
///
/// Its source is the inner destination: an address that is routed into the tunnel, so that reverse
/// path filters accept it from there.
pub fn too_big(packet: &[u8], mtu: u32) -> Option<Vec<u8>> {
    let view = View::new(packet)?;
    let (source, destination) = view.addresses();
    if view.version() == 4 {
        let later_fragment = u16::from_be_bytes([packet[6], packet[7]]) & 0x1fff != 0;
        let error = view.protocol() == ICMP && !matches!(packet.get(view.header()), Some(0 | 8 | 13 | 14));
        if later_fragment || error || destination[0] >= 224 || source[0] >= 224 || source == [0; 4] {
            return None;
        }
        let quoted = view.octets().len().min(LARGEST_V4 - 28);
        let mut out = vec![0; 28 + quoted];
        out[0] = 0x45;
        out[1] = 0xc0;
        out[2..4].copy_from_slice(&(28 + quoted as u16).to_be_bytes());
        out[8] = 64;
        out[9] = ICMP;
        out[12..16].copy_from_slice(destination);
        out[16..20].copy_from_slice(source);
        let checksum = ip::checksum(ip::sum(&out[..20], 0));
        out[10..12].copy_from_slice(&checksum.to_be_bytes());
        out[20] = 3;
        out[21] = 4;
        out[26..28].copy_from_slice(&(mtu.min(0xffff) as u16).to_be_bytes());
        out[28..].copy_from_slice(&packet[..quoted]);
        let checksum = ip::checksum(ip::sum(&out[20..], 0));
        out[22..24].copy_from_slice(&checksum.to_be_bytes());
        return Some(out);
    }
    let error = view.protocol() == ICMPV6 && packet.get(40).is_some_and(|kind| *kind < 128);
    if error || source[0] == 0xff || source == [0; 16] {
        return None;
    }
    let quoted = view.octets().len().min(LARGEST_V6 - 48);
    let mut out = vec![0; 48 + quoted];
    out[0] = 0x60;
    out[4..6].copy_from_slice(&(8 + quoted as u16).to_be_bytes());
    out[6] = ICMPV6;
    out[7] = 64;
    // Path MTU discovery works for multicast too (RFC 4443 section 2.4 (e.3)), but not from a multicast source.
    out[8..24].copy_from_slice(if destination[0] == 0xff { source } else { destination });
    out[24..40].copy_from_slice(source);
    out[40] = 2;
    out[44..48].copy_from_slice(&mtu.to_be_bytes());
    out[48..].copy_from_slice(&packet[..quoted]);
    let sum = ip::pseudo_header(&out[8..24], &out[24..40], ICMPV6, 8 + quoted);
    let checksum = ip::checksum(ip::sum(&out[40..], sum));
    out[42..44].copy_from_slice(&checksum.to_be_bytes());
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ipv4(protocol: u8, length: u16) -> Vec<u8> {
        let mut packet = vec![0; usize::from(length)];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        packet[9] = protocol;
        packet[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        packet
    }

    #[test]
    fn fragmentation_needed_goes_to_the_sender() {
        let packet = ipv4(6, 1400);
        let out = too_big(&packet, 1380).unwrap();
        let view = View::new(&out).unwrap();
        assert_eq!((view.addresses().0, view.addresses().1), (&[10, 0, 0, 2][..], &[10, 0, 0, 1][..]));
        assert_eq!((out.len(), out[20], out[21], u16::from_be_bytes([out[26], out[27]])), (576, 3, 4, 1380));
        assert_eq!(ip::checksum(ip::sum(&out[..20], 0)), 0);
        assert_eq!(ip::checksum(ip::sum(&out[20..], 0)), 0);
    }

    #[test]
    fn packet_too_big_goes_to_the_sender() {
        let mut packet = vec![0; 1500];
        packet[0] = 0x60;
        packet[4..6].copy_from_slice(&1460u16.to_be_bytes());
        packet[6] = 17;
        packet[8] = 0xfd;
        packet[24] = 0xfe;
        let out = too_big(&packet, 1380).unwrap();
        assert_eq!((out.len(), out[40], out[8], out[24]), (1280, 2, 0xfe, 0xfd));
        let sum = ip::pseudo_header(&out[8..24], &out[24..40], 58, out.len() - 40);
        assert_eq!(ip::checksum(ip::sum(&out[40..], sum)), 0);
    }

    #[test]
    fn errors_fragments_and_multicast_are_not_answered() {
        let mut error = ipv4(1, 100);
        error[20] = 3;
        let mut fragment = ipv4(6, 100);
        fragment[7] = 8;
        let mut multicast = ipv4(89, 100);
        multicast[16] = 224;
        for packet in [error, fragment, multicast] {
            assert!(too_big(&packet, 1380).is_none());
        }
        let mut echo = ipv4(1, 100);
        echo[20] = 8;
        assert!(too_big(&echo, 1380).is_some());
    }

    proptest! {
        #[test]
        fn any_octets_are_answered_or_not(data in prop::collection::vec(any::<u8>(), 0..100), mtu in any::<u32>()) {
            let _ = too_big(&data, mtu);
        }
    }
}
