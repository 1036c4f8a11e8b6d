use super::*;
use proptest::prelude::*;

fn prefix(text: &str) -> Prefix {
    let (address, length) = text.split_once('/').unwrap();
    Prefix::new(address.parse().unwrap(), length.parse().unwrap()).unwrap()
}

fn selector(local: &str, remote: &str) -> Selector {
    Selector { local: prefix(local), remote: prefix(remote), protocol: 0, local_port: 0, remote_port: 0 }
}

/// An IP packet between two addresses, whose payload begins with two ports.
fn packet(source: &str, destination: &str, protocol: u8, ports: (u16, u16)) -> Vec<u8> {
    let (source, destination): (IpAddr, IpAddr) = (source.parse().unwrap(), destination.parse().unwrap());
    let octets = crate::ip::header_octets(source);
    let mut packet = vec![0; octets + 8];
    packet[octets..octets + 2].copy_from_slice(&ports.0.to_be_bytes());
    packet[octets + 2..octets + 4].copy_from_slice(&ports.1.to_be_bytes());
    let header =
        crate::ip::Header { source, destination, protocol, tos: 0, ttl: 64, dont_fragment: false, identification: 0 };
    header.write(&mut packet);
    packet
}

fn sent(packet: &[u8]) -> Traffic {
    Traffic::sent(&View::new(packet).unwrap())
}

#[test]
fn networks_are_checked() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    for (text, length, why) in [
        ("10.0.0.1", 24, "host bits"),
        ("10.0.0.0", 33, "at most 32 bits"),
        ("2001:db8::", 129, "at most 128 bits"),
        ("10.0.0.0", 255, "at most 32 bits"),
        ("::1", 0, "host bits"),
    ] {
        let error = Prefix::new(address(text), length).unwrap_err();
        assert!(error.0.contains(why), "{}", error.0);
    }
    assert!(Prefix::new(address("10.0.0.1"), 32).is_ok() && Prefix::new(address("::1"), 128).is_ok());
}

#[test]
fn a_packet_out_and_its_answer_are_the_same_traffic() {
    let there = packet("10.1.0.5", "10.2.0.6", 17, (1234, 53));
    let back = packet("10.2.0.6", "10.1.0.5", 17, (53, 1234));
    assert_eq!(sent(&there), Traffic::received(&View::new(&back).unwrap()));
    let both = selector("10.1.0.0/16", "10.2.0.0/16");
    assert!(both.contains(&sent(&there)));
    assert!(!both.contains(&sent(&back)));
}

#[test]
fn protocol_and_ports_decide() {
    let dns = sent(&packet("10.1.0.5", "10.2.0.6", 17, (1234, 53)));
    let any = selector("0.0.0.0/0", "0.0.0.0/0");
    for (change, expected) in [
        (Selector { protocol: 17, ..any }, true),
        (Selector { protocol: 6, ..any }, false),
        (Selector { protocol: 17, remote_port: 53, ..any }, true),
        (Selector { protocol: 17, remote_port: 54, ..any }, false),
        (Selector { protocol: 17, local_port: 1234, ..any }, true),
        (Selector { protocol: 17, local_port: 53, ..any }, false),
        (selector("::/0", "::/0"), false),
    ] {
        assert_eq!(change.contains(&dns), expected, "{change:?}");
    }
}

#[test]
fn only_protocols_with_ports_have_them() {
    let wants = |protocol| Selector { protocol, remote_port: 53, ..selector("0.0.0.0/0", "0.0.0.0/0") };
    for (protocol, has) in [(6, true), (17, true), (33, true), (132, true), (136, true), (1, false), (50, false)] {
        let traffic = sent(&packet("10.1.0.5", "10.2.0.6", protocol, (1, 53)));
        assert_eq!(wants(protocol).contains(&traffic), has, "protocol {protocol}");
    }
}

#[test]
fn a_later_fragment_has_no_ports() {
    let mut fragment = packet("10.1.0.5", "10.2.0.6", 17, (1234, 53));
    fragment[7] = 1;
    let traffic = sent(&fragment);
    let any = selector("10.1.0.0/16", "10.2.0.0/16");
    assert!(any.contains(&traffic));
    assert!(Selector { protocol: 17, ..any }.contains(&traffic));
    let dns = Selector { protocol: 17, remote_port: 53, ..any };
    assert!(!dns.contains(&traffic));
    assert!(dns.admits(&traffic), "its ports may have been these");
    assert!(!Selector { protocol: 6, ..dns }.admits(&traffic));
    assert!(!Selector { remote: prefix("10.3.0.0/16"), ..dns }.admits(&traffic));
    assert!(!dns.admits(&sent(&packet("10.1.0.5", "10.2.0.6", 17, (1234, 54)))), "a whole packet tells its ports");
}

#[test]
fn a_later_fragment_is_of_a_selector_with_ports_if_no_other_has_it() {
    let mut fragment = packet("10.1.0.5", "10.2.0.6", 17, (1234, 53));
    fragment[7] = 1;
    let dns = Selector { protocol: 17, remote_port: 53, ..selector("10.1.0.0/16", "10.2.0.0/16") };
    let web = Selector { protocol: 6, remote_port: 80, ..dns };
    for copies in [1, 40] {
        let mut list = vec![web; copies];
        list.extend(vec![dns; copies]);
        assert_eq!(Selectors::new(list.clone()).find(&sent(&fragment)), Some(copies));
        list.push(selector("10.1.0.0/16", "10.2.0.0/16"));
        assert_eq!(Selectors::new(list).find(&sent(&fragment)), Some(2 * copies));
    }
}

