//! AES-CBC (RFC 3602) over a batch of packets.
//!
//! CBC encryption is serial within a packet: each block waits for the one before. Independent
//! packets do not wait for each other, so a batch is encrypted with one block of every packet in
//! flight. Decryption is parallel within a packet.

use aes::{Aes128, Aes192, Aes256};
use cipher::array::Array;
use cipher::consts::U16;
use cipher::{
    Block, BlockCipherDecBackend, BlockCipherDecClosure, BlockCipherDecrypt, BlockCipherEncBackend,
    BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit, ParBlocks, typenum::Unsigned,
};

/// Octets of an AES block, and of the IV of AES-CBC.
pub const BLOCK: usize = 16;

/// An expanded AES key; the key schedule is wiped when it is dropped.
pub enum Aes {
    Aes128(Aes128),
    Aes192(Aes192),
    Aes256(Aes256),
}

impl Aes {
    /// `None` unless `key` has 16, 24 or 32 octets.
    pub fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128::new_from_slice(key).ok().map(Self::Aes128),
            24 => Aes192::new_from_slice(key).ok().map(Self::Aes192),
            32 => Aes256::new_from_slice(key).ok().map(Self::Aes256),
            _ => None,
        }
    }

    /// Encrypt one block in place, without chaining.
    pub fn encrypt_block(&self, block: &mut [u8; BLOCK]) {
        let mut array = Array::from(*block);
        match self {
            Self::Aes128(key) => key.encrypt_block(&mut array),
            Self::Aes192(key) => key.encrypt_block(&mut array),
            Self::Aes256(key) => key.encrypt_block(&mut array),
        }
        *block = array.into();
    }

    /// CBC encryption in place of any number of packets, each the IV followed by whole blocks.
    pub fn encrypt(&self, packets: &mut [&mut [u8]]) {
        match self {
            Self::Aes128(key) => key.encrypt_with_backend(Encrypt { packets }),
            Self::Aes192(key) => key.encrypt_with_backend(Encrypt { packets }),
            Self::Aes256(key) => key.encrypt_with_backend(Encrypt { packets }),
        }
    }

    /// CBC decryption in place of one packet, the IV followed by whole blocks.
    pub fn decrypt(&self, packet: &mut [u8]) {
        match self {
            Self::Aes128(key) => key.decrypt_with_backend(Decrypt { packet }),
            Self::Aes192(key) => key.decrypt_with_backend(Decrypt { packet }),
            Self::Aes256(key) => key.decrypt_with_backend(Decrypt { packet }),
        }
    }
}

struct Encrypt<'a, 'b> {
    packets: &'a mut [&'b mut [u8]],
}

impl BlockSizeUser for Encrypt<'_, '_> {
    type BlockSize = U16;
}

/// The block at index `i` of a packet; block 0 is the IV.
#[inline(always)]
fn block(packet: &[u8], i: usize) -> [u8; BLOCK] {
    let mut out = [0; BLOCK];
    out.copy_from_slice(&packet[i * BLOCK..(i + 1) * BLOCK]);
    out
}

#[inline(always)]
fn xor(a: [u8; BLOCK], b: [u8; BLOCK]) -> [u8; BLOCK] {
    (u128::from_ne_bytes(a) ^ u128::from_ne_bytes(b)).to_ne_bytes()
}

impl BlockCipherEncClosure for Encrypt<'_, '_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        for lanes in self.packets.chunks_mut(B::ParBlocksSize::USIZE) {
            if let [packet] = lanes {
                let mut chain = block(packet, 0);
                for plain in packet[BLOCK..].chunks_exact_mut(BLOCK) {
                    let mut cell = Array(xor(chain, block(plain, 0)));
                    backend.encrypt_block((&mut cell).into());
                    chain = cell.into();
                    plain.copy_from_slice(&chain);
                }
                continue;
            }
            let mut cells = ParBlocks::<B>::default();
            for (cell, lane) in cells.iter_mut().zip(lanes.iter()) {
                *cell = Array(block(lane, 0));
            }
            let shortest = lanes.iter().map(|lane| lane.len() / BLOCK).min().unwrap_or(0);
            let longest = lanes.iter().map(|lane| lane.len() / BLOCK).max().unwrap_or(0);
            for i in 1..shortest {
                for (cell, lane) in cells.iter_mut().zip(lanes.iter()) {
                    *cell = Array(xor((*cell).into(), block(lane, i)));
                }
                backend.encrypt_par_blocks((&mut cells).into());
                for (cell, lane) in cells.iter().zip(lanes.iter_mut()) {
                    lane[i * BLOCK..(i + 1) * BLOCK].copy_from_slice(cell);
                }
            }
            // Packets of one batch seldom differ but in the last: a lane that is through idles.
            for i in shortest.max(1)..longest {
                for (cell, lane) in cells.iter_mut().zip(lanes.iter()) {
                    if i < lane.len() / BLOCK {
                        *cell = Array(xor((*cell).into(), block(lane, i)));
                    }
                }
                backend.encrypt_par_blocks((&mut cells).into());
                for (cell, lane) in cells.iter().zip(lanes.iter_mut()) {
                    if i < lane.len() / BLOCK {
                        lane[i * BLOCK..(i + 1) * BLOCK].copy_from_slice(cell);
                    }
                }
            }
        }
    }
}

