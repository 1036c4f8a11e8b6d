use super::*;
use crate::packet::tests::unhex;
use crate::suite::{Encryption, Integrity};
use proptest::prelude::*;

/// A valid IPv4 packet of `length` octets.
fn inner_packet(length: usize) -> Vec<u8> {
    let mut packet: Vec<u8> = (0..length).map(|i| i as u8).collect();
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    packet
}

fn all_suites() -> Vec<(Encryption, Option<Integrity>)> {
    let mut suites = Vec::new();
    for encryption in Encryption::ALL {
        if encryption.aead() {
            suites.push((encryption, None));
        } else {
            suites.extend(Integrity::ALL.map(|integrity| (encryption, Some(integrity))));
        }
    }
    suites
}

fn suite((encryption, integrity): (Encryption, Option<Integrity>)) -> Suite {
    let key: Vec<u8> = (0..encryption.key_octets() as u8).collect();
    let mac: Vec<u8> = (0..integrity.map_or(0, Integrity::key_octets) as u8).collect();
    Suite::new(encryption, &key, integrity, &mac).unwrap()
}

fn seal_one(sa: &Outbound, plain: &[u8], next_header: u8) -> Vec<u8> {
    let mut buffer = vec![0; sa.suite.sealed(plain.len())];
    let start = HEADER + sa.suite.iv;
    buffer[start..start + plain.len()].copy_from_slice(plain);
    let mut packets = [Sealing { buffer: &mut buffer, plaintext: plain.len(), next_header }];
    assert_eq!(sa.seal(&mut packets, 1).count, 1);
    buffer
}

fn pair(kind: (Encryption, Option<Integrity>), extended: bool) -> (Outbound, Inbound) {
    (
        Outbound::new(0x1234, suite(kind), extended, Lifetime::default()),
        Inbound::new(0x1234, suite(kind), Carries::Ip, 64, extended, Lifetime::default()),
    )
}

/// draft-mcgrew-gcm-test-01 ("Test Cases for the use of GCM and GMAC in IPsec ESP") and, for
/// ChaCha20-Poly1305, RFC 7634 appendix A: key with salt, SPI, sequence number (32 or 64 bits), IV, plaintext with padding and trailer, ciphertext with ICV.
struct AeadCase {
    encryption: Encryption,
    key: &'static str,
    spi: u32,
    sequence: u64,
    extended: bool,
    iv: &'static str,
    plain: &'static str,
    sealed: &'static str,
}

const AEAD_CASES: [AeadCase; 4] = [
    AeadCase {
        encryption: Encryption::AesGcm128,
        key: "4c80cdefbb5d10da906ac73c3613a634 2e443b68",
        spi: 0x0000_4321,
        sequence: 0x8765_4321_0000_0000,
        extended: true,
        iv: "4956ed7e3b244cfe",
        plain: "45000048699a000080114db7c0a80102c0a801010a9bf15638d3010000010000000000000
                45f736970045f756470037369700963796265726369747902646b0000210001 01020201",
        sealed: "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34
                 cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce
                 61bc17d768fd9732459018148f6cbe722fd04796562dfdb4",
    },
    AeadCase {
        encryption: Encryption::AesGcm128,
        key: "feffe9928665731c6d6a8f9467308308 cafebabe",
        spi: 0x0000_a5f8,
        sequence: 10,
        extended: false,
        iv: "facedbaddecaf888",
        plain: "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d001000001
                000000000000037369700963796265726369747902646b00000100010001",
        sealed: "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c
                 3de81827c10e9a4f51330d0eec41664 2cfbb85a5b47e48a4ec3b9ba95d918bd1
                 83b70d3aa8bc6ee4c309e9d85a41ad4a",
    },
    AeadCase {
        encryption: Encryption::AesGcm256,
        key: "abbccddef00112233445566778899aab abbccddef00112233445566778899aab 11223344",
        spi: 0x4a2c_bfe3,
        sequence: 2,
        extended: false,
        iv: "0102030405060708",
        plain: "4500003069a6400080 0626 90c0a80102938915 5e0a9e008b2dc57ee000000000
                7002400020bf0000020405b40101040201020201",
        sealed: "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763
                 748a637985771d347f0545659f14e99def842d8eb335f4eecfdbf831824b4c49
                 15956c96",
    },
    AeadCase {
        encryption: Encryption::ChaCha20Poly1305,
        key: "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f a0a1a2a3",
        spi: 0x0102_0304,
        sequence: 5,
        extended: false,
        iv: "1011121314151617",
        plain: "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec1000073627
                08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b
                2c2d2e2f3031323334353637 01020204",
        sealed: "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6
                 14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3
                 cbec163fac469b502773f6fb94e664da9165b82829f641e0
                 76aaa8266b7fb0f7b11b369907e1ad43",
    },
];

