#![no_main]
//! A GRE packet, and the IP packet in it.

use libfuzzer_sys::fuzz_target;
use seikan_esp::{gre, ip};

fuzz_target!(|data: &[u8]| {
    if let Ok(header) = gre::parse(data)
        && let Some(view) = ip::View::new(&data[header.octets..])
    {
        let mut inner = data[header.octets..header.octets + view.length()].to_vec();
        ip::set_ecn(&mut inner, 3);
        assert_eq!(ip::View::new(&inner).map(|view| view.tos() & 3), Some(3));
    }
});