struct Decrypt<'a> {
    packet: &'a mut [u8],
}

impl BlockSizeUser for Decrypt<'_> {
    type BlockSize = U16;
}

impl BlockCipherDecClosure for Decrypt<'_> {
    #[inline(always)]
    fn call<B: BlockCipherDecBackend<BlockSize = U16>>(self, backend: &B) {
        if self.packet.len() < BLOCK {
            return;
        }
        let mut chain = block(self.packet, 0);
        let mut groups = self.packet[BLOCK..].chunks_exact_mut(BLOCK * B::ParBlocksSize::USIZE);
        for group in groups.by_ref() {
            let mut cells = ParBlocks::<B>::default();
            for (i, cell) in cells.iter_mut().enumerate() {
                *cell = Array(block(group, i));
            }
            let ciphertext = cells.clone();
            backend.decrypt_par_blocks((&mut cells).into());
            for (i, (cell, cipher)) in cells.iter().zip(ciphertext.iter()).enumerate() {
                let plain = xor(chain, (*cell).into());
                group[i * BLOCK..(i + 1) * BLOCK].copy_from_slice(&plain);
                chain = (*cipher).into();
            }
        }
        for tail in groups.into_remainder().chunks_exact_mut(BLOCK) {
            let cipher = block(tail, 0);
            let mut cell: Block<Self> = Array(cipher);
            backend.decrypt_block((&mut cell).into());
            tail.copy_from_slice(&xor(chain, cell.into()));
            chain = cipher;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::tests::unhex;
    use proptest::prelude::*;

    /// RFC 3602 section 4, cases 1 to 4: key, IV, plaintext, ciphertext.
    const VECTORS: [[&str; 4]; 4] = [
        [
            "06a9214036b8a15b512e03d534120006",
            "3dafba429d9eb430b422da802c9fac41",
            "53696e676c6520626c6f636b206d7367",
            "e353779c1079aeb82708942dbe77181a",
        ],
        [
            "c286696d887c9aa0611bbb3e2025a45a",
            "562e17996d093d28ddb3ba695a2e6f58",
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
        ],
        [
            "6c3ea0477630ce21a2ce334aa746c2cd",
            "c782dc4c098c66cbd9cd27d825682c81",
            "5468697320697320612034382d62797465206d657373616765202865786163746c7920332041455320626c6f636b7329",
            "d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c8579695d83ba2684",
        ],
        [
            "56e47a38c5598974bc46903dba290349",
            "8ce82eefbea0da3c44699ed7db51b7d9",
            "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf",
            "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55",
        ],
    ];

    #[test]
    fn rfc3602_vectors() {
        for [key, iv, plain, cipher] in VECTORS {
            let aes = Aes::new(&unhex(key)).unwrap();
            let mut packet = [unhex(iv), unhex(plain)].concat();
            aes.encrypt(&mut [&mut packet]);
            assert_eq!(packet[BLOCK..], unhex(cipher));
            aes.decrypt(&mut packet);
            assert_eq!(packet[BLOCK..], unhex(plain));
        }
    }

    #[test]
    fn a_key_of_another_size_is_refused() {
        assert!(Aes::new(&[0; 20]).is_none());
    }

    proptest! {
        /// Many packets at once give what each gives alone, and decrypt back.
        #[test]
        fn a_batch_equals_its_packets(
            key in prop_oneof![Just(16usize), Just(24), Just(32)],
            blocks in prop::collection::vec(0usize..40, 1..20),
            seed in any::<u8>(),
        ) {
            let aes = Aes::new(&vec![seed; key]).unwrap();
            let plain: Vec<Vec<u8>> = blocks
                .iter()
                .enumerate()
                .map(|(n, count)| (0..(count + 1) * BLOCK).map(|i| (i * 7 + n) as u8 ^ seed).collect())
                .collect();
            let mut batch = plain.clone();
            aes.encrypt(&mut batch.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>());
            for (together, alone) in batch.iter_mut().zip(&plain) {
                let mut packet = alone.clone();
                aes.encrypt(&mut [&mut packet]);
                prop_assert_eq!(&packet, &*together);
                aes.decrypt(together);
                prop_assert_eq!(alone, together);
            }
        }
    }
}
