#![no_main]
//! A datagram on the NAT traversal port: IKE loses its marker and nothing else.

use libfuzzer_sys::fuzz_target;
use seikan_dataplane::{Demultiplexed, demultiplex};

fuzz_target!(|data: &[u8]| match demultiplex(data) {
    Demultiplexed::Ike(ike) => assert_eq!((&data[..4], &data[4..]), (&[0; 4][..], ike)),
    Demultiplexed::Keepalive => assert_eq!(data, [0xff]),
    Demultiplexed::Esp => assert!(seikan_esp::packet::spi(data) != Some(0)),
});
