//! The plane as the control side uses it. Calls return at once; every error is one line for an operator.

use crate::counters::{Drops, Traffic};
use crate::event::{Direction, Notice};
use crate::socket::{self, ESP, GRE, LossCounter, Sender, family};
use crate::table::{Config, InboundLimits, InboundSa, Mode, OutboundSa, Parameters, Path, PathMtu, Policies, Policy};
use crate::table::{SaList, Source, State, Tunnel, lock, read, write};
use crate::tun::Tun;
use crate::worker::Pool;
use seikan_esp as esp;
use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::os::fd::{AsFd, RawFd};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, RwLock};

/// One line that says what is wrong and what would be right.
#[derive(Debug)]
pub struct PlaneError(pub String);

impl fmt::Display for PlaneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PlaneError {}

impl From<std::io::Error> for PlaneError {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<esp::SuiteError> for PlaneError {
    fn from(error: esp::SuiteError) -> Self {
        Self(error.0)
    }
}

type Result<T> = std::result::Result<T, PlaneError>;

fn fail<T>(text: String) -> Result<T> {
    Err(PlaneError(text))
}

/// One direction to install; the suite holds its keys.
pub struct NewSa {
    pub tunnel: String,
    pub direction: Direction,
    pub spi: u32,
    /// The number of the policy it is for.
    pub policy: Option<u32>,
    pub path: Path,
    pub suite: esp::Suite,
    pub replay_window: u32,
    pub extended: bool,
    pub lifetime: esp::Lifetime,
}

/// Counters of one tunnel or SA, as `(name, count)` where they are drops.
pub struct TunnelCounters {
    pub packets_in: u64,
    pub packets_out: u64,
    pub octets_in: u64,
    pub octets_out: u64,
    pub drops: Vec<(&'static str, u64)>,
}

impl TunnelCounters {
    fn read(traffic: &Traffic) -> Self {
        Self {
            packets_in: traffic.packets_in.load(Relaxed),
            packets_out: traffic.packets_out.load(Relaxed),
            octets_in: traffic.octets_in.load(Relaxed),
            octets_out: traffic.octets_out.load(Relaxed),
            drops: traffic.drops.read(),
        }
    }
}

pub struct SaCounters {
    pub packets: u64,
    pub octets: u64,
    /// CLOCK_MONOTONIC in nanoseconds; 0 before the first packet.
    pub last_used: u64,
    pub errors: Vec<(&'static str, u64)>,
}

/// Smallest and largest MTU of a tunnel device, in octets.
const MTU: std::ops::RangeInclusive<u32> = 68..=65_535;
/// SPIs below are reserved (RFC 4303 section 2.1).
const FIRST_SPI: u32 = 256;

/// The userspace plane.
pub struct Plane {
    state: Arc<State>,
    /// Serializes the calls that change something, and gives out tokens.
    control: Mutex<Control>,
}

struct Control {
    /// None once the plane is closed.
    pool: Option<Pool>,
    next_token: u64,
}

impl Plane {
    /// Start with `workers` threads.
    pub fn new(workers: usize) -> Result<Self> {
        let state = Arc::new(State::new()?);
        let pool = Pool::start(&state, workers)?;
        Ok(Self { state, control: Mutex::new(Control { pool: Some(pool), next_token: 1 }) })
    }

    pub fn create_tunnel(&self, parameters: Parameters) -> Result<()> {
        let mut control = lock(&self.control);
        self.check(&parameters)?;
        if read(&self.state.tunnels).contains_key(&parameters.device) {
            return fail(format!("tunnel {} exists already", parameters.device));
        }
        self.open_sockets(&mut control, parameters.mode, parameters.source)?;
        let tun = Tun::create(&parameters.device, parameters.mtu)?;
        let tunnel = Arc::new(Tunnel {
            device: parameters.device.clone(),
            tun: RwLock::new(Some(tun)),
            config: RwLock::new(Arc::new(Config::new(parameters.clone(), None))),
            outbound: SaList::default(),
            outbound_by_spi: RwLock::default(),
            traffic: Traffic::default(),
            path_mtu: PathMtu::default(),
        });
        if parameters.mode == Mode::Gre {
            write(&self.state.gre).insert(parameters.gre_key(), tunnel.clone());
        }
        write(&self.state.tunnels).insert(parameters.device, tunnel.clone());
        self.watch(&mut control, Source::Tunnel(tunnel))
    }

