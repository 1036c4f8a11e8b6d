//! Where the fields of an ESP packet lie (RFC 4303 section 2).

/// SPI and sequence number.
pub const HEADER: usize = 8;
/// Pad length and next header.
pub const TRAILER: usize = 2;

/// Next headers of tunnel mode, of GRE in transport mode, and of a dummy packet (RFC 4303 section 2.6).
pub const NEXT_IPV4: u8 = 4;
pub const NEXT_IPV6: u8 = 41;
pub const NEXT_GRE: u8 = 47;
pub const NEXT_NONE: u8 = 59;

/// The SPI of an ESP packet; `None` where it is too short to have one.
pub fn spi(packet: &[u8]) -> Option<u32> {
    packet.first_chunk::<4>().map(|octets| u32::from_be_bytes(*octets))
}

/// The low 32 bits of the sequence number; `None` where the packet is too short.
pub fn sequence(packet: &[u8]) -> Option<u32> {
    packet.get(4..8).and_then(|field| field.first_chunk::<4>()).map(|octets| u32::from_be_bytes(*octets))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Octets of a hexadecimal string; blanks are allowed between octets.
    pub(crate) fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|c| !c.is_ascii_whitespace()).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn fields_of_a_short_packet_are_none() {
        assert_eq!(spi(&[0, 0, 1]), None);
        assert_eq!(sequence(&[0; 7]), None);
        assert_eq!((spi(&[0, 0, 1, 2, 0, 0, 0, 9]), sequence(&[0, 0, 1, 2, 0, 0, 0, 9])), (Some(0x102), Some(9)));
    }
}