#[test]
fn the_first_selector_decides() {
    let list = vec![
        Selector { protocol: 6, remote_port: 80, ..selector("10.1.0.0/16", "10.2.0.0/16") },
        selector("10.1.0.5/32", "10.2.0.6/32"),
        selector("10.1.0.0/16", "10.2.0.0/16"),
        selector("2001:db8:1::/48", "2001:db8:2::/48"),
    ];
    let selectors = Selectors::new(list);
    for (packet, expected) in [
        (packet("10.1.0.5", "10.2.0.6", 6, (9, 80)), Some(0)),
        (packet("10.1.0.5", "10.2.0.6", 6, (9, 81)), Some(1)),
        (packet("10.1.0.7", "10.2.0.6", 6, (9, 81)), Some(2)),
        (packet("10.3.0.7", "10.2.0.6", 6, (9, 80)), None),
        (packet("2001:db8:1::1", "2001:db8:2::1", 58, (0, 0)), Some(3)),
    ] {
        assert_eq!(selectors.find(&sent(&packet)), expected);
    }
    assert_eq!(Selectors::default().find(&sent(&packet("10.1.0.5", "10.2.0.6", 6, (9, 80)))), None);
}

/// Few networks and ports, so that random selectors and packets meet often.
fn network() -> impl Strategy<Value = (IpAddr, u8)> {
    (any::<bool>(), 0u8..4, prop_oneof![Just(0u8), Just(8), Just(30), Just(31), Just(32)]).prop_map(
        |(six, host, length)| {
            if six {
                let length = if length == 0 { 0 } else { length + 96 };
                let mask = if length == 0 { 0 } else { u128::MAX << (128 - length) };
                (std::net::Ipv6Addr::from_bits((0x2001_0db8 << 96 | u128::from(host)) & mask).into(), length)
            } else {
                let mask = if length == 0 { 0 } else { u32::MAX << (32 - length) };
                (std::net::Ipv4Addr::from_bits((0x0a00_0000 | u32::from(host)) & mask).into(), length)
            }
        },
    )
}

fn any_selector() -> impl Strategy<Value = Selector> {
    let protocol = prop_oneof![Just(0u8), Just(6), Just(17)];
    (network(), network(), protocol, 0u16..3, 0u16..3)
        .prop_filter("one family", |(local, remote, ..)| local.0.is_ipv4() == remote.0.is_ipv4())
        .prop_map(|(local, remote, protocol, local_port, remote_port)| Selector {
            local: Prefix::new(local.0, local.1).unwrap(),
            remote: Prefix::new(remote.0, remote.1).unwrap(),
            protocol,
            local_port,
            remote_port,
        })
}

fn any_traffic() -> impl Strategy<Value = Traffic> {
    let ports = prop_oneof![Just(None), (0u16..3, 0u16..3).prop_map(Some)];
    let protocol = prop_oneof![Just(None), Just(Some(6u8)), Just(Some(17))];
    (any::<bool>(), 0u8..4, 0u8..4, protocol, ports).prop_map(|(six, local, remote, protocol, ports)| {
        let address = |host: u8| -> IpAddr {
            if six {
                std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(host)).into()
            } else {
                std::net::Ipv4Addr::from_bits(0x0a00_0000 | u32::from(host)).into()
            }
        };
        let version = if six { 6 } else { 4 };
        let (local, remote) = (left_aligned(address(local)), left_aligned(address(remote)));
        Traffic { version, local, remote, protocol, ports, later_fragment: protocol.is_some() && ports.is_none() }
    })
}

proptest! {
    /// The look-up by classes finds what comparing one by one finds, whatever the order and the overlaps.
    #[test]
    fn many_are_found_as_if_compared_one_by_one(
        list in prop::collection::vec(any_selector(), 0..300),
        traffic in prop::collection::vec(any_traffic(), 1..20),
    ) {
        let selectors = Selectors::new(list.clone());
        for packet in &traffic {
            let place = |has: fn(&Selector, &Traffic) -> bool| list.iter().position(|held| has(held, packet));
            let expected = place(Selector::contains).or_else(|| place(Selector::admits));
            prop_assert_eq!(selectors.find(packet), expected);
        }
    }

    #[test]
    fn any_packet_is_classified(data in prop::collection::vec(any::<u8>(), 0..120)) {
        if let Some(view) = View::new(&data) {
            let (out, back) = (Traffic::sent(&view), Traffic::received(&view));
            prop_assert_eq!((out.local, out.remote, out.protocol), (back.remote, back.local, back.protocol));
        }
    }
}

#[test]
fn many_selectors_are_filed_by_their_prefixes() {
    let pair = |n: u32| selector(&format!("10.{}.{}.0/24", n >> 8, n & 255), "192.168.0.0/16");
    let selectors = Selectors::new((0..1000).map(pair).collect());
    assert_eq!(selectors.classes.len(), 1);
    assert_eq!(selectors.find(&sent(&packet("10.3.7.9", "192.168.4.4", 1, (0, 0)))), Some(3 * 256 + 7));
    assert!(Selectors::new((0..16).map(pair).collect()).classes.is_empty());
}