    /// SAs stay unless the mode or the endpoints change, or their policy goes.
    pub fn update_tunnel(&self, parameters: Parameters) -> Result<()> {
        let mut control = lock(&self.control);
        let tunnel = self.tunnel(&parameters.device)?;
        self.check(&parameters)?;
        self.open_sockets(&mut control, parameters.mode, parameters.source)?;
        let old_config = read(&tunnel.config).clone();
        let old = &old_config.parameters;
        if old.mtu != parameters.mtu {
            let guard = read(&tunnel.tun);
            guard.as_ref().map_or(Ok(()), |tun| tun.set_mtu(parameters.mtu))?;
        }
        let moved =
            (old.mode, old.source, old.destination) != (parameters.mode, parameters.source, parameters.destination);
        if moved {
            self.remove_sas(&tunnel);
            tunnel.path_mtu.forget();
        }
        {
            let mut gre = write(&self.state.gre);
            if old.mode == Mode::Gre {
                gre.remove(&old.gre_key());
            }
            if parameters.mode == Mode::Gre {
                gre.insert(parameters.gre_key(), tunnel.clone());
            }
        }
        let config = Config::new(parameters, old_config.policies.as_ref());
        self.remove_sas_without_policy(&tunnel, config.policies.as_ref());
        *write(&tunnel.config) = Arc::new(config);
        Ok(())
    }

    pub fn remove_tunnel(&self, device: &str) -> Result<()> {
        let _control = lock(&self.control);
        let tunnel = self.tunnel(device)?;
        self.remove_sas(&tunnel);
        write(&self.state.gre).retain(|_, other| !Arc::ptr_eq(other, &tunnel));
        write(&self.state.tunnels).remove(device);
        write(&self.state.sources)
            .retain(|_, source| !matches!(&**source, Source::Tunnel(t) if Arc::ptr_eq(t, &tunnel)));
        // Waits for workers that read the device; closing the descriptor removes the device.
        write(&tunnel.tun).take();
        Ok(())
    }

    pub fn set_carrier(&self, device: &str, up: bool) -> Result<()> {
        let tunnel = self.tunnel(device)?;
        let guard = read(&tunnel.tun);
        guard.as_ref().map_or(Ok(()), |tun| tun.set_carrier(up).map_err(PlaneError::from))
    }

    /// A new outbound SA is used at once; inbound SAs coexist.
    pub fn add_sa(&self, new: NewSa) -> Result<()> {
        let mut control = lock(&self.control);
        let tunnel = self.tunnel(&new.tunnel)?;
        let config = read(&tunnel.config).clone();
        if config.parameters.mode != Mode::Ipsec {
            return fail(format!("tunnel {} is in mode gre: an SA needs mode ipsec", new.tunnel));
        }
        if new.spi < FIRST_SPI {
            return fail(format!("SPI {:#010x} is reserved: SPIs start at 0x00000100 (RFC 4303 section 2.1)", new.spi));
        }
        if new.replay_window > esp::replay::LARGEST {
            let (asked, largest) = (new.replay_window, esp::replay::LARGEST);
            return fail(format!("a replay window of {asked} packets is too large: at most {largest}"));
        }
        let policy = match (new.policy, &config.policies) {
            (None, None) => None,
            (None, Some(_)) => return fail(format!("{} has policies: an SA needs the number of one", new.tunnel)),
            (Some(number), policies) => Some(numbered(policies.as_ref(), number, &new.tunnel)?),
        };
        self.check_path(&mut control, &new.path)?;
        let NewSa { spi, path, suite, extended, lifetime, .. } = new;
        match new.direction {
            Direction::In => {
                let mut inbound = write(&self.state.inbound);
                if let Some(other) = inbound.get(&spi) {
                    return fail(format!("inbound SPI {spi:#010x} is in use on {}", other.tunnel.device));
                }
                let sa = esp::Inbound::new(spi, suite, new.replay_window, extended, lifetime);
                let sa = InboundSa {
                    sa,
                    path: RwLock::new(path),
                    tunnel,
                    policy,
                    drops: Drops::default(),
                    limits: InboundLimits::default(),
                };
                inbound.insert(spi, Arc::new(sa));
            }
            Direction::Out => {
                let mut by_spi = write(&tunnel.outbound_by_spi);
                if by_spi.contains_key(&spi) {
                    return fail(format!("outbound SPI {spi:#010x} is on {} already", new.tunnel));
                }
                let (sas, path_mtu) = policy
                    .as_ref()
                    .map_or((&tunnel.outbound, &tunnel.path_mtu), |policy| (&policy.outbound, &policy.path_mtu));
                let mut outbound = write(sas);
                if outbound.last().is_some_and(|last| read(&last.path).remote != path.remote) {
                    path_mtu.forget();
                }
                let sa = esp::Outbound::new(spi, suite, extended, lifetime);
                let (path, policy) = (RwLock::new(path), new.policy);
                let sa = Arc::new(OutboundSa { sa, path, policy, drops: Drops::default() });
                by_spi.insert(spi, sa.clone());
                outbound.push(sa);
            }
        }
        Ok(())
    }

