//! What the plane knows: tunnels, security associations, and who finds them by what.

use crate::counters::{Drop, Drops, Traffic};
use crate::event::{Event, Events, Kind, Limiter, Notice};
use crate::socket::{LossCounter, Sender};
use crate::tun::Tun;
use seikan_esp as esp;
use seikan_esp::selector::{self, Selector, Selectors};
use std::collections::HashMap;
use std::ffi::c_int;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

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
    /// In order; empty where one pair of SAs carries everything.
    pub policies: Vec<(u32, Selector)>,
}

impl Parameters {
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
    pub drops: Drops,
}

/// Outbound SAs by age; the last is the one in use.
pub type SaList = RwLock<Vec<Arc<OutboundSa>>>;

pub struct InboundSa {
    pub sa: esp::Inbound,
    pub path: RwLock<Path>,
    pub tunnel: Arc<Tunnel>,
    /// What comes out of it must be this one's traffic (RFC 4301 section 5.2 step 4).
    pub policy: Option<Arc<Policy>>,
    pub drops: Drops,
    pub limits: InboundLimits,
}

impl InboundSa {
    pub fn dropped(&self, reason: Drop, count: u64) {
        self.drops.add(reason, count);
        self.tunnel.dropped(self.policy.as_deref(), reason, count);
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
}

pub struct Tunnel {
    pub device: String,
    /// None once the tunnel is removed; a worker that holds the read lock keeps the device alive.
    pub tun: RwLock<Option<Tun>>,
    pub config: RwLock<Arc<Config>>,
    /// SAs of a tunnel without policies.
    pub outbound: SaList,
    /// Every outbound SA, those of policies too, by SPI.
    pub outbound_by_spi: RwLock<HashMap<u32, Arc<OutboundSa>>>,
    pub traffic: Traffic,
    pub path_mtu: PathMtu,
}

impl Config {
    /// Policies that `old` has already stay as they are.
    pub fn new(parameters: Parameters, old: Option<&Policies>) -> Self {
        let policies = Policies::new(&parameters.policies, old);
        Self { parameters, policies }
    }
}

impl Tunnel {
    /// Where the SAs of a policy, or those for none, are, and what is known of their path.
    pub fn of_policy<T>(&self, number: Option<u32>, act: impl FnOnce(&SaList, &PathMtu) -> T) -> Option<T> {
        let Some(number) = number else { return Some(act(&self.outbound, &self.path_mtu)) };
        let config = read(&self.config).clone();
        let policy = config.policies.as_ref()?.numbered(number)?;
        Some(act(&policy.outbound, &policy.path_mtu))
    }

    /// Remove the outbound SAs that are not to stay.
    pub fn forget_outbound(&self, stays: impl Fn(&OutboundSa) -> bool) {
        write(&self.outbound_by_spi).retain(|_, sa| stays(sa));
        write(&self.outbound).retain(|sa| stays(sa));
        let config = read(&self.config).clone();
        for policy in config.policies.iter().flat_map(|policies| &policies.list) {
            write(&policy.outbound).retain(|sa| stays(sa));
        }
    }

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

/// A sender's protocol (or 0 for UDP), family and port (or 0).
pub type SenderKey = (u8, c_int, u16);

pub struct State {
    pub tunnels: RwLock<HashMap<String, Arc<Tunnel>>>,
    pub inbound: RwLock<HashMap<u32, Arc<InboundSa>>>,
    pub gre: RwLock<HashMap<GreKey, Arc<Tunnel>>>,
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
