//! Every reason to drop a packet, with the name it is counted under.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! drops {
    ($($variant:ident $name:literal $meaning:literal,)+) => {
        /// Why a packet was dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Drop { $(#[doc = $meaning] $variant,)+ }

        /// Name and meaning of every drop, in the order of `Drop`.
        pub const DROPS: &[(&str, &str)] = &[$(($name, $meaning),)+];
    };
}

drops! {
    NoSa "no-sa" "the tunnel, or the packet's policy, has no outbound SA",
    NoPolicy "no-policy" "the packet is traffic of none of the tunnel's policies",
    HardExpired "hard-expired" "the SA's hard lifetime is used up",
    SequenceWrap "sequence-wrap" "the SA has no sequence number left",
    NoSocket "no-socket" "the UDP socket of an encapsulated SA is not attached any more",
    Recursion "recursion" "one of the tunnel's own packets, or of its IKE, was routed into it",
    NotIp "not-ip" "what came from the device is no whole IP packet",
    Segmentation "segmentation" "the device's offload header does not fit its packet",
    TooBig "too-big" "larger than the path MTU and not to be fragmented",
    NoRoute "no-route" "no route to the tunnel destination",
    SendQueueFull "send-queue-full" "the socket took no packet within the limit",
    SendFailed "send-failed" "the socket refused the packet",
    UnknownSpi "unknown-spi" "no inbound SA has this SPI and destination",
    HoldFull "hold-full" "more packets came before their SA was there than are held",
    HoldExpired "hold-expired" "held for an SA that did not come in time",
    EncapsulationMismatch "encapsulation-mismatch" "UDP encapsulated for an SA that is not, or the reverse",
    Malformed "malformed" "too short for ESP, or not a whole number of blocks",
    Replay "replay" "the sequence number was seen, or is older than the window",
    Authentication "authentication-failure" "the ICV is wrong",
    Dummy "dummy" "a dummy packet, next header 59",
    NextHeader "next-header" "a next header that the SA does not carry",
    Inner "inner-malformed" "the inner IP header does not fit the payload",
    Ecn "ecn-ce-not-ect" "congestion marked on a packet that is not ECN capable (RFC 6040)",
    SelectorMismatch "selector-mismatch" "what was in the packet is no traffic of its SA's policy",
    DeviceDown "device-down" "the tunnel device is not up",
    DeviceWrite "device-write" "the tunnel device refused the packet",
    Truncated "truncated" "larger than the receive buffer",
    Keepalive "nat-keepalive" "a NAT keepalive octet, which carries nothing",
    GreMalformed "gre-malformed" "too short for its GRE header",
    GreUnsupported "gre-unsupported" "GRE source routing, or a version other than 0",
    GreChecksum "gre-checksum" "the GRE checksum is wrong",
    GreNoTunnel "gre-no-tunnel" "no GRE tunnel has these endpoints, or is protected by this SA, and has this key",
    GreClear "gre-clear" "GRE in clear for a tunnel that is protected",
    GreFragment "gre-fragment" "part of a GRE packet, cut before encryption: lower the peer's tunnel MTU",
    GreKeepalive "gre-keepalive" "a GRE keepalive came back that was not waited for",
    NotGre "not-gre" "what was in a GRE tunnel's SA is no GRE",
    GreProtocol "gre-protocol" "GRE that carries neither IPv4 nor IPv6",
    ReceiveQueueFull "receive-queue-full" "the socket's receive queue was full",
    IkeQueueFull "ike-queue-full" "IKE datagrams arrive faster than they are taken",
    EventQueueFull "event-queue-full" "events arise faster than they are taken",
}

/// A counter for every drop.
pub struct Drops([AtomicU64; DROPS.len()]);

impl Default for Drops {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; DROPS.len()])
    }
}

impl Drops {
    pub fn add(&self, drop: Drop, count: u64) {
        self.0[drop as usize].fetch_add(count, Relaxed);
    }

    /// The counters that are not zero, by name.
    pub fn read(&self) -> Vec<(&'static str, u64)> {
        let counters = DROPS.iter().zip(&self.0).map(|((name, _), count)| (*name, count.load(Relaxed)));
        counters.filter(|(_, count)| *count != 0).collect()
    }
}

/// What crossed a tunnel device.
#[derive(Default)]
pub struct Traffic {
    pub packets_in: AtomicU64,
    pub packets_out: AtomicU64,
    pub octets_in: AtomicU64,
    pub octets_out: AtomicU64,
    pub drops: Drops,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_follow_the_order() {
        let mut names: Vec<_> = DROPS.iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), DROPS.len());
        let drops = Drops::default();
        drops.add(Drop::EventQueueFull, 2);
        drops.add(Drop::NoSa, 1);
        assert_eq!(drops.read(), [("no-sa", 1), ("event-queue-full", 2)]);
    }
}