    pub fn update_endpoint(&self, direction: Direction, spi: u32, device: &str, path: Path) -> Result<()> {
        let mut control = lock(&self.control);
        self.check_path(&mut control, &path)?;
        match direction {
            Direction::In => *write(&self.inbound_sa(spi, device)?.path) = path,
            Direction::Out => {
                let (tunnel, sa) = self.outbound_sa(spi, device)?;
                *write(&sa.path) = path;
                tunnel.of_policy(sa.policy, |_, path_mtu| path_mtu.forget());
            }
        }
        Ok(())
    }

    /// The newest outbound SA left takes over where the current one goes.
    pub fn remove_sa(&self, direction: Direction, spi: u32, device: &str) -> Result<()> {
        let _control = lock(&self.control);
        match direction {
            Direction::In => {
                self.inbound_sa(spi, device)?;
                write(&self.state.inbound).remove(&spi);
            }
            Direction::Out => {
                let (tunnel, sa) = self.outbound_sa(spi, device)?;
                write(&tunnel.outbound_by_spi).remove(&spi);
                tunnel.of_policy(sa.policy, |sas, _| write(sas).retain(|sa| sa.sa.spi != spi));
            }
        }
        Ok(())
    }

    pub fn tunnel_counters(&self, device: &str) -> Result<TunnelCounters> {
        Ok(TunnelCounters::read(&self.tunnel(device)?.traffic))
    }

    pub fn policy_counters(&self, device: &str, number: u32) -> Result<TunnelCounters> {
        let config = read(&self.tunnel(device)?.config).clone();
        let policy = numbered(config.policies.as_ref(), number, device)?;
        Ok(TunnelCounters::read(&policy.traffic))
    }

    pub fn sa_counters(&self, direction: Direction, spi: u32, device: &str) -> Result<SaCounters> {
        let ((packets, octets, last_used), errors) = match direction {
            Direction::In => {
                let sa = self.inbound_sa(spi, device)?;
                (sa.sa.usage.read(), sa.drops.read())
            }
            Direction::Out => {
                let (_, sa) = self.outbound_sa(spi, device)?;
                (sa.sa.usage.read(), sa.drops.read())
            }
        };
        Ok(SaCounters { packets, octets, last_used, errors })
    }

    /// Drops that belong to no tunnel.
    pub fn drops(&self) -> Vec<(&'static str, u64)> {
        self.state.drops.read()
    }

    /// Read the bound wildcard socket `fd` from now on; the caller still sends on it.
    pub fn attach_udp(&self, fd: RawFd, port: u16) -> Result<()> {
        let mut control = lock(&self.control);
        let (socket, domain) = socket::udp_receiver(fd)
            .map_err(|error| PlaneError(format!("the UDP socket of port {port} cannot be shared: {error}")))?;
        if read(&self.state.senders).contains_key(&(0, domain, port)) {
            return fail(format!("a UDP socket of port {port} is attached already"));
        }
        // An IPv6 socket that is not IPv6 only serves IPv4 peers too.
        let dual = domain == libc::AF_INET6
            && crate::sys::get_option(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)
                .is_ok_and(|only| only == 0);
        let mut senders = Vec::new();
        for family in [Some(domain), dual.then_some(libc::AF_INET)].into_iter().flatten() {
            let sender = Sender::udp(family, port, socket.as_fd())
                .map_err(|error| PlaneError(format!("no sending socket for UDP port {port}: {error}")))?;
            senders.push(((0, family, port), Arc::new(sender)));
        }
        let fd = RwLock::new(Some(socket));
        self.watch(&mut control, Source::Udp { fd, port, losses: LossCounter::default() })?;
        for (key, sender) in senders {
            write(&self.state.senders).entry(key).or_insert(sender);
        }
        Ok(())
    }

