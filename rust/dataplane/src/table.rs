//! What the plane knows: tunnels, security associations, and who finds them by what.

use crate::counters::{Drop, Drops, Traffic};
use crate::event::{Event, Events, Kind, Limiter, Notice};
use crate::hold::Hold;
use crate::keepalive::Keepalives;
use crate::socket::{LossCounter, Sender};
use crate::tun::Tun;
use seikan_esp as esp;
use seikan_esp::selector::{self, Selector, Selectors};
use std::collections::HashMap;
use std::ffi::c_int;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Gre,
    Ipsec,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Df {
    Copy,
    Set,
    Clear,
}

/// A tunnel as the control side wants it; `mtu` in octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    pub device: String,
    pub mode: Mode,
    pub source: IpAddr,
    pub destination: IpAddr,
    pub mtu: u32,
    pub key: Option<u32>,
    pub ttl: u8,
    pub df: Df,
    pub tos: Option<u8>,
    /// The name that SAs of a GRE tunnel are added under; None for GRE in clear.
    pub bundle: Option<String>,
    /// In order; empty where one pair of SAs carries everything.
    pub policies: Vec<(u32, Selector)>,
}

impl Parameters {
    /// The name that SAs are added under.
    pub fn bundle_name(&self) -> Option<&str> {
        match self.mode {
            Mode::Ipsec => Some(&self.device),
            Mode::Gre => self.bundle.as_deref(),
        }
    }

    /// What a received GRE packet of this tunnel is found by.
    pub fn gre_key(&self) -> GreKey {
        (self.source, self.destination, self.key)
    }
}

pub type GreKey = (IpAddr, IpAddr, Option<u32>);

/// UDP ports of RFC 3948, this side's and the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encapsulation {
    pub local_port: u16,
    pub remote_port: u16,
}

/// The outer addresses of an SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    pub local: IpAddr,
    pub remote: IpAddr,
    pub encapsulation: Option<Encapsulation>,
}

impl Path {
    pub fn remote_address(&self) -> SocketAddr {
        SocketAddr::new(self.remote, self.encapsulation.map_or(0, |ports| ports.remote_port))
    }
}

pub struct OutboundSa {
    pub sa: esp::Outbound,
    pub path: RwLock<Path>,
    /// The number of the policy it is for.
    pub policy: Option<u32>,
    /// Transport mode, for GRE alone.
    pub transport: bool,
    pub drops: Drops,
}

/// Outbound SAs by age; the last is the one in use.
pub type SaList = RwLock<Vec<Arc<OutboundSa>>>;

/// What shares SAs: an IPsec tunnel alone, or GRE tunnels.
pub struct Bundle {
    /// For tables; a name may be used again.
    pub id: u64,
    pub name: String,
    /// Those for no policy.
    pub outbound: SaList,
    /// Every outbound SA, those of policies too, by SPI.
    pub by_spi: RwLock<HashMap<u32, Arc<OutboundSa>>>,
    /// The tunnels that name it; it is there while there are any.
    pub members: RwLock<Vec<Weak<Tunnel>>>,
}

impl Bundle {
    pub fn new(id: u64, name: &str) -> Self {
        let name = name.to_owned();
        Self { id, name, outbound: SaList::default(), by_spi: RwLock::default(), members: RwLock::default() }
    }

    /// Its tunnels.
    pub fn tunnels(&self) -> Vec<Arc<Tunnel>> {
        read(&self.members).iter().filter_map(Weak::upgrade).collect()
    }

    /// The tunnel that what happens to its SAs is counted for: the only one.
    pub fn sole(&self) -> Option<Arc<Tunnel>> {
        match read(&self.members).as_slice() {
            [tunnel] => tunnel.upgrade(),
            _ => None,
        }
    }

    /// Remove the outbound SAs that are not to stay.
    pub fn forget_outbound(&self, stays: impl Fn(&OutboundSa) -> bool) {
        write(&self.by_spi).retain(|_, sa| stays(sa));
        write(&self.outbound).retain(|sa| stays(sa));
        for tunnel in self.tunnels() {
            let config = read(&tunnel.config).clone();
            for policy in config.policies.iter().flat_map(|policies| &policies.list) {
                write(&policy.outbound).retain(|sa| stays(sa));
            }
        }
    }
}

