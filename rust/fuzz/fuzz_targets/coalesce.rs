#![no_main]
//! Packets that arrived together: each leaves in exactly one write, and joined ones can be cut again.

use libfuzzer_sys::fuzz_target;
use seikan_dataplane::coalesce::join;
use seikan_dataplane::segment::Plan;
use seikan_dataplane::tun::{VNET_HEADER, VnetHeader};

fuzz_target!(|data: &[u8]| {
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(length) = data.get(at).map(|octet| usize::from(*octet)).filter(|length| *length > 0) {
        let end = data.len().min(at + 1 + length);
        if at + 1 < end {
            ranges.push(at + 1..end);
        }
        at = end;
    }
    let mut packets = 0;
    join(data, &ranges, |joined| {
        packets += joined.packets;
        let octets: Vec<u8> = joined.parts(data).iter().flat_map(|part| part.to_vec()).collect();
        if joined.packets > 1 {
            let (header, packet) = octets.split_first_chunk::<VNET_HEADER>().expect("a write begins with its header");
            let plan = Plan::new(&VnetHeader::parse(header), packet).expect("the header fits the packet");
            assert_eq!(plan.count as u64, joined.packets);
        }
    });
    assert_eq!(packets, ranges.len() as u64);
});