    /// Read the sockets of `port` no longer; every descriptor of the port that this plane had is closed on return.
    pub fn detach_udp(&self, port: u16) {
        let control = lock(&self.control);
        let mut sources = Vec::new();
        write(&self.state.sources).retain(|_, source| {
            let of_port = matches!(&**source, Source::Udp { port: other, .. } if *other == port);
            if of_port {
                sources.push(source.clone());
            }
            !of_port
        });
        let mut senders = Vec::new();
        write(&self.state.senders).retain(|(protocol, _, other), sender| {
            let of_port = (*protocol, *other) == (0, port);
            if of_port {
                senders.push(sender.clone());
            }
            !of_port
        });
        // Both wait for a worker that is at it.
        senders.iter().for_each(|sender| sender.close());
        for source in sources {
            let Source::Udp { fd, .. } = &*source else { continue };
            let Some(fd) = write(fd).take() else { continue };
            if let Some(pool) = &control.pool {
                // Fails only for a descriptor that is not watched, which is what is wanted.
                let _ = pool.unwatch(fd.as_fd());
            }
            socket::udp_release(fd);
        }
    }

    /// Readable while `poll` has something.
    pub fn fileno(&self) -> RawFd {
        self.state.events.descriptor()
    }

    /// What happened since the last call, oldest first, at most 256 at a time.
    pub fn poll(&self) -> Vec<Notice> {
        self.state.events.take()
    }

    /// Stop the workers, remove all devices and SAs (which wipes their keys), close all sockets.
    pub fn close(&self) {
        let mut control = lock(&self.control);
        control.pool.take();
        write(&self.state.inbound).clear();
        write(&self.state.gre).clear();
        for (_, tunnel) in write(&self.state.tunnels).drain() {
            tunnel.forget_outbound(|_| false);
            write(&tunnel.tun).take();
        }
        write(&self.state.sources).clear();
        write(&self.state.senders).clear();
    }

    fn tunnel(&self, device: &str) -> Result<Arc<Tunnel>> {
        match read(&self.state.tunnels).get(device) {
            Some(tunnel) => Ok(tunnel.clone()),
            None => fail(format!("there is no tunnel {device}")),
        }
    }

    fn inbound_sa(&self, spi: u32, device: &str) -> Result<Arc<InboundSa>> {
        match read(&self.state.inbound).get(&spi).filter(|sa| sa.tunnel.device == device) {
            Some(sa) => Ok(sa.clone()),
            None => fail(format!("there is no inbound SA {spi:#010x} on {device}")),
        }
    }

    fn outbound_sa(&self, spi: u32, device: &str) -> Result<(Arc<Tunnel>, Arc<OutboundSa>)> {
        let tunnel = self.tunnel(device)?;
        let found = read(&tunnel.outbound_by_spi).get(&spi).cloned();
        found
            .map(|sa| (tunnel, sa))
            .ok_or_else(|| PlaneError(format!("there is no outbound SA {spi:#010x} on {device}")))
    }

    fn remove_sas(&self, tunnel: &Arc<Tunnel>) {
        write(&self.state.inbound).retain(|_, sa| !Arc::ptr_eq(&sa.tunnel, tunnel));
        tunnel.forget_outbound(|_| false);
    }

    /// What is for no policy of `policies`, or for none at all while there are some, goes; None keeps what is for none.
    fn remove_sas_without_policy(&self, tunnel: &Arc<Tunnel>, policies: Option<&Policies>) {
        let old = read(&tunnel.config).clone();
        let of = |policies: Option<&Policies>| -> HashSet<*const Policy> {
            policies.iter().flat_map(|policies| &policies.list).map(Arc::as_ptr).collect()
        };
        let (before, kept) = (of(old.policies.as_ref()), of(policies));
        if before.is_subset(&kept) && before.is_empty() == kept.is_empty() {
            return;
        }
        let stays = |policy: Option<*const Policy>| policy.map_or(kept.is_empty(), |policy| kept.contains(&policy));
        write(&self.state.inbound)
            .retain(|_, sa| !Arc::ptr_eq(&sa.tunnel, tunnel) || stays(sa.policy.as_ref().map(Arc::as_ptr)));
        let pointer = |number| old.policies.as_ref()?.numbered(number).map(Arc::as_ptr);
        tunnel.forget_outbound(|sa| stays(sa.policy.and_then(pointer)));
    }

