//! The plane as the control side uses it. Calls return at once; every error is one line for an operator.

use crate::counters::Traffic;
use crate::event::Notice;
use crate::keepalive::Keepalives;
use crate::socket::{self, ESP, GRE, LossCounter, Sender, family};
use crate::table::{
    Bundle, Config, GreTable, Mode, Parameters, Path, PathMtu, Policies, Policy, Source, State, Tunnel,
};
use crate::table::{lock, read, write};
use crate::tun::Tun;
use crate::worker::Pool;
use seikan_esp as esp;
use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::os::fd::{AsFd, RawFd};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
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

pub(crate) type Result<T> = std::result::Result<T, PlaneError>;

pub(crate) fn fail<T>(text: String) -> Result<T> {
    Err(PlaneError(text))
}

/// Counters of one tunnel or policy; drops are `(name, count)`.
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

/// Smallest and largest MTU of a tunnel device, in octets.
const MTU: std::ops::RangeInclusive<u32> = 68..=65_535;

/// The userspace plane.
pub struct Plane {
    pub(crate) state: Arc<State>,
    /// Serializes the calls that change something, and gives out tokens.
    pub(crate) control: Mutex<Control>,
}

pub(crate) struct Control {
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
        if control.pool.is_none() {
            return fail("the plane is closed".to_owned());
        }
        self.check(&parameters)?;
        if read(&self.state.tunnels).contains_key(&parameters.device) {
            return fail(format!("tunnel {} exists already", parameters.device));
        }
        self.open_tunnel_sockets(&mut control, &parameters)?;
        let tun = Tun::create(&parameters.device, parameters.mtu)?;
        let bundle = parameters.bundle_name().map(|name| self.bundle_to_join(&mut control, name));
        let config = Arc::new(Config::new(parameters, bundle.clone(), None));
        let tunnel = Arc::new(Tunnel {
            device: config.parameters.device.clone(),
            tun: RwLock::new(Some(tun)),
            config: RwLock::new(config.clone()),
            traffic: Traffic::default(),
            path_mtu: PathMtu::default(),
            identification: AtomicU16::default(),
            keepalives: Keepalives::default(),
        });
        if let Some(bundle) = &bundle {
            self.join(bundle, &tunnel);
        }
        write(&self.state.gre).insert(&tunnel, &config);
        write(&self.state.tunnels).insert(tunnel.device.clone(), tunnel.clone());
        self.watch(&mut control, Source::Tunnel(tunnel))
    }

    /// SAs stay unless the mode, the endpoints or the bundle of their only tunnel change, or their policy goes.
    pub fn update_tunnel(&self, parameters: Parameters) -> Result<()> {
        let mut control = lock(&self.control);
        let tunnel = self.tunnel(&parameters.device)?;
        self.check(&parameters)?;
        self.open_tunnel_sockets(&mut control, &parameters)?;
        let old_config = read(&tunnel.config).clone();
        let (old, old_bundle) = (&old_config.parameters, &old_config.bundle);
        if old.mtu != parameters.mtu {
            let guard = read(&tunnel.tun);
            guard.as_ref().map_or(Ok(()), |tun| tun.set_mtu(parameters.mtu))?;
        }
        let moved =
            (old.mode, old.source, old.destination) != (parameters.mode, parameters.source, parameters.destination);
        if moved {
            // Where others share them, they are between the others' ends too.
            if let Some(bundle) = old_bundle.as_ref().filter(|bundle| bundle.sole().is_some()) {
                self.remove_sas(bundle, |_| false);
            }
            tunnel.path_mtu.forget();
        }
        let stays = old.bundle_name() == parameters.bundle_name();
        let bundle = match parameters.bundle_name() {
            _ if stays => old_bundle.clone(),
            name => name.map(|name| self.bundle_to_join(&mut control, name)),
        };
        let config = Config::new(parameters, bundle, old_config.policies.as_ref());
        if let (true, Some(bundle)) = (stays, old_bundle) {
            self.remove_sas_without_policy(bundle, old_config.policies.as_ref(), config.policies.as_ref());
        }
        let config = Arc::new(config);
        *write(&tunnel.config) = config.clone();
        {
            let mut gre = write(&self.state.gre);
            gre.remove(&tunnel);
            gre.insert(&tunnel, &config);
        }
        if !stays {
            if let Some(bundle) = &config.bundle {
                self.join(bundle, &tunnel);
            }
            if let Some(bundle) = old_bundle {
                self.leave(bundle, &tunnel);
            }
        }
        Ok(())
    }

    pub fn remove_tunnel(&self, device: &str) -> Result<()> {
        let _control = lock(&self.control);
        let tunnel = self.tunnel(device)?;
        write(&self.state.gre).remove(&tunnel);
        if let Some(bundle) = read(&tunnel.config).bundle.clone() {
            self.leave(&bundle, &tunnel);
        }
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

    pub fn tunnel_counters(&self, device: &str) -> Result<TunnelCounters> {
        Ok(TunnelCounters::read(&self.tunnel(device)?.traffic))
    }

    pub fn policy_counters(&self, device: &str, number: u32) -> Result<TunnelCounters> {
        let config = read(&self.tunnel(device)?.config).clone();
        let policy = numbered(config.policies.as_ref(), number, device)?;
        Ok(TunnelCounters::read(&policy.traffic))
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
        self.state.hold.clear();
        *write(&self.state.gre) = GreTable::default();
        for (_, bundle) in write(&self.state.bundles).drain() {
            bundle.forget_outbound(|_| false);
        }
        for (_, tunnel) in write(&self.state.tunnels).drain() {
            write(&tunnel.tun).take();
        }
        write(&self.state.sources).clear();
        write(&self.state.senders).clear();
    }

    pub(crate) fn tunnel(&self, device: &str) -> Result<Arc<Tunnel>> {
        match read(&self.state.tunnels).get(device) {
            Some(tunnel) => Ok(tunnel.clone()),
            None => fail(format!("there is no tunnel {device}")),
        }
    }

    /// The bundle of a name, made where there is none yet.
    fn bundle_to_join(&self, control: &mut Control, name: &str) -> Arc<Bundle> {
        let mut bundles = write(&self.state.bundles);
        let new = || {
            control.next_token += 1;
            Arc::new(Bundle::new(control.next_token, name))
        };
        bundles.entry(name.to_owned()).or_insert_with(new).clone()
    }

    fn join(&self, bundle: &Bundle, tunnel: &Arc<Tunnel>) {
        write(&bundle.members).push(Arc::downgrade(tunnel));
    }

    /// With its last tunnel a bundle goes, and its SAs.
    fn leave(&self, bundle: &Arc<Bundle>, tunnel: &Arc<Tunnel>) {
        let last = {
            let mut members = write(&bundle.members);
            members.retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(tunnel)));
            members.is_empty()
        };
        if last {
            self.remove_sas(bundle, |_| false);
            write(&self.state.bundles).retain(|_, other| !Arc::ptr_eq(other, bundle));
        }
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
        if parameters.mode == Mode::Ipsec && parameters.bundle.as_ref().is_some_and(|bundle| bundle != device) {
            return fail(format!("{device} is in mode ipsec: its SAs are its own, it takes no bundle"));
        }
        let bundle = parameters.bundle_name().and_then(|name| read(&self.state.bundles).get(name).cloned());
        for other in bundle.iter().flat_map(|bundle| bundle.tunnels()).filter(|other| other.device != *device) {
            let theirs = &read(&other.config).parameters;
            if parameters.mode == Mode::Ipsec || theirs.mode == Mode::Ipsec {
                let (name, other) = (parameters.bundle_name().unwrap_or_default(), &other.device);
                return fail(format!("{other} has a bundle called {name}: {device} needs one of another name"));
            }
            if theirs.key == parameters.key {
                let other = &other.device;
                return fail(format!("{other} shares the SAs of {device} and has the same GRE key: give one a key"));
            }
        }
        if parameters.mode == Mode::Gre
            && let Some(other) = read(&self.state.gre).clear.get(&parameters.gre_key())
            && other.tunnel.device != *device
        {
            let other = &other.tunnel.device;
            return fail(format!("{other} has the same GRE source, destination and key as {device}: give one a key"));
        }
        Ok(())
    }

    pub(crate) fn check_path(&self, control: &mut Control, path: &Path) -> Result<()> {
        same_family(path.local, path.remote)?;
        let Some(ports) = path.encapsulation else {
            return self.open_sockets(control, ESP, path.local);
        };
        if !read(&self.state.senders).contains_key(&(0, family(path.local), ports.local_port)) {
            let port = ports.local_port;
            return fail(format!("no UDP socket of port {port} for {} is attached to the plane", path.local));
        }
        Ok(())
    }

    fn open_tunnel_sockets(&self, control: &mut Control, parameters: &Parameters) -> Result<()> {
        let protocol = if parameters.mode == Mode::Gre { GRE } else { ESP };
        self.open_sockets(control, protocol, parameters.source)
    }

    /// The sockets of a protocol and family are opened with the first tunnel or SA that needs them.
    fn open_sockets(&self, control: &mut Control, protocol: u8, source: IpAddr) -> Result<()> {
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

pub(crate) fn numbered(policies: Option<&Policies>, number: u32, device: &str) -> Result<Arc<Policy>> {
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
