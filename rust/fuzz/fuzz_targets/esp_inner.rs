#![no_main]
//! What an authenticated peer may put into a packet: any payload, padding and next header, for either kind of SA.

use libfuzzer_sys::fuzz_target;
use seikan_esp::{Carries, Encryption, Inbound, Lifetime, Outbound, Sealing, Suite, gre};

fuzz_target!(|data: &[u8]| {
    let Some((next_header, plain)) = data.split_first() else { return };
    let suite = || Suite::new(Encryption::AesGcm128, &[1; 20], None, &[]).expect("the sizes fit");
    let sender = Outbound::new(0x100, suite(), false, Lifetime::default());
    let mut sealed = vec![0; sender.suite.sealed(plain.len())];
    sealed[16..16 + plain.len()].copy_from_slice(plain);
    let packet = Sealing { buffer: &mut sealed, plaintext: plain.len(), next_header: *next_header };
    assert_eq!(sender.seal(&mut [packet], 1).count, 1);
    for carries in [Carries::Ip, Carries::Gre] {
        let receiver = Inbound::new(0x100, suite(), carries, 64, false, Lifetime::default());
        let mut buffer = sealed.clone();
        if let Ok(opened) = receiver.open(&mut buffer, 1) {
            let payload = &buffer[opened.payload];
            assert_eq!(payload, &plain[..payload.len()]);
            if let Ok(found) = gre::protected(payload, opened.next_header) {
                assert!(found.packet.end <= payload.len());
            }
        }
    }
});
