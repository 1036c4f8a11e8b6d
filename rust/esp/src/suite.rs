//! The algorithms of ESP: sizes in one table, keys in one type that wipes itself.

use crate::cbc::{self, Aes};
use crate::packet::HEADER;
use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{constant_time, hmac, rand};
use std::fmt;
use zeroize::Zeroizing;

/// An encryption algorithm of ESP, by the name the control side uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    Null,
    AesCbc128,
    AesCbc192,
    AesCbc256,
    AesGcm128,
    AesGcm192,
    AesGcm256,
    ChaCha20Poly1305,
}

/// An integrity algorithm of ESP, by the name the control side uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    HmacSha1_96,
    HmacSha256_128,
    HmacSha384_192,
    HmacSha512_256,
}

struct EncryptionRow {
    name: &'static str,
    encryption: Encryption,
    /// Octets of key and, for an AEAD, of the salt behind it (RFC 4106 section 8.1, RFC 7634 section 2.1).
    key: usize,
    salt: usize,
    iv: usize,
    block: usize,
}

struct IntegrityRow {
    name: &'static str,
    integrity: Integrity,
    key: usize,
    icv: usize,
}

/// RFC 3602, RFC 4106, RFC 7634, RFC 2410.
const ENCRYPTIONS: [EncryptionRow; 8] = [
    EncryptionRow { name: "null", encryption: Encryption::Null, key: 0, salt: 0, iv: 0, block: 4 },
    EncryptionRow { name: "aes-cbc-128", encryption: Encryption::AesCbc128, key: 16, salt: 0, iv: 16, block: 16 },
    EncryptionRow { name: "aes-cbc-192", encryption: Encryption::AesCbc192, key: 24, salt: 0, iv: 16, block: 16 },
    EncryptionRow { name: "aes-cbc-256", encryption: Encryption::AesCbc256, key: 32, salt: 0, iv: 16, block: 16 },
    EncryptionRow { name: "aes-gcm-16-128", encryption: Encryption::AesGcm128, key: 16, salt: 4, iv: 8, block: 4 },
    EncryptionRow { name: "aes-gcm-16-192", encryption: Encryption::AesGcm192, key: 24, salt: 4, iv: 8, block: 4 },
    EncryptionRow { name: "aes-gcm-16-256", encryption: Encryption::AesGcm256, key: 32, salt: 4, iv: 8, block: 4 },
    EncryptionRow {
        name: "chacha20-poly1305",
        encryption: Encryption::ChaCha20Poly1305,
        key: 32,
        salt: 4,
        iv: 8,
        block: 4,
    },
];

/// RFC 2404, RFC 4868.
const INTEGRITIES: [IntegrityRow; 4] = [
    IntegrityRow { name: "hmac-sha1-96", integrity: Integrity::HmacSha1_96, key: 20, icv: 12 },
    IntegrityRow { name: "hmac-sha256-128", integrity: Integrity::HmacSha256_128, key: 32, icv: 16 },
    IntegrityRow { name: "hmac-sha384-192", integrity: Integrity::HmacSha384_192, key: 48, icv: 24 },
    IntegrityRow { name: "hmac-sha512-256", integrity: Integrity::HmacSha512_256, key: 64, icv: 32 },
];

/// Of every AEAD here.
const AEAD_ICV: usize = 16;

/// Why a suite could not be made; the text never contains key material.
#[derive(Debug, PartialEq, Eq)]
pub struct SuiteError(pub String);

impl fmt::Display for SuiteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SuiteError {}

impl Encryption {
    pub const ALL: [Encryption; 8] = [
        Self::Null,
        Self::AesCbc128,
        Self::AesCbc192,
        Self::AesCbc256,
        Self::AesGcm128,
        Self::AesGcm192,
        Self::AesGcm256,
        Self::ChaCha20Poly1305,
    ];

