//! Nanoseconds to find the policy of a packet, by the number of policies: `cargo bench --bench selectors`.

use seikan_esp::ip::{Header, View};
use seikan_esp::selector::{Prefix, Selector, Selectors, Traffic};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

const ROUNDS: u32 = 2_000_000;

fn prefix(bits: u32, length: u8) -> Prefix {
    Prefix::new(Ipv4Addr::from_bits(bits).into(), length).expect("a network")
}

/// `count` policies for a network of their own each, of `lengths` different prefix lengths on the far side.
fn policies(count: u32, lengths: u32) -> Vec<Selector> {
    (0..count)
        .map(|n| Selector {
            local: prefix(0xc0a8_0000, 16),
            remote: prefix(0x0a00_0000 + (n << 8), 24 + (n % lengths) as u8),
            protocol: 0,
            local_port: 0,
            remote_port: 0,
        })
        .collect()
}

fn packet_to(bits: u32) -> Vec<u8> {
    let (source, destination): (IpAddr, IpAddr) = ([192, 168, 1, 1].into(), Ipv4Addr::from_bits(bits).into());
    let mut packet = vec![0; 60];
    Header { source, destination, protocol: 6, tos: 0, ttl: 64, dont_fragment: true, identification: 0 }
        .write(&mut packet);
    packet
}

fn main() {
    for (count, lengths) in [(1, 1), (8, 1), (16, 1), (50, 1), (50, 4), (200, 4), (1000, 1), (1000, 8)] {
        let selectors = Selectors::new(policies(count, lengths));
        for (name, network) in [("first", 0), ("last", count - 1), ("none", count)] {
            let packet = packet_to(0x0a00_0000 + (network << 8));
            let start = Instant::now();
            for _ in 0..ROUNDS {
                let view = View::new(black_box(&packet)).expect("a packet");
                black_box(selectors.find(&Traffic::sent(&view)));
            }
            let each = start.elapsed().as_nanos() as f64 / f64::from(ROUNDS);
            println!("{count:5} policies, {lengths} prefix lengths, {name:5}: {each:7.1} ns");
        }
    }
}
