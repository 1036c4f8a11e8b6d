//! Where packets of a tunnel, or of one of its policies, go during one burst.

use crate::counters::Drop;
use crate::socket::{ESP, GRE, Sender, family};
use crate::table::{Config, Mode, OutboundSa, PathMtu, Policy, State, Tunnel, read};
use seikan_esp::packet::HEADER;
use seikan_esp::{gre, ip};
use std::net::IpAddr;
use std::sync::Arc;

pub use crate::table::Path;

const UDP: u8 = 17;
/// IKE and its NAT traversal (RFC 2408 section 2.5.1, RFC 3947 section 4).
const IKE_PORTS: [u16; 2] = [500, 4500];

pub struct Route {
    pub config: Arc<Config>,
    pub policy: Option<Arc<Policy>>,
    pub sa: Option<Arc<OutboundSa>>,
    pub path: Path,
    pub sender: Arc<Sender>,
    /// Octets of IP and UDP header around what this plane writes.
    outer: usize,
}

impl Route {
    /// Fails where there is no outbound SA, or no socket for its path.
    pub fn new(
        state: &State,
        tunnel: &Tunnel,
        config: &Arc<Config>,
        policy: Option<&Arc<Policy>>,
    ) -> Result<Self, Drop> {
        let parameters = &config.parameters;
        let (sa, path) = match parameters.mode {
            Mode::Gre => {
                let path = Path { local: parameters.source, remote: parameters.destination, encapsulation: None };
                (None, path)
            }
            Mode::Ipsec => {
                let sas = policy.map_or(&tunnel.outbound, |policy| &policy.outbound);
                let sa = read(sas).last().ok_or(Drop::NoSa)?.clone();
                let path = *read(&sa.path);
                (Some(sa), path)
            }
        };
        let key = match (path.encapsulation, &sa) {
            (Some(ports), _) => (0, family(path.local), ports.local_port),
            (None, Some(_)) => (ESP, family(path.local), 0),
            (None, None) => (GRE, family(path.local), 0),
        };
        let sender = read(&state.senders).get(&key).ok_or(Drop::NoSocket)?.clone();
        let outer = ip::header_octets(path.local) + if path.encapsulation.is_some() { 8 } else { 0 };
        Ok(Self { config: config.clone(), policy: policy.cloned(), sa, path, sender, outer })
    }

    /// Octets before the inner packet, and of all that this plane writes for `plaintext` octets.
    pub fn layout(&self, plaintext: usize) -> (usize, usize) {
        match &self.sa {
            Some(sa) => (HEADER + sa.sa.suite.iv, sa.sa.suite.sealed(plaintext)),
            None => {
                let header = gre::header_octets(self.config.parameters.key);
                (header, header + plaintext)
            }
        }
    }

    /// The largest inner packet for an outer path of `mtu` octets.
    pub fn largest_plaintext(&self, mtu: usize) -> usize {
        let room = mtu.saturating_sub(self.outer);
        match &self.sa {
            Some(sa) => sa.sa.suite.largest_plaintext(room),
            None => room.saturating_sub(gre::header_octets(self.config.parameters.key)),
        }
    }

    /// What is known of the path: policies may lead to different peers.
    pub fn path_mtu<'a>(&'a self, tunnel: &'a Tunnel) -> &'a PathMtu {
        self.policy.as_ref().map_or(&tunnel.path_mtu, |policy| &policy.path_mtu)
    }

    /// Whether a packet is one that this route made, or IKE between its ends: sending it again would loop.
    pub fn made(&self, packet: &ip::View<'_>) -> bool {
        let (source, destination) = packet.addresses();
        let ends = match (self.path.local, self.path.remote) {
            (IpAddr::V4(a), IpAddr::V4(b)) => source == a.octets() && destination == b.octets(),
            (IpAddr::V6(a), IpAddr::V6(b)) => source == a.octets() && destination == b.octets(),
            _ => false,
        };
        let port = packet.octets().get(packet.header()..packet.header() + 2);
        ends && match packet.protocol() {
            ESP => true,
            // GRE between the ends of an SA is traffic like any other: crypto maps protect it so.
            GRE => self.sa.is_none(),
            UDP => port.is_some_and(|octets| IKE_PORTS.contains(&u16::from_be_bytes([octets[0], octets[1]]))),
            _ => false,
        }
    }
}