    pub fn from_name(name: &str) -> Result<Self, SuiteError> {
        ENCRYPTIONS.iter().find(|row| row.name == name).map(|row| row.encryption).ok_or_else(|| {
            let known = ENCRYPTIONS.map(|row| row.name).join(", ");
            SuiteError(format!("encryption {name} is not in the userspace plane; it has {known}"))
        })
    }

    fn row(self) -> &'static EncryptionRow {
        &ENCRYPTIONS[self as usize]
    }

    /// Whether the algorithm brings its own integrity.
    pub fn aead(self) -> bool {
        self.row().salt > 0
    }

    /// Octets of key and salt together.
    pub fn key_octets(self) -> usize {
        self.row().key + self.row().salt
    }
}

impl Integrity {
    pub const ALL: [Integrity; 4] =
        [Self::HmacSha1_96, Self::HmacSha256_128, Self::HmacSha384_192, Self::HmacSha512_256];

    pub fn from_name(name: &str) -> Result<Self, SuiteError> {
        INTEGRITIES.iter().find(|row| row.name == name).map(|row| row.integrity).ok_or_else(|| {
            let known = INTEGRITIES.map(|row| row.name).join(", ");
            SuiteError(format!("integrity {name} is not in the userspace plane; it has {known}"))
        })
    }

    fn row(self) -> &'static IntegrityRow {
        &INTEGRITIES[self as usize]
    }

    /// Octets of key.
    pub fn key_octets(self) -> usize {
        self.row().key
    }

    fn algorithm(self) -> hmac::Algorithm {
        match self {
            Self::HmacSha1_96 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::HmacSha256_128 => hmac::HMAC_SHA256,
            Self::HmacSha384_192 => hmac::HMAC_SHA384,
            Self::HmacSha512_256 => hmac::HMAC_SHA512,
        }
    }
}

enum Transform {
    Aead { key: LessSafeKey, salt: Zeroizing<[u8; 4]> },
    Mac(Box<EncryptThenMac>),
}

struct EncryptThenMac {
    /// None for NULL encryption.
    cipher: Option<CbcCipher>,
    mac: hmac::Key,
}

struct CbcCipher {
    key: Aes,
    /// IVs must be unpredictable (RFC 3602 section 3): they are the sequence number encrypted under
    /// a random key of this side alone (NIST SP 800-38A appendix C, first method).
    iv_key: Aes,
}

/// One direction's keys and sizes. Dropping it wipes the keys.
pub struct Suite {
    transform: Transform,
    /// Octets of IV, of ICV, and what the ciphertext is a multiple of.
    pub iv: usize,
    pub icv: usize,
    pub block: usize,
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite").field("iv", &self.iv).field("icv", &self.icv).finish_non_exhaustive()
    }
}

impl Suite {
    /// `encryption_key` holds the salt behind the key where the algorithm has one.
    pub fn new(
        encryption: Encryption,
        encryption_key: &[u8],
        integrity: Option<Integrity>,
        integrity_key: &[u8],
    ) -> Result<Self, SuiteError> {
        let row = encryption.row();
        if encryption_key.len() != encryption.key_octets() {
            return Err(SuiteError(format!(
                "{} takes a key of {} octets, not {}",
                row.name,
                encryption.key_octets(),
                encryption_key.len()
            )));
        }
        let (transform, icv) = match (encryption.aead(), integrity) {
            (true, Some(_)) => {
                return Err(SuiteError(format!("{} has its own integrity; none may be given with it", row.name)));
            }
            (false, None) => {
                return Err(SuiteError(format!("{} needs an integrity algorithm (RFC 8221 section 5)", row.name)));
            }
            (true, None) => {
                let algorithm = match encryption {
                    Encryption::AesGcm128 => &aead::AES_128_GCM,
                    Encryption::AesGcm192 => &aead::AES_192_GCM,
                    Encryption::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
                    _ => &aead::AES_256_GCM,
                };
                let (key, salt_octets) = encryption_key.split_at(row.key);
                let key =
                    UnboundKey::new(algorithm, key).map_err(|_| SuiteError(format!("{} refused the key", row.name)))?;
                let mut salt = Zeroizing::new([0; 4]);
                salt.copy_from_slice(salt_octets);
                (Transform::Aead { key: LessSafeKey::new(key), salt }, AEAD_ICV)
            }
            (false, Some(integrity)) => {
                let wanted = integrity.key_octets();
                if integrity_key.len() != wanted {
                    return Err(SuiteError(format!(
                        "{} takes a key of {wanted} octets, not {}",
                        integrity.row().name,
                        integrity_key.len()
                    )));
                }
                let mac = hmac::Key::new(integrity.algorithm(), integrity_key);
                let cipher = CbcCipher::new(encryption_key)?;
                (Transform::Mac(Box::new(EncryptThenMac { cipher, mac })), integrity.row().icv)
            }
        };
        Ok(Self { transform, iv: row.iv, icv, block: row.block })
    }

