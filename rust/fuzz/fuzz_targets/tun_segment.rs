#![no_main]
//! An offload header with a packet: the segments are as long as announced, and carry all of the payload.

use libfuzzer_sys::fuzz_target;
use seikan_dataplane::segment::Plan;
use seikan_dataplane::tun::{VNET_HEADER, VnetHeader};

fuzz_target!(|data: &[u8]| {
    let Some((header, packet)) = data.split_first_chunk::<VNET_HEADER>() else { return };
    if let Ok(plan) = Plan::new(&VnetHeader::parse(header), packet) {
        for n in 0..plan.count {
            let mut out = vec![0; plan.octets(n)];
            plan.write(packet, n, &mut out);
        }
    }
});