#[test]
fn published_aead_packets() {
    for case in AEAD_CASES {
        let suite = Suite::new(case.encryption, &unhex(case.key), None, &[]).unwrap();
        let plain = unhex(case.plain);
        let mut packet = case.spi.to_be_bytes().to_vec();
        packet.extend((case.sequence as u32).to_be_bytes());
        packet.extend(unhex(case.iv));
        packet.extend(unhex(case.sealed));
        assert_eq!(packet.len(), HEADER + 8 + plain.len() + suite.icv, "{:?}", case.encryption);
        assert!(suite.unprotect(&mut packet, case.sequence, case.extended), "{:?} {}", case.encryption, case.spi);
        assert_eq!(packet[16..16 + plain.len()], plain);
    }
}

/// RFC 2202 section 3 and RFC 4868 section 2.7, test case 1 each, seen through NULL encryption: the
/// ICV of a packet is the truncated HMAC of its octets.
#[test]
fn published_hmac_values() {
    let data = b"Hi There";
    let cases = [
        (Integrity::HmacSha1_96, 20, "b617318655057264e28bc0b6"),
        (Integrity::HmacSha256_128, 32, "198a607eb44bfbc69903a0f1cf2bbdc5"),
        (Integrity::HmacSha384_192, 48, "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973"),
        (Integrity::HmacSha512_256, 64, "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8"),
    ];
    for (integrity, key, icv) in cases {
        let suite = Suite::new(Encryption::Null, &[], Some(integrity), &vec![0x0b; key]).unwrap();
        let mut packet = data.to_vec();
        packet.extend(unhex(icv));
        assert!(suite.unprotect(&mut packet, 0, false), "{integrity:?}");
        let mut sealed = data.to_vec();
        sealed.resize(8 + suite.icv, 0);
        suite.protect(&mut [&mut sealed], 0..1, false);
        assert_eq!(sealed, packet);
    }
}

#[test]
fn keys_and_suites_that_do_not_fit_are_refused_in_one_line() {
    let texts = [
        Suite::new(Encryption::AesCbc128, &[0; 15], Some(Integrity::HmacSha1_96), &[0; 20]).unwrap_err(),
        Suite::new(Encryption::AesCbc128, &[0; 16], Some(Integrity::HmacSha1_96), &[0; 32]).unwrap_err(),
        Suite::new(Encryption::AesCbc128, &[0; 16], None, &[]).unwrap_err(),
        Suite::new(Encryption::AesGcm256, &[0; 36], Some(Integrity::HmacSha1_96), &[0; 20]).unwrap_err(),
        Encryption::from_name("rot13").unwrap_err(),
        Integrity::from_name("crc").unwrap_err(),
    ];
    assert_eq!(texts[0].0, "aes-cbc-128 takes a key of 16 octets, not 15");
    assert!(texts.iter().all(|text| !text.0.contains('\n') && !text.0.is_empty()));
}

#[test]
fn replay_is_found_before_the_icv_is_looked_at() {
    for kind in all_suites() {
        let (out, inbound) = pair(kind, false);
        let packet = seal_one(&out, &inner_packet(60), NEXT_IPV4);
        let opened = inbound.open(&mut packet.clone(), 7).unwrap();
        assert_eq!((opened.payload.len(), opened.sequence, opened.newest), (60, 1, true));
        let mut again = packet.clone();
        *again.last_mut().unwrap() ^= 1;
        assert_eq!(inbound.open(&mut again, 8), Err(OpenError::Replay { sequence: 1 }));
        assert_eq!(inbound.usage.read(), (1, 60, 7));
    }
}

#[test]
fn a_forged_sequence_number_does_not_move_the_window() {
    for kind in all_suites() {
        let (out, inbound) = pair(kind, false);
        let packet = seal_one(&out, &inner_packet(60), NEXT_IPV4);
        let mut forged = packet.clone();
        forged[4..8].copy_from_slice(&0x7fff_0000u32.to_be_bytes());
        assert_eq!(inbound.open(&mut forged, 1), Err(OpenError::Authentication { sequence: 0x7fff_0000 }));
        assert!(inbound.open(&mut packet.clone(), 1).is_ok());
    }
}