    /// Octets of padding behind a plaintext of `plaintext` octets (RFC 4303 section 2.4).
    pub fn padding(&self, plaintext: usize) -> usize {
        (plaintext + crate::packet::TRAILER).next_multiple_of(self.block) - plaintext - crate::packet::TRAILER
    }

    /// Octets of the ESP packet around `plaintext` octets, from SPI to ICV.
    pub fn sealed(&self, plaintext: usize) -> usize {
        HEADER + self.iv + (plaintext + crate::packet::TRAILER).next_multiple_of(self.block) + self.icv
    }

    /// The largest plaintext whose ESP packet has at most `room` octets; 0 where none has.
    pub fn largest_plaintext(&self, room: usize) -> usize {
        let ciphertext = room.saturating_sub(HEADER + self.iv + self.icv);
        (ciphertext - ciphertext % self.block).saturating_sub(crate::packet::TRAILER)
    }

    /// Encrypt and authenticate in place packets whose header, plaintext, padding and trailer are
    /// written. `sequences` are their whole sequence numbers; `extended` puts the high half into
    /// the ICV (RFC 4303 section 2.2.1, RFC 4106 section 5).
    pub(crate) fn protect(&self, packets: &mut [&mut [u8]], sequences: std::ops::Range<u64>, extended: bool) {
        match &self.transform {
            Transform::Aead { key, salt } => {
                for (packet, sequence) in packets.iter_mut().zip(sequences) {
                    // The IV need only be unique under the key: the sequence number is (RFC 4106 section 3.1,
                    // RFC 7634 section 2).
                    packet[HEADER..HEADER + 8].copy_from_slice(&sequence.to_be_bytes());
                    let (aad, length) = associated_data(packet, sequence, extended);
                    let end = packet.len() - AEAD_ICV;
                    let (body, icv) = packet.split_at_mut(end);
                    // Sealing fails only for inputs of more than 2^36 octets (ChaCha20: 2^38).
                    let tag = key
                        .seal_in_place_separate_tag(
                            nonce(salt, sequence),
                            Aad::from(&aad[..length]),
                            &mut body[HEADER + 8..],
                        )
                        .expect("an ESP packet is shorter than what an AEAD can seal");
                    icv.copy_from_slice(tag.as_ref());
                }
            }
            Transform::Mac(keys) => {
                let EncryptThenMac { cipher, mac } = &**keys;
                if let Some(cipher) = cipher {
                    cipher.encrypt(packets, sequences.clone(), self.icv);
                }
                for (packet, sequence) in packets.iter_mut().zip(sequences) {
                    let end = packet.len() - self.icv;
                    let tag = authenticate(mac, &packet[..end], sequence, extended);
                    packet[end..].copy_from_slice(&tag.as_ref()[..self.icv]);
                }
            }
        }
    }

