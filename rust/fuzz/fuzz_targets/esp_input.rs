#![no_main]
//! Octets from the network into an inbound SA of every kind: they are refused, and nothing else happens.

use libfuzzer_sys::fuzz_target;
use seikan_esp::{Carries, Encryption, Inbound, Integrity, Lifetime, Suite};

fuzz_target!(|data: &[u8]| {
    let Some((choice, packet)) = data.split_first() else { return };
    let encryption = Encryption::ALL[usize::from(*choice) % Encryption::ALL.len()];
    let integrity = (!encryption.aead()).then(|| Integrity::ALL[usize::from(*choice >> 4) % Integrity::ALL.len()]);
    let mac = vec![2; integrity.map_or(0, Integrity::key_octets)];
    let suite = Suite::new(encryption, &vec![1; encryption.key_octets()], integrity, &mac).expect("the sizes fit");
    let sa = Inbound::new(0x100, suite, Carries::Ip, 64, choice & 8 != 0, Lifetime::default());
    assert!(sa.open(&mut packet.to_vec(), 1).is_err());
});