#[test]
fn extended_sequence_numbers_go_on_past_the_wrap() {
    for kind in all_suites() {
        let (out, inbound) = pair(kind, true);
        *out.sequence.lock().unwrap() = 0xffff_fffc;
        inbound.window.lock().unwrap().commit(0xffff_fffc);
        for n in 0..8u64 {
            let mut packet = seal_one(&out, &inner_packet(40), NEXT_IPV4);
            assert_eq!(inbound.open(&mut packet, 1).unwrap().sequence, 0xffff_fffd + n);
        }
    }
}

#[test]
fn without_extended_numbers_the_sa_stops_at_the_wrap() {
    let (out, _) = pair((Encryption::AesGcm128, None), false);
    *out.sequence.lock().unwrap() = 0xffff_fffe;
    let mut buffers = vec![vec![0; out.suite.sealed(40)]; 3];
    let mut packets: Vec<_> =
        buffers.iter_mut().map(|buffer| Sealing { buffer, plaintext: 40, next_header: NEXT_IPV4 }).collect();
    let sealed = out.seal(&mut packets, 1);
    assert_eq!((sealed.count, sealed.stopped), (1, Some(SealError::SequenceWrap { report: true })));
    let sealed = out.seal(&mut packets[1..], 1);
    assert_eq!((sealed.count, sealed.stopped), (0, Some(SealError::SequenceWrap { report: false })));
}

#[test]
fn lifetimes_are_reported_once_and_the_hard_one_stops() {
    let lifetime = Lifetime { soft_packets: 2, hard_octets: 150, ..Lifetime::default() };
    let kind = (Encryption::AesGcm128, None);
    let out = Outbound::new(1, suite(kind), false, lifetime);
    let inbound = Inbound::new(1, suite(kind), Carries::Ip, 64, false, lifetime);
    let (free, _) = pair(kind, false);
    let mut results = Vec::new();
    for _ in 0..5 {
        let mut buffer = vec![0; out.suite.sealed(50)];
        let sealed = out.seal(&mut [Sealing { buffer: &mut buffer, plaintext: 50, next_header: NEXT_IPV4 }], 1);
        results.push((sealed.count, sealed.soft_expired, sealed.stopped));
    }
    let hard = |report| Some(SealError::HardExpired { report });
    assert_eq!(
        results,
        [(1, false, None), (1, true, None), (1, false, None), (0, false, hard(true)), (0, false, hard(false))]
    );
    let opened: Vec<_> = (0..5).map(|_| inbound.open(&mut seal_one(&free, &inner_packet(50), NEXT_IPV4), 1)).collect();
    let soft: Vec<_> = opened.iter().flatten().map(|o| o.soft_expired).collect();
    // `free` has SPI 0x1234 in its header; an inbound SA is found by SPI before, so it does not look at it.
    assert_eq!(soft, [false, true, false]);
    assert_eq!(opened[3], Err(OpenError::HardExpired { report: true }));
    assert_eq!(opened[4], Err(OpenError::HardExpired { report: false }));
}

#[test]
fn dummy_packets_padding_and_wrong_payloads() {
    for kind in all_suites() {
        let (out, inbound) = pair(kind, false);
        let open = |plain: &[u8], next| inbound.open(&mut seal_one(&out, plain, next), 1);
        assert_eq!(open(b"", NEXT_NONE), Err(OpenError::Dummy));
        assert_eq!(open(&inner_packet(40), 50), Err(OpenError::NextHeader));
        assert_eq!(open(&inner_packet(40), NEXT_IPV6), Err(OpenError::Inner));
        assert_eq!(open(&inner_packet(40)[..30], NEXT_IPV4), Err(OpenError::Inner));
        let mut padded = inner_packet(40);
        padded.extend([0xaa; 300]);
        assert_eq!(open(&padded, NEXT_IPV4).unwrap().payload.len(), 40, "traffic flow padding");
    }
}

