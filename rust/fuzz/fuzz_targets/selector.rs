#![no_main]
//! A packet against selectors, one by one and filed: both find the same, and the answer is the same traffic.

use libfuzzer_sys::fuzz_target;
use seikan_esp::ip::View;
use seikan_esp::selector::{Prefix, Selector, Selectors, Traffic};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network of the address in `octets`, cut to a length that one of them names.
fn prefix(ipv6: bool, octets: &[u8; 17]) -> Prefix {
    let (address, length): (IpAddr, u8) = if ipv6 {
        let length = octets[16] % 129;
        let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
        let bits = octets.first_chunk::<16>().map_or(0, |octets| u128::from_be_bytes(*octets));
        (Ipv6Addr::from_bits(bits & mask).into(), length)
    } else {
        let length = octets[16] % 33;
        let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
        let bits = octets.first_chunk::<4>().map_or(0, |octets| u32::from_be_bytes(*octets));
        (Ipv4Addr::from_bits(bits & mask).into(), length)
    };
    Prefix::new(address, length).expect("the host bits are off")
}

fuzz_target!(|data: &[u8]| {
    let Some((count, mut rest)) = data.split_first() else { return };
    let mut list = Vec::new();
    for _ in 0..*count {
        let Some((row, after)) = rest.split_first_chunk::<40>() else { break };
        rest = after;
        let ipv6 = row[0] & 1 != 0;
        let local = prefix(ipv6, row[1..18].first_chunk().expect("17 octets"));
        let remote = prefix(ipv6, row[18..35].first_chunk().expect("17 octets"));
        let port = |at: usize| u16::from_be_bytes([row[at], row[at + 1]]);
        list.push(Selector { local, remote, protocol: row[35], local_port: port(36), remote_port: port(38) });
    }
    let Some(view) = View::new(rest) else { return };
    for traffic in [Traffic::sent(&view), Traffic::received(&view)] {
        let place = |has: fn(&Selector, &Traffic) -> bool| list.iter().position(|selector| has(selector, &traffic));
        let expected = place(Selector::contains).or_else(|| place(Selector::admits));
        assert_eq!(Selectors::new(list.clone()).find(&traffic), expected);
    }
});