/// Whom the packets of an inbound SA are for.
pub enum Receiver {
    /// An IPsec tunnel. Where there is a policy, what comes out must be its traffic (RFC 4301 section 5.2 step 4).
    Ipsec(Arc<Tunnel>, Option<Arc<Policy>>),
    /// The GRE tunnel of the bundle that has the key.
    Gre,
}

pub struct InboundSa {
    pub sa: esp::Inbound,
    pub path: RwLock<Path>,
    pub bundle: Arc<Bundle>,
    pub receiver: Receiver,
    pub drops: Drops,
    pub limits: InboundLimits,
}

impl InboundSa {
    /// Count a drop for the SA and for its tunnel. Where several share it and the packet does not tell, for none of them.
    pub fn dropped(&self, state: &State, reason: Drop, count: u64) {
        self.drops.add(reason, count);
        match &self.receiver {
            Receiver::Ipsec(tunnel, policy) => tunnel.dropped(policy.as_deref(), reason, count),
            Receiver::Gre => match self.bundle.sole() {
                Some(tunnel) => tunnel.dropped(None, reason, count),
                None => state.drops.add(reason, count),
            },
        }
    }

    pub fn policy(&self) -> Option<&Arc<Policy>> {
        match &self.receiver {
            Receiver::Ipsec(_, policy) => policy.as_ref(),
            Receiver::Gre => None,
        }
    }
}

/// One report a second of each kind.
#[derive(Default)]
pub struct InboundLimits {
    pub replay: Limiter,
    pub authentication: Limiter,
    pub peer_address: Limiter,
}

/// A learned path MTU: octets, and when it was learned (CLOCK_MONOTONIC, ns).
#[derive(Default)]
pub struct PathMtu {
    octets: AtomicU64,
    at: AtomicU64,
    pub limit: Limiter,
}

impl PathMtu {
    /// How long a learned value holds before a larger packet is tried again (RFC 1191 section 6.3).
    const LIFETIME: u64 = 600 * 1_000_000_000;

    pub fn learn(&self, octets: u32, now: u64) {
        self.octets.store(u64::from(octets), Relaxed);
        self.at.store(now, Relaxed);
    }

    pub fn get(&self, now: u64) -> Option<usize> {
        let octets = self.octets.load(Relaxed);
        (octets != 0 && now < self.at.load(Relaxed) + Self::LIFETIME).then_some(octets as usize)
    }

    pub fn forget(&self) {
        self.octets.store(0, Relaxed);
    }
}

/// Traffic that has SAs of its own.
pub struct Policy {
    pub number: u32,
    pub selector: Selector,
    pub outbound: SaList,
    pub traffic: Traffic,
    pub path_mtu: PathMtu,
    /// One request a second for an SA.
    pub acquire: Limiter,
}

/// The policies of a tunnel in their order.
pub struct Policies {
    pub list: Vec<Arc<Policy>>,
    selectors: Selectors,
}

impl Policies {
    /// Those of `wanted`; what `old` has already stays as it is. None where none are wanted.
    pub fn new(wanted: &[(u32, Selector)], old: Option<&Self>) -> Option<Self> {
        let kept: HashMap<u32, &Arc<Policy>> =
            old.iter().flat_map(|old| &old.list).map(|policy| (policy.number, policy)).collect();
        let list: Vec<_> = wanted
            .iter()
            .map(|(number, selector)| match kept.get(number).filter(|policy| policy.selector == *selector) {
                Some(policy) => Arc::clone(policy),
                None => Arc::new(Policy {
                    number: *number,
                    selector: *selector,
                    outbound: SaList::default(),
                    traffic: Traffic::default(),
                    path_mtu: PathMtu::default(),
                    acquire: Limiter::default(),
                }),
            })
            .collect();
        let selectors = Selectors::new(wanted.iter().map(|(_, selector)| *selector).collect());
        (!list.is_empty()).then_some(Self { list, selectors })
    }

    /// The place in `list` of the policy that a packet belongs to.
    pub fn find(&self, traffic: &selector::Traffic) -> Option<usize> {
        self.selectors.find(traffic)
    }

    pub fn numbered(&self, number: u32) -> Option<&Arc<Policy>> {
        self.list.iter().find(|policy| policy.number == number)
    }
}