#[test]
fn an_sa_for_gre_carries_it_in_either_mode_and_any_other_sa_does_not() {
    let kind = (Encryption::AesGcm128, None);
    let (out, plain) = pair(kind, false);
    let gre = Inbound::new(0x1234, suite(kind), Carries::Gre, 64, false, Lifetime::default());
    let inner = [0x20, 0, 8, 0, 0, 0, 0, 7, 0x45];
    let opened = gre.open(&mut seal_one(&out, &inner, NEXT_GRE), 1).unwrap();
    assert_eq!((opened.next_header, opened.payload.len()), (NEXT_GRE, inner.len()));
    let opened = gre.open(&mut seal_one(&out, &inner_packet(40), NEXT_IPV4), 1).unwrap();
    assert_eq!((opened.next_header, opened.payload.len()), (NEXT_IPV4, 40));
    assert_eq!(gre.open(&mut seal_one(&out, &inner, 17), 1), Err(OpenError::NextHeader));
    assert_eq!(plain.open(&mut seal_one(&out, &inner, NEXT_GRE), 1), Err(OpenError::NextHeader));
}

#[test]
fn a_pad_length_beyond_the_payload_is_refused() {
    let kind = (Encryption::Null, Some(Integrity::HmacSha1_96));
    let (out, inbound) = pair(kind, false);
    let mut packet = seal_one(&out, &inner_packet(40), NEXT_IPV4);
    let end = packet.len() - out.suite.icv;
    packet[end - 2] = 255;
    out.suite.protect(&mut [&mut packet], 1..2, false);
    assert_eq!(inbound.open(&mut packet, 1), Err(OpenError::Inner));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every suite, sizes from the smallest packet to a jumbo, batches of any length.
    #[test]
    fn sealed_packets_open_again(
        lengths in prop::collection::vec(prop_oneof![20usize..100, 1380usize..1480, 20usize..9000], 1..70),
        extended in any::<bool>(),
        which in 0usize..19,
    ) {
        let suites = all_suites();
        let (out, inbound) = pair(suites[which % suites.len()], extended);
        let plain: Vec<_> = lengths.iter().map(|length| inner_packet(*length)).collect();
        let start = HEADER + out.suite.iv;
        let mut buffers: Vec<_> = plain.iter().map(|p| {
            let mut buffer = vec![0; out.suite.sealed(p.len())];
            buffer[start..start + p.len()].copy_from_slice(p);
            buffer
        }).collect();
        let mut packets: Vec<_> = buffers.iter_mut().zip(&plain)
            .map(|(buffer, p)| Sealing { buffer, plaintext: p.len(), next_header: NEXT_IPV4 }).collect();
        prop_assert_eq!(out.seal(&mut packets, 1).count, plain.len());
        let mut ivs = std::collections::HashSet::new();
        for (buffer, p) in buffers.iter_mut().zip(&plain) {
            if out.suite.iv > 0 {
                prop_assert!(ivs.insert(buffer[HEADER..start].to_vec()), "an IV was used twice");
            }
            prop_assert!(buffer.len() <= out.suite.sealed(out.suite.largest_plaintext(buffer.len())));
            let opened = inbound.open(buffer, 1).unwrap();
            prop_assert_eq!(&buffer[opened.payload], p.as_slice());
        }
    }

    /// Any flipped bit is refused and leaves the window as it was.
    #[test]
    fn a_flipped_bit_is_refused(length in 20usize..300, bit in any::<prop::sample::Index>(), extended in any::<bool>(), which in 0usize..19) {
        let suites = all_suites();
        let (out, inbound) = pair(suites[which % suites.len()], extended);
        let packet = seal_one(&out, &inner_packet(length), NEXT_IPV4);
        let bit = bit.index(packet.len() * 8);
        let mut bad = packet.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let error = inbound.open(&mut bad, 1).unwrap_err();
        // A flipped bit of the sequence number may look like a replay; the SPI is part of what is authenticated.
        let sequence = packet::sequence(&bad).unwrap();
        let expected = [OpenError::Authentication { sequence }, OpenError::Replay { sequence }];
        prop_assert!(expected.contains(&error));
        prop_assert_eq!(inbound.window.lock().unwrap().highest(), 0);
        prop_assert!(inbound.open(&mut packet.clone(), 1).is_ok());
    }

    #[test]
    fn any_octets_are_refused(mut data in prop::collection::vec(any::<u8>(), 0..200), which in 0usize..19) {
        let suites = all_suites();
        let (_, inbound) = pair(suites[which % suites.len()], false);
        prop_assert!(inbound.open(&mut data, 1).is_err());
    }
}
