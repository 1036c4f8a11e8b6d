//! Explicit congestion notification across a tunnel: RFC 6040, which RFC 4301 section 5.1.2 defers to.

pub const NOT_ECT: u8 = 0;
pub const ECT_1: u8 = 1;
pub const ECT_0: u8 = 2;
pub const CE: u8 = 3;

/// What becomes of the inner ECN field at the tunnel's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Egress {
    Keep,
    Set(u8),
    /// Congestion was marked on a packet whose sender does not understand it.
    Drop,
}

/// The outer TOS octet in normal mode (RFC 6040 section 4.1): ECN is copied, DSCP copied or configured.
pub fn ingress(inner: u8, configured: Option<u8>) -> u8 {
    configured.unwrap_or(inner) & !3 | inner & 3
}

/// RFC 6040 figure 4, by the inner and the outer TOS octet.
pub fn egress(inner: u8, outer: u8) -> Egress {
    match (inner & 3, outer & 3) {
        (NOT_ECT, CE) => Egress::Drop,
        (ECT_0 | ECT_1, CE) => Egress::Set(CE),
        (ECT_0, ECT_1) => Egress::Set(ECT_1),
        _ => Egress::Keep,
    }
}

/// The TOS octet of a header between an inner packet and an outer header of TOS `outer`; `None` where it must be dropped.
pub fn between(middle: u8, outer: u8) -> Option<u8> {
    match egress(middle, outer) {
        Egress::Keep => Some(middle),
        Egress::Set(ecn) => Some(middle & !3 | ecn),
        Egress::Drop => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6040_figure_4() {
        // Rows: arriving inner; columns: arriving outer Not-ECT, ECT(0), ECT(1), CE. None is "drop".
        let table = [
            (NOT_ECT, [Some(NOT_ECT), Some(NOT_ECT), Some(NOT_ECT), None]),
            (ECT_0, [Some(ECT_0), Some(ECT_0), Some(ECT_1), Some(CE)]),
            (ECT_1, [Some(ECT_1), Some(ECT_1), Some(ECT_1), Some(CE)]),
            (CE, [Some(CE), Some(CE), Some(CE), Some(CE)]),
        ];
        for (inner, row) in table {
            for (outer, result) in [NOT_ECT, ECT_0, ECT_1, CE].into_iter().zip(row) {
                let got = match egress(0xb8 | inner, outer) {
                    Egress::Keep => Some(inner),
                    Egress::Set(ecn) => Some(ecn),
                    Egress::Drop => None,
                };
                assert_eq!(got, result, "inner {inner} outer {outer}");
            }
        }
    }

    #[test]
    fn congestion_passes_through_a_header_between() {
        assert_eq!(between(0xb8 | ECT_0, CE), Some(0xb8 | CE));
        assert_eq!(between(0xb8 | ECT_0, ECT_0), Some(0xb8 | ECT_0));
        assert_eq!(between(0xb8, CE), None);
    }

    #[test]
    fn the_outer_octet_in_normal_mode() {
        assert_eq!(ingress(0xb9, None), 0xb9);
        assert_eq!(ingress(0xb9, Some(0x20)), 0x21);
    }
}
