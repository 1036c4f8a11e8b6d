//! Traffic selectors (RFC 4301 section 4.4.1.1): which packets belong to which pair of SAs.

use crate::ip::View;
use std::collections::HashMap;
use std::net::IpAddr;

/// Protocols whose header begins with source and destination port: TCP, UDP, DCCP, SCTP, UDP-Lite.
const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];

/// An address in the upper bits, so that a prefix is a mask from the top in both families.
fn left_aligned(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn octets_left_aligned(octets: &[u8]) -> u128 {
    let mut whole = [0; 16];
    whole[..octets.len()].copy_from_slice(octets);
    u128::from_be_bytes(whole)
}

fn version(address: IpAddr) -> u8 {
    if address.is_ipv4() { 4 } else { 6 }
}

/// Why a prefix is none.
#[derive(Debug, PartialEq, Eq)]
pub struct PrefixError(pub String);

/// A network: an address whose host bits are zero, and the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    version: u8,
    network: u128,
    mask: u128,
}

impl Prefix {
    pub fn new(address: IpAddr, length: u8) -> Result<Self, PrefixError> {
        let (bits, network) = (if address.is_ipv4() { 32 } else { 128 }, left_aligned(address));
        let mask = match length {
            0 => 0,
            1..=128 => u128::MAX << (128 - length),
            _ => {
                return Err(PrefixError(format!("{address}/{length} is no network: a prefix has at most {bits} bits")));
            }
        };
        if length > bits {
            return Err(PrefixError(format!("{address}/{length} is no network: a prefix has at most {bits} bits")));
        }
        if network & !mask != 0 {
            return Err(PrefixError(format!("{address}/{length} is no network: it has host bits")));
        }
        Ok(Self { version: version(address), network, mask })
    }
}

/// The traffic of one pair of SAs, seen from this side; protocol and ports are 0 for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selector {
    pub local: Prefix,
    pub remote: Prefix,
    pub protocol: u8,
    pub local_port: u16,
    pub remote_port: u16,
}

impl Selector {
    /// Whether a packet is traffic of this selector. One that does not tell its protocol, or its ports, has none.
    pub fn contains(&self, traffic: &Traffic) -> bool {
        self.between(traffic) && self.carries(traffic, false)
    }

    /// As `contains`, and later fragments whatever their ports were: what came with them decides what becomes of them.
    pub fn admits(&self, traffic: &Traffic) -> bool {
        self.between(traffic) && self.carries(traffic, true)
    }

    /// Addresses alone.
    fn between(&self, traffic: &Traffic) -> bool {
        traffic.version == self.local.version
            && traffic.version == self.remote.version
            && traffic.local & self.local.mask == self.local.network
            && traffic.remote & self.remote.mask == self.remote.network
    }

    /// Protocol and ports alone; `loose` lets later fragments have any.
    fn carries(&self, traffic: &Traffic, loose: bool) -> bool {
        let port =
            |wanted: u16, found: Option<u16>| wanted == 0 || found == Some(wanted) || (loose && traffic.later_fragment);
        (self.protocol == 0 || traffic.protocol == Some(self.protocol))
            && port(self.local_port, traffic.ports.map(|(local, _)| local))
            && port(self.remote_port, traffic.ports.map(|(_, remote)| remote))
    }
}

/// What a packet is by the fields that selectors look at; `None` where it does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    version: u8,
    local: u128,
    remote: u128,
    protocol: Option<u8>,
    /// This side's and the other's. A later fragment has none.
    ports: Option<(u16, u16)>,
    /// Of a protocol with ports, which only the first fragment has.
    later_fragment: bool,
}

impl Traffic {
    /// Of a packet that leaves: its source is on this side.
    pub fn sent(packet: &View<'_>) -> Self {
        let next = packet.next_layer();
        let (source, destination) = packet.addresses();
        let with_ports = next.protocol.is_some_and(|protocol| WITH_PORTS.contains(&protocol));
        let header = next.header.filter(|_| with_ports).and_then(|at| packet.octets().get(at..at + 4));
        let ports = header.map(|port| (u16::from_be_bytes([port[0], port[1]]), u16::from_be_bytes([port[2], port[3]])));
        Self {
            version: packet.version(),
            local: octets_left_aligned(source),
            remote: octets_left_aligned(destination),
            protocol: next.protocol,
            ports,
            later_fragment: with_ports && next.header.is_none(),
        }
    }

    /// Of a packet that has arrived: its destination is on this side.
    pub fn received(packet: &View<'_>) -> Self {
        let sent = Self::sent(packet);
        let ports = sent.ports.map(|(source, here)| (here, source));
        Self { local: sent.remote, remote: sent.local, ports, ..sent }
    }
}

/// Selectors in their order, of which the first that has a packet decides.
///
/// Few are compared one by one. Many are filed by the pair of prefix lengths they have: one look-up for each such
/// pair finds those with a packet's networks, so that the time does not grow with their number.
#[derive(Debug, Default)]
pub struct Selectors {
    ordered: Vec<Selector>,
    /// By the first selector in each; empty where one by one is as fast.
    classes: Vec<Class>,
}

/// Selectors with one pair of prefix lengths.
#[derive(Debug)]
struct Class {
    version: u8,
    local: u128,
    remote: u128,
    first: usize,
    /// By network on this side and on the other; in order.
    members: HashMap<(u128, u128), Vec<usize>>,
}

/// Comparing this many costs about as much as one look-up (`cargo bench --bench selectors`).
const COMPARED_PER_LOOKUP: usize = 16;

impl Selectors {
    pub fn new(ordered: Vec<Selector>) -> Self {
        let mut classes: Vec<Class> = Vec::new();
        for (index, Selector { local, remote, .. }) in ordered.iter().enumerate() {
            let same =
                |class: &Class| (class.version, class.local, class.remote) == (local.version, local.mask, remote.mask);
            let at = classes.iter().position(same).unwrap_or_else(|| {
                let (version, local, remote) = (local.version, local.mask, remote.mask);
                classes.push(Class { version, local, remote, first: index, members: HashMap::new() });
                classes.len() - 1
            });
            classes[at].members.entry((local.network, remote.network)).or_default().push(index);
        }
        if ordered.len() <= classes.len() * COMPARED_PER_LOOKUP {
            classes.clear();
        }
        Self { ordered, classes }
    }

    /// The place of the first selector that has the packet; of those with ports for a later fragment, if no other does.
    pub fn find(&self, traffic: &Traffic) -> Option<usize> {
        self.first(traffic, false).or_else(|| traffic.later_fragment.then(|| self.first(traffic, true)).flatten())
    }

    fn first(&self, traffic: &Traffic, loose: bool) -> Option<usize> {
        if self.classes.is_empty() {
            return self.ordered.iter().position(|held| held.between(traffic) && held.carries(traffic, loose));
        }
        let mut best: Option<usize> = None;
        for class in &self.classes {
            if best.is_some_and(|found| found < class.first) {
                break;
            }
            if class.version != traffic.version {
                continue;
            }
            let networks = (traffic.local & class.local, traffic.remote & class.remote);
            let members = class.members.get(&networks).map_or(&[][..], Vec::as_slice);
            let found = members.iter().find(|index| self.ordered[**index].carries(traffic, loose)).copied();
            best = best.into_iter().chain(found).min();
        }
        best
    }
}

#[cfg(test)]
#[path = "selector_tests.rs"]
mod tests;