    fn check(&self, parameters: &Parameters) -> Result<()> {
        let Parameters { device, source, destination, mtu, ttl, .. } = parameters;
        same_family(*source, *destination)?;
        if !MTU.contains(mtu) {
            return fail(format!("an MTU of {mtu} octets is out of range for {device}: 68 to 65535"));
        }
        if *ttl == 0 {
            return fail(format!("a TTL of 0 lets no packet of {device} leave: 1 to 255"));
        }
        if parameters.mode == Mode::Gre && !parameters.policies.is_empty() {
            return fail(format!("{device} is in mode gre: policies need mode ipsec"));
        }
        let mut numbers = HashSet::new();
        if let Some((number, _)) = parameters.policies.iter().find(|(number, _)| !numbers.insert(number)) {
            return fail(format!("policy {number} is twice on {device}: give each a number of its own"));
        }
        if parameters.mode == Mode::Gre
            && let Some(other) =
                read(&self.state.gre).get(&parameters.gre_key()).filter(|other| other.device != *device)
        {
            let other = &other.device;
            return fail(format!("{other} has the same GRE source, destination and key as {device}: give one a key"));
        }
        Ok(())
    }

    fn check_path(&self, control: &mut Control, path: &Path) -> Result<()> {
        same_family(path.local, path.remote)?;
        let Some(ports) = path.encapsulation else {
            return self.open_sockets(control, Mode::Ipsec, path.local);
        };
        if !read(&self.state.senders).contains_key(&(0, family(path.local), ports.local_port)) {
            let port = ports.local_port;
            return fail(format!("no UDP socket of port {port} for {} is attached to the plane", path.local));
        }
        Ok(())
    }

    /// The sockets of a mode and family are opened with the first tunnel that needs them.
    fn open_sockets(&self, control: &mut Control, mode: Mode, source: IpAddr) -> Result<()> {
        let protocol = if mode == Mode::Gre { GRE } else { ESP };
        let key = (protocol, family(source), 0);
        if read(&self.state.senders).contains_key(&key) {
            return Ok(());
        }
        let fd = socket::raw_receiver(protocol, family(source))?;
        let sender = Sender::raw(protocol, family(source))
            .map_err(|error| PlaneError(format!("no sending socket for protocol {protocol} from {source}: {error}")))?;
        self.watch(control, Source::Raw { fd, protocol, losses: LossCounter::default() })?;
        write(&self.state.senders).insert(key, Arc::new(sender));
        Ok(())
    }

    fn watch(&self, control: &mut Control, source: Source) -> Result<()> {
        let Some(pool) = &control.pool else {
            return fail("the plane is closed".to_owned());
        };
        let token = control.next_token;
        control.next_token += 1;
        let source = Arc::new(source);
        write(&self.state.sources).insert(token, source.clone());
        match &*source {
            Source::Tunnel(tunnel) => {
                read(&tunnel.tun).as_ref().map_or(Ok(()), |tun| pool.watch(tun.fd(), token))?;
            }
            Source::Raw { fd, .. } => pool.watch(fd.as_fd(), token)?,
            Source::Udp { fd, .. } => read(fd).as_ref().map_or(Ok(()), |fd| pool.watch(fd.as_fd(), token))?,
        }
        Ok(())
    }
}

fn numbered(policies: Option<&Policies>, number: u32, device: &str) -> Result<Arc<Policy>> {
    match policies.and_then(|policies| policies.numbered(number)) {
        Some(policy) => Ok(policy.clone()),
        None => fail(format!("{device} has no policy {number}")),
    }
}

fn same_family(one: IpAddr, other: IpAddr) -> Result<()> {
    if one.is_ipv4() != other.is_ipv4() {
        return fail(format!("{one} and {other} are of two address families: both ends must have the same"));
    }
    Ok(())
}
