//! Where packets of a tunnel, or of one of its policies, go during one burst.

use crate::counters::Drop;
use crate::socket::{ESP, GRE, Sender, family};
use crate::table::{Config, Mode, OutboundSa, PathMtu, Policy, State, Tunnel, read};
use seikan_esp::packet::{HEADER, NEXT_GRE, NEXT_IPV4, NEXT_IPV6};
use seikan_esp::{gre, ip};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

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
    /// Octets of ESP header and IV, of an IP header around GRE in tunnel mode, and of GRE header; 0 where there is none.
    esp: usize,
    ip: usize,
    gre: usize,
}

/// What is written into the headers of one packet.
#[derive(Clone, Copy)]
pub struct Fields {
    /// Of the inner packet: 4 or 6.
    pub version: u8,
    pub tos: u8,
    pub df: bool,
}

impl Route {
    /// Fails where there is no outbound SA, or no socket for its path.
    pub fn new(state: &State, config: &Arc<Config>, policy: Option<&Arc<Policy>>) -> Result<Self, Drop> {
        let parameters = &config.parameters;
        let (sa, path) = match &config.bundle {
            None => {
                let path = Path { local: parameters.source, remote: parameters.destination, encapsulation: None };
                (None, path)
            }
            Some(bundle) => {
                let sas = policy.map_or(&bundle.outbound, |policy| &policy.outbound);
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
        let esp = sa.as_ref().map_or(0, |sa| HEADER + sa.sa.suite.iv);
        let (ip, gre) = match (parameters.mode, &sa) {
            (Mode::Ipsec, _) => (0, 0),
            (Mode::Gre, Some(sa)) if !sa.transport => {
                (ip::header_octets(parameters.source), gre::header_octets(parameters.key))
            }
            (Mode::Gre, _) => (0, gre::header_octets(parameters.key)),
        };
        Ok(Self { config: config.clone(), policy: policy.cloned(), sa, path, sender, outer, esp, ip, gre })
    }

    /// Octets that this plane puts before an inner packet and ESP, if any, encrypts with it.
    pub fn headers(&self) -> usize {
        self.ip + self.gre
    }

    /// Octets before an inner packet of `octets`, and of all that this plane writes for it.
    pub fn layout(&self, octets: usize) -> (usize, usize) {
        let whole = self.headers() + octets;
        (self.esp + self.headers(), self.sa.as_ref().map_or(whole, |sa| sa.sa.suite.sealed(whole)))
    }

    /// The largest inner packet for an outer path of `mtu` octets.
    pub fn largest(&self, mtu: usize) -> usize {
        let room = mtu.saturating_sub(self.outer);
        let whole = self.sa.as_ref().map_or(room, |sa| sa.sa.suite.largest_plaintext(room));
        whole.saturating_sub(self.headers())
    }

    /// Write the headers of `layout` but for ESP's; `slot` ends with the inner packet of `octets`.
    pub fn write_headers(&self, tunnel: &Tunnel, slot: &mut [u8], octets: usize, fields: Fields) {
        let parameters = &self.config.parameters;
        let packet = &mut slot[self.esp..self.esp + self.headers() + octets];
        if self.gre > 0 {
            gre::write(&mut packet[self.ip..], fields.version, parameters.key);
        }
        if self.ip > 0 {
            let header = ip::Header {
                source: parameters.source,
                destination: parameters.destination,
                protocol: GRE,
                tos: fields.tos,
                ttl: parameters.ttl,
                dont_fragment: fields.df,
                identification: tunnel.identification.fetch_add(1, Relaxed),
            };
            header.write(packet);
        }
    }

    /// The next header of ESP around an inner packet of IP `version`.
    pub fn next_header(&self, version: u8) -> u8 {
        match (self.ip, self.gre, version) {
            (0, 0, 4) | (20, ..) => NEXT_IPV4,
            (0, 0, _) | (40, ..) => NEXT_IPV6,
            _ => NEXT_GRE,
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
