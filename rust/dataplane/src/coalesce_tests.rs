use super::*;
use crate::segment::Plan;
use crate::segment::tests::{Sample, assert_checksums};
use proptest::prelude::*;

/// Put packets into one buffer, join them, and give each write as header and octets.
fn joined(packets: &[Vec<u8>]) -> Vec<(VnetHeader, Vec<u8>, u64)> {
    let mut buffer = Vec::new();
    let ranges: Vec<_> = packets
        .iter()
        .map(|packet| {
            let start = buffer.len();
            buffer.extend(packet);
            start..buffer.len()
        })
        .collect();
    let mut writes = Vec::new();
    join(&buffer, &ranges, |write| {
        let octets: Vec<u8> = write.parts(&buffer).iter().flat_map(|part| part.to_vec()).collect();
        let header = VnetHeader::parse(octets.first_chunk().unwrap());
        writes.push((header, octets[VNET_HEADER..].to_vec(), write.packets));
    });
    writes
}

fn segments(sample: &Sample, size: u16) -> Vec<Vec<u8>> {
    let packet = sample.packet();
    let plan = Plan::new(&sample.vnet(size), &packet).unwrap();
    (0..plan.count)
        .map(|n| {
            let mut out = vec![0; plan.octets(n)];
            plan.write(&packet, n, &mut out);
            out
        })
        .collect()
}

fn tcp(version: u8, octets: usize, flags: u8) -> Sample {
    let payload = (0..octets).map(|i| i as u8).collect();
    Sample { version, protocol: TCP, options: 12, payload, flags, sequence: 0xffff_f000 }
}

proptest! {
    /// Cut, joined, and cut again as the kernel would: the same segments.
    #[test]
    fn joining_undoes_cutting(version in prop_oneof![Just(4u8), Just(6)], octets in 1usize..60_000, size in 500u16..1461, push in any::<bool>()) {
        let sample = tcp(version, octets, if push { ACK | PSH } else { ACK });
        let cut = segments(&sample, size);
        let mut again = Vec::new();
        let mut packets = 0;
        for (header, packet, count) in joined(&cut) {
            packets += count;
            let plan = Plan::new(&header, &packet).unwrap();
            prop_assert_eq!(plan.count as u64, count);
            for n in 0..plan.count {
                let mut out = vec![0; plan.octets(n)];
                plan.write(&packet, n, &mut out);
                assert_checksums(&out);
                again.push(out);
            }
        }
        prop_assert_eq!(packets, cut.len() as u64);
        for (one, other) in again.iter().zip(&cut) {
            // A train of several writes numbers its IPv4 identifications anew within each.
            prop_assert_eq!(&one[..2], &other[..2]);
            prop_assert_eq!(&one[sample.ip_header()..], &other[sample.ip_header()..]);
        }
        prop_assert_eq!(again.len(), cut.len());
    }

    /// Whatever arrives leaves once, whole and in the order of its flow.
    #[test]
    fn any_packets_pass(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..80), 0..20)) {
        let writes = joined(&packets);
        let whole: Vec<_> = writes.into_iter().map(|(_, packet, _)| packet).collect();
        prop_assert_eq!(whole, packets);
    }
}

#[test]
fn a_train_is_one_write() {
    for version in [4, 6] {
        let writes = joined(&segments(&tcp(version, 14_000, ACK | PSH), 1400));
        assert_eq!(writes.len(), 1);
        let (header, packet, packets) = &writes[0];
        assert_eq!((header.gso_size, *packets, header.flags), (1400, 10, NEEDS_CHECKSUM));
        assert_ne!(packet[usize::from(header.checksum_start) + 13] & PSH, 0, "the last segment was pushed");
    }
}

#[test]
fn what_differs_is_not_joined() {
    let cut = segments(&tcp(4, 2800, ACK), 1400);
    let change = |at: usize, value: u8| {
        let mut second = cut[1].clone();
        second[at] = value;
        second[10..12].fill(0);
        let checksum = ip::checksum(ip::sum(&second[..20], 0));
        second[10..12].copy_from_slice(&checksum.to_be_bytes());
        second[36..38].fill(0);
        let sum = ip::pseudo_header(&second[12..16], &second[16..20], TCP, second.len() - 20);
        let checksum = ip::checksum(ip::sum(&second[20..], sum));
        second[36..38].copy_from_slice(&checksum.to_be_bytes());
        joined(&[cut[0].clone(), second]).len()
    };
    assert_eq!(change(1, cut[1][1]), 1, "nothing changed");
    let fields = [
        ("TOS", 1, 0),
        ("DF", 6, 0),
        ("TTL", 8, 9),
        ("source", 15, 9),
        ("port", 21, 9),
        ("sequence", 27, 9),
        ("acknowledgement", 31, 9),
        ("FIN", 33, ACK | 1),
        ("window", 35, 9),
        ("options", 45, 9),
    ];
    for (name, at, value) in fields {
        assert_eq!(change(at, value), 2, "{name}");
    }
}

#[test]
fn a_wrong_checksum_is_passed_on_as_it_is() {
    let mut cut = segments(&tcp(4, 4200, ACK), 1400);
    cut[1][60] ^= 1;
    let writes = joined(&cut);
    assert_eq!(writes.len(), 3);
    assert!(writes.iter().any(|(header, packet, _)| header.flags == 0 && *packet == cut[1]));
}

#[test]
fn a_fin_does_not_overtake_its_flow() {
    let mut cut = segments(&tcp(6, 2800, ACK), 1400);
    let mut fin = tcp(6, 0, ACK | 1);
    fin.payload = vec![1];
    cut.extend(segments(&fin, 1400));
    let writes = joined(&cut);
    assert_eq!(writes.iter().map(|(_, _, packets)| *packets).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn flows_are_told_apart() {
    let one = segments(&tcp(4, 7000, ACK), 1400);
    let other: Vec<_> = one
        .iter()
        .map(|packet| {
            let mut packet = packet.clone();
            // Swapping two words leaves every checksum as it is.
            packet[12..20].rotate_left(4);
            packet
        })
        .collect();
    let mixed: Vec<_> = one.iter().zip(&other).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    let writes = joined(&mixed);
    assert_eq!(writes.iter().map(|(_, _, packets)| *packets).collect::<Vec<_>>(), [5, 5]);
}
