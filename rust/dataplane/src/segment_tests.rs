use super::*;
use proptest::prelude::*;

const DF: u8 = 0x40;

/// What the kernel hands over: an IPv4 or IPv6 packet with a TCP or UDP payload, checksum left as
/// the sum of the pseudo header.
#[derive(Debug)]
pub(crate) struct Sample {
    pub version: u8,
    pub protocol: u8,
    pub options: usize,
    pub payload: Vec<u8>,
    pub flags: u8,
    pub sequence: u32,
}

impl Sample {
    pub(crate) fn ip_header(&self) -> usize {
        if self.version == 4 { 20 } else { 40 }
    }

    pub(crate) fn headers(&self) -> usize {
        self.ip_header() + if self.protocol == TCP { 20 + self.options } else { 8 }
    }

    pub(crate) fn packet(&self) -> Vec<u8> {
        let (ip_header, headers) = (self.ip_header(), self.headers());
        let mut packet = vec![0; headers];
        packet.extend(&self.payload);
        let length = packet.len();
        if self.version == 4 {
            packet[..10].copy_from_slice(&[0x45, 0xb9, 0, 0, 0xff, 0xfe, DF, 0, 61, self.protocol]);
            packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            packet[12..20].copy_from_slice(&[10, 1, 2, 3, 10, 4, 5, 6]);
            let checksum = ip::checksum(ip::sum(&packet[..20], 0));
            packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        } else {
            packet[..8].copy_from_slice(&[0x6b, 0x90, 0, 1, 0, 0, self.protocol, 61]);
            packet[4..6].copy_from_slice(&((length - 40) as u16).to_be_bytes());
            for (i, octet) in packet[8..40].iter_mut().enumerate() {
                *octet = i as u8;
            }
        }
        packet[ip_header..ip_header + 4].copy_from_slice(&[0x30, 0x39, 0, 80]);
        let at = if self.protocol == TCP {
            packet[ip_header + 4..ip_header + 8].copy_from_slice(&self.sequence.to_be_bytes());
            packet[ip_header + 8..ip_header + 12].copy_from_slice(&7u32.to_be_bytes());
            packet[ip_header + 12] = (((20 + self.options) / 4) << 4) as u8;
            packet[ip_header + 13] = self.flags;
            packet[ip_header + 14..ip_header + 16].copy_from_slice(&[0x10, 0]);
            packet[ip_header + 20..headers].fill(1);
            ip_header + 16
        } else {
            packet[ip_header + 4..ip_header + 6].copy_from_slice(&((length - ip_header) as u16).to_be_bytes());
            ip_header + 6
        };
        let (source, destination) = addresses(&packet, self.version);
        let sum = ip::pseudo_header(source, destination, self.protocol, length - ip_header);
        packet[at..at + 2].copy_from_slice(&(!ip::checksum(sum)).to_be_bytes());
        packet
    }

    pub(crate) fn vnet(&self, gso_size: u16) -> VnetHeader {
        let gso_type = match (gso_size, self.protocol, self.version) {
            (0, ..) => GSO_NONE,
            (_, UDP, _) => GSO_UDP,
            (_, _, 4) => GSO_TCP4,
            _ => GSO_TCP6,
        };
        VnetHeader {
            flags: NEEDS_CHECKSUM,
            gso_type,
            header: self.headers() as u16,
            gso_size,
            checksum_start: self.ip_header() as u16,
            checksum_offset: if self.protocol == TCP { 16 } else { 6 },
        }
    }
}

/// A reference by definition: every checksum of the packet, over all of its octets, comes out as zero.
pub(crate) fn assert_checksums(packet: &[u8]) {
    let view = ip::View::new(packet).unwrap();
    assert_eq!(view.length(), packet.len());
    if view.version() == 4 {
        assert_eq!(naive(&packet[..20]), 0xffff);
    }
    let (source, destination) = view.addresses();
    let transport = &packet[view.header()..];
    let mut covered = [source, destination, &[0, view.protocol()], &(transport.len() as u16).to_be_bytes()].concat();
    covered.extend(transport);
    assert_eq!(naive(&covered), 0xffff);
}