    /// Verify the ICV and decrypt in place; false leaves nothing of use in the packet.
    pub(crate) fn unprotect(&self, packet: &mut [u8], sequence: u64, extended: bool) -> bool {
        match &self.transform {
            Transform::Aead { key, salt } => {
                let (aad, length) = associated_data(packet, sequence, extended);
                let mut iv = [0; 8];
                iv.copy_from_slice(&packet[HEADER..HEADER + 8]);
                let end = packet.len() - AEAD_ICV;
                let (body, icv) = packet.split_at_mut(end);
                let nonce = nonce(salt, u64::from_be_bytes(iv));
                key.open_in_place_separate_tag(nonce, Aad::from(&aad[..length]), icv, &mut body[HEADER + 8..]).is_ok()
            }
            Transform::Mac(keys) => {
                let EncryptThenMac { cipher, mac } = &**keys;
                let end = packet.len() - self.icv;
                let tag = authenticate(mac, &packet[..end], sequence, extended);
                let same = constant_time::verify_slices_are_equal(&tag.as_ref()[..self.icv], &packet[end..]).is_ok();
                if let (true, Some(cipher)) = (same, cipher) {
                    cipher.key.decrypt(&mut packet[HEADER..end]);
                }
                same
            }
        }
    }
}

impl CbcCipher {
    /// `None` for the NULL cipher, whose key is empty.
    fn new(key: &[u8]) -> Result<Option<Self>, SuiteError> {
        if key.is_empty() {
            return Ok(None);
        }
        let unusable = || SuiteError(format!("AES takes no key of {} octets", key.len()));
        let mut fresh = Zeroizing::new([0u8; 16]);
        rand::fill(&mut fresh[..]).map_err(|_| SuiteError("the system gives no random octets".into()))?;
        let iv_key = Aes::new(&fresh[..]).ok_or_else(unusable)?;
        Ok(Some(Self { key: Aes::new(key).ok_or_else(unusable)?, iv_key }))
    }

    fn encrypt(&self, packets: &mut [&mut [u8]], sequences: std::ops::Range<u64>, icv: usize) {
        for (packet, sequence) in packets.iter_mut().zip(sequences) {
            let mut iv = [0; cbc::BLOCK];
            iv[8..].copy_from_slice(&sequence.to_be_bytes());
            self.iv_key.encrypt_block(&mut iv);
            packet[HEADER..HEADER + cbc::BLOCK].copy_from_slice(&iv);
        }
        // Eight lanes keep the AES unit busy; the slices of one group fit the stack.
        for group in packets.chunks_mut(8) {
            let mut lanes: [&mut [u8]; 8] = Default::default();
            let count = group.len();
            for (lane, packet) in lanes.iter_mut().zip(group) {
                let end = packet.len() - icv;
                *lane = &mut packet[HEADER..end];
            }
            self.key.encrypt(&mut lanes[..count]);
        }
    }
}

fn nonce(salt: &[u8; 4], iv: u64) -> Nonce {
    let mut octets = [0; 12];
    octets[..4].copy_from_slice(salt);
    octets[4..].copy_from_slice(&iv.to_be_bytes());
    Nonce::assume_unique_for_key(octets)
}

/// SPI and sequence number, 32 or 64 bits of it (RFC 4106 section 5, RFC 7634 section 2.1).
fn associated_data(packet: &[u8], sequence: u64, extended: bool) -> ([u8; 12], usize) {
    let mut aad = [0; 12];
    aad[..4].copy_from_slice(&packet[..4]);
    if extended {
        aad[4..].copy_from_slice(&sequence.to_be_bytes());
        (aad, 12)
    } else {
        aad[4..8].copy_from_slice(&packet[4..8]);
        (aad, 8)
    }
}

fn authenticate(mac: &hmac::Key, covered: &[u8], sequence: u64, extended: bool) -> hmac::Tag {
    if !extended {
        return hmac::sign(mac, covered);
    }
    let mut context = hmac::Context::with_key(mac);
    context.update(covered);
    context.update(&((sequence >> 32) as u32).to_be_bytes());
    context.sign()
}