/// All that workers must see change at once.
pub struct Config {
    pub parameters: Parameters,
    pub policies: Option<Policies>,
    /// None for GRE in clear.
    pub bundle: Option<Arc<Bundle>>,
}

pub struct Tunnel {
    pub device: String,
    /// None once the tunnel is removed; a worker that holds the read lock keeps the device alive.
    pub tun: RwLock<Option<Tun>>,
    pub config: RwLock<Arc<Config>>,
    pub traffic: Traffic,
    pub path_mtu: PathMtu,
    /// Of the next IP header around GRE in tunnel mode.
    pub identification: AtomicU16,
    pub keepalives: Keepalives,
}

impl Config {
    /// Policies that `old` has already stay as they are.
    pub fn new(parameters: Parameters, bundle: Option<Arc<Bundle>>, old: Option<&Policies>) -> Self {
        let policies = Policies::new(&parameters.policies, old);
        Self { parameters, policies, bundle }
    }
}

impl Tunnel {
    pub fn dropped(&self, policy: Option<&Policy>, reason: Drop, count: u64) {
        self.traffic.drops.add(reason, count);
        if let Some(policy) = policy {
            policy.traffic.drops.add(reason, count);
        }
    }
}

/// A descriptor that workers read.
pub enum Source {
    Tunnel(Arc<Tunnel>),
    Raw {
        fd: OwnedFd,
        protocol: u8,
        losses: LossCounter,
    },
    /// None once the socket is detached; a worker that holds the read lock keeps the descriptor open.
    Udp {
        fd: RwLock<Option<OwnedFd>>,
        port: u16,
        losses: LossCounter,
    },
}

/// Who takes a GRE packet.
#[derive(Default)]
pub struct GreTable {
    /// One that came in clear; it must not be for a tunnel that is protected.
    pub clear: HashMap<GreKey, GreTunnel>,
    /// One that came out of a bundle's SA, by the bundle and the key.
    pub protected: HashMap<(u64, Option<u32>), Arc<Tunnel>>,
}

pub struct GreTunnel {
    pub tunnel: Arc<Tunnel>,
    pub protected: bool,
}

impl GreTable {
    pub fn insert(&mut self, tunnel: &Arc<Tunnel>, config: &Config) {
        let parameters = &config.parameters;
        if parameters.mode != Mode::Gre {
            return;
        }
        let protected = config.bundle.is_some();
        self.clear.insert(parameters.gre_key(), GreTunnel { tunnel: tunnel.clone(), protected });
        if let Some(bundle) = &config.bundle {
            self.protected.insert((bundle.id, parameters.key), tunnel.clone());
        }
    }

    pub fn remove(&mut self, tunnel: &Arc<Tunnel>) {
        self.clear.retain(|_, other| !Arc::ptr_eq(&other.tunnel, tunnel));
        self.protected.retain(|_, other| !Arc::ptr_eq(other, tunnel));
    }
}

/// A sender's protocol (or 0 for UDP), family and port (or 0).
pub type SenderKey = (u8, c_int, u16);

pub struct State {
    pub tunnels: RwLock<HashMap<String, Arc<Tunnel>>>,
    pub inbound: RwLock<HashMap<u32, Arc<InboundSa>>>,
    pub hold: Hold,
    pub bundles: RwLock<HashMap<String, Arc<Bundle>>>,
    pub gre: RwLock<GreTable>,
    pub senders: RwLock<HashMap<SenderKey, Arc<Sender>>>,
    pub sources: RwLock<HashMap<u64, Arc<Source>>>,
    pub drops: Drops,
    pub events: Events,
}

impl State {
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            tunnels: RwLock::default(),
            inbound: RwLock::default(),
            hold: Hold::default(),
            bundles: RwLock::default(),
            gre: RwLock::default(),
            senders: RwLock::default(),
            sources: RwLock::default(),
            drops: Drops::default(),
            events: Events::new()?,
        })
    }

    /// Queue an event of `kind`, filled in by `fill`.
    pub fn report(&self, kind: Kind, fill: impl FnOnce(&mut Event)) {
        let mut event = Event::new(kind);
        fill(&mut event);
        self.events.push(Notice::Event(event), &self.drops);
    }
}

/// The tables stay whole where a thread panicked while it held a lock: every change is one insert or remove.
pub fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