fn naive(data: &[u8]) -> u32 {
    let mut sum: u32 = data.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

fn segments(plan: &Plan, packet: &[u8]) -> Vec<Vec<u8>> {
    (0..plan.count)
        .map(|n| {
            let mut out = vec![0xee; plan.octets(n)];
            plan.write(packet, n, &mut out);
            out
        })
        .collect()
}

fn sample() -> impl Strategy<Value = Sample> {
    let version = prop_oneof![Just(4u8), Just(6)];
    let protocol = prop_oneof![Just(TCP), Just(UDP)];
    let payload = prop_oneof![1usize..200, 1000usize..9000, Just(64_000usize)];
    (version, protocol, 0usize..=10, payload, any::<u8>(), any::<u32>()).prop_map(
        |(version, protocol, words, octets, flags, sequence)| Sample {
            version,
            protocol,
            options: words * 4,
            payload: (0..octets).map(|i| ((i * 31) >> 3) as u8).collect(),
            flags,
            sequence,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The segments carry the payload once and in order, each right in itself.
    #[test]
    fn segments_are_what_a_network_card_would_send(sample in sample(), size in 1u16..1500) {
        let packet = sample.packet();
        let plan = Plan::new(&sample.vnet(size), &packet).unwrap();
        let segments = segments(&plan, &packet);
        prop_assert_eq!(plan.count, sample.payload.len().div_ceil(usize::from(size)));
        let (ip_header, headers) = (sample.ip_header(), sample.headers());
        let mut payload = Vec::<u8>::new();
        for (n, segment) in segments.iter().enumerate() {
            assert_checksums(segment);
            prop_assert_eq!(segment.len() - headers, usize::from(size).min(sample.payload.len() - payload.len()));
            if sample.version == 4 {
                let identification = u16::from_be_bytes([segment[4], segment[5]]);
                prop_assert_eq!(identification, 0xfffeu16.wrapping_add(n as u16));
            }
            if sample.protocol == TCP {
                let sequence = u32::from_be_bytes(segment[ip_header + 4..ip_header + 8].try_into().unwrap());
                prop_assert_eq!(sequence, sample.sequence.wrapping_add(payload.len() as u32));
                let mut flags = sample.flags;
                if n + 1 < plan.count { flags &= !FIN_PSH; }
                if n > 0 { flags &= !CWR; }
                prop_assert_eq!(segment[ip_header + 13], flags);
                prop_assert_eq!(&segment[ip_header + 20..headers], &packet[ip_header + 20..headers]);
            }
            payload.extend(&segment[headers..]);
        }
        prop_assert_eq!(payload, sample.payload);
    }

    /// A packet that is not to be cut only gets the checksum the kernel left out.
    #[test]
    fn a_whole_packet_gets_its_checksum(sample in sample()) {
        let packet = sample.packet();
        let plan = Plan::new(&sample.vnet(0), &packet).unwrap();
        prop_assert_eq!(plan.count, 1);
        let whole = &segments(&plan, &packet)[0];
        assert_checksums(whole);
        let untouched = Plan::new(&VnetHeader::default(), &packet).unwrap();
        prop_assert_eq!(&segments(&untouched, &packet)[0], &packet);
    }

    /// No offload header and no packet makes it panic, or write more than it announced.
    #[test]
    fn any_header_is_cut_or_refused(
        header in any::<[u8; crate::tun::VNET_HEADER]>(),
        kind in prop_oneof![Just(0u8), Just(1), Just(4), Just(5), any::<u8>()],
        sample in sample(),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut packet = sample.packet();
        packet.truncate(400);
        if sample.version == 4 {
            let length = packet.len() as u16;
            packet[2..4].copy_from_slice(&length.to_be_bytes());
        } else {
            let length = packet.len() as u16 - 40;
            packet[4..6].copy_from_slice(&length.to_be_bytes());
        }
        for (at, value) in noise {
            let at = at.index(packet.len().min(60));
            packet[at] = value;
        }
        let mut header = VnetHeader::parse(&header);
        header.gso_type = kind;
        header.checksum_start %= 70;
        header.checksum_offset %= 20;
        if let Ok(plan) = Plan::new(&header, &packet) {
            segments(&plan, &packet);
        }
    }
}

#[test]
fn headers_that_do_not_fit_are_refused() {
    let sample = Sample { version: 4, protocol: TCP, options: 0, payload: vec![7; 3000], flags: 0x18, sequence: 1 };
    let packet = sample.packet();
    let good = sample.vnet(1000);
    assert!(Plan::new(&good, &packet).is_ok());
    let bad = [
        VnetHeader { gso_size: 0, ..good },
        VnetHeader { gso_type: GSO_TCP6, ..good },
        VnetHeader { gso_type: 9, ..good },
        VnetHeader { flags: 0, ..good },
        VnetHeader { checksum_start: 3030, ..good },
        VnetHeader { checksum_start: 8, ..good },
    ];
    for header in bad {
        assert_eq!(Plan::new(&header, &packet), Err(SegmentError), "{header:?}");
    }
    assert_eq!(Plan::new(&good, &packet[..100]), Err(SegmentError));
}
