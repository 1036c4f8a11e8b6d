#![no_main]
//! A GRE packet, in clear or as it comes out of an SA, and the IP packet in it.

use libfuzzer_sys::fuzz_target;
use seikan_esp::{gre, ip};

fn in_clear(data: &[u8]) {
    if let Ok(header) = gre::parse(data)
        && let Some(view) = ip::View::new(&data[header.octets..])
    {
        let mut inner = data[header.octets..header.octets + view.length()].to_vec();
        ip::set_ecn(&mut inner, 3);
        assert_eq!(ip::View::new(&inner).map(|view| view.tos() & 3), Some(3));
    }
}

fuzz_target!(|data: &[u8]| {
    in_clear(data);
    let Some((next_header, payload)) = data.split_first() else { return };
    if let Ok(found) = gre::protected(payload, *next_header) {
        in_clear(&payload[found.packet]);
    }
});
