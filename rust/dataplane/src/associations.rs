//! The part of the plane's calls that is about SAs.

use crate::counters::{Drop, Drops};
use crate::event::Direction;
use crate::inbound;
use crate::plane::{Plane, PlaneError, Result, fail, numbered};
use crate::sys;
use crate::table::{Bundle, InboundLimits, InboundSa, Mode, OutboundSa, Path, PathMtu, Policies, Policy, Receiver};
use crate::table::{SaList, lock, read, write};
use seikan_esp as esp;
use std::collections::HashSet;
use std::sync::{Arc, RwLock};

/// SPIs below are reserved (RFC 4303 section 2.1).
const FIRST_SPI: u32 = 256;

/// One direction to install; the suite holds its keys.
pub struct NewSa {
    /// The bundle: a device's name but for GRE tunnels that share one.
    pub tunnel: String,
    pub direction: Direction,
    pub spi: u32,
    /// The number of the policy it is for.
    pub policy: Option<u32>,
    /// Transport mode, for GRE alone.
    pub transport: bool,
    pub path: Path,
    pub suite: esp::Suite,
    pub replay_window: u32,
    pub extended: bool,
    pub lifetime: esp::Lifetime,
}

/// Counters of one SA; errors are `(name, count)`.
pub struct SaCounters {
    pub packets: u64,
    pub octets: u64,
    /// CLOCK_MONOTONIC in nanoseconds; 0 before the first packet.
    pub last_used: u64,
    pub errors: Vec<(&'static str, u64)>,
}

impl Plane {
    /// A new outbound SA is used at once; inbound SAs coexist.
    pub fn add_sa(&self, new: NewSa) -> Result<()> {
        let mut control = lock(&self.control);
        let bundle = self.bundle(&new.tunnel)?;
        let receiver = self.receiver(&bundle, &new)?;
        check_spi(new.spi)?;
        if new.replay_window > esp::replay::LARGEST {
            let (asked, largest) = (new.replay_window, esp::replay::LARGEST);
            return fail(format!("a replay window of {asked} packets is too large: at most {largest}"));
        }
        self.check_path(&mut control, &new.path)?;
        let NewSa { spi, path, suite, extended, lifetime, transport, .. } = new;
        match new.direction {
            Direction::In => {
                let mut sas = write(&self.state.inbound);
                if let Some(other) = sas.get(&spi) {
                    return fail(format!("inbound SPI {spi:#010x} is in use on {}", other.bundle.name));
                }
                let carries = match receiver {
                    Receiver::Ipsec(..) => esp::Carries::Ip,
                    Receiver::Gre => esp::Carries::Gre,
                };
                let sa = esp::Inbound::new(spi, suite, carries, new.replay_window, extended, lifetime);
                let (path, drops, limits) = (RwLock::new(path), Drops::default(), InboundLimits::default());
                let sa = Arc::new(InboundSa { sa, path, bundle, receiver, drops, limits });
                // No worker has the table meanwhile: what came first is opened first, and nothing is held for it now.
                inbound::take_held(&self.state, &sa, spi, sys::monotonic());
                sas.insert(spi, sa);
            }
            Direction::Out => {
                let mut by_spi = write(&bundle.by_spi);
                if by_spi.contains_key(&spi) {
                    return fail(format!("outbound SPI {spi:#010x} is on {} already", new.tunnel));
                }
                let (address, policy) = (path.remote, new.policy);
                let sa = esp::Outbound::new(spi, suite, extended, lifetime);
                let path = RwLock::new(path);
                let sa = Arc::new(OutboundSa { sa, path, policy, transport, drops: Drops::default() });
                by_spi.insert(spi, sa.clone());
                self.of_policy(&bundle, policy, |sas, path_mtus| {
                    let mut outbound = write(sas);
                    // What was learned of the path to another peer, or to one that is gone, says nothing of this one.
                    if outbound.last().is_none_or(|last| read(&last.path).remote != address) {
                        path_mtus.iter().for_each(|path_mtu| path_mtu.forget());
                    }
                    outbound.push(sa);
                });
            }
        }
        Ok(())
    }

    /// Hold packets for an inbound SA that is about to be added, and has this SPI.
    pub fn reserve_spi(&self, spi: u32) -> Result<()> {
        check_spi(spi)?;
        let now = sys::monotonic();
        let given_way = self.state.hold.reserve(spi, now);
        given_way.iter().for_each(|held| inbound::drop_held(&self.state, held, Drop::HoldFull, now));
        Ok(())
    }

    pub fn update_endpoint(&self, direction: Direction, spi: u32, tunnel: &str, path: Path) -> Result<()> {
        let mut control = lock(&self.control);
        self.check_path(&mut control, &path)?;
        match direction {
            Direction::In => *write(&self.inbound_sa(spi, tunnel)?.path) = path,
            Direction::Out => {
                let (bundle, sa) = self.outbound_sa(spi, tunnel)?;
                *write(&sa.path) = path;
                self.of_policy(&bundle, sa.policy, |_, path_mtus| {
                    path_mtus.iter().for_each(|path_mtu| path_mtu.forget());
                });
            }
        }
        Ok(())
    }

    /// The newest outbound SA left takes over where the current one goes.
    pub fn remove_sa(&self, direction: Direction, spi: u32, tunnel: &str) -> Result<()> {
        let _control = lock(&self.control);
        match direction {
            Direction::In => {
                self.inbound_sa(spi, tunnel)?;
                write(&self.state.inbound).remove(&spi);
            }
            Direction::Out => {
                let (bundle, sa) = self.outbound_sa(spi, tunnel)?;
                write(&bundle.by_spi).remove(&spi);
                self.of_policy(&bundle, sa.policy, |sas, _| write(sas).retain(|sa| sa.sa.spi != spi));
            }
        }
        Ok(())
    }

    pub fn sa_counters(&self, direction: Direction, spi: u32, tunnel: &str) -> Result<SaCounters> {
        let ((packets, octets, last_used), errors) = match direction {
            Direction::In => {
                let sa = self.inbound_sa(spi, tunnel)?;
                (sa.sa.usage.read(), sa.drops.read())
            }
            Direction::Out => {
                let (_, sa) = self.outbound_sa(spi, tunnel)?;
                (sa.sa.usage.read(), sa.drops.read())
            }
        };
        Ok(SaCounters { packets, octets, last_used, errors })
    }

    fn bundle(&self, name: &str) -> Result<Arc<Bundle>> {
        if let Some(bundle) = read(&self.state.bundles).get(name) {
            return Ok(bundle.clone());
        }
        self.tunnel(name)?;
        fail(format!("tunnel {name} is in mode gre: an SA needs mode ipsec, or a bundle that the tunnel names"))
    }

    /// Whom what comes out of an SA is for; refuses what does not fit the bundle's tunnels.
    fn receiver(&self, bundle: &Bundle, new: &NewSa) -> Result<Receiver> {
        let name = &new.tunnel;
        let tunnels = bundle.tunnels();
        let Some(tunnel) = tunnels.first() else { return fail(format!("there is no tunnel {name}")) };
        let config = read(&tunnel.config).clone();
        if config.parameters.mode == Mode::Gre {
            return match new.policy {
                Some(number) => fail(format!("{name} has no policy {number}")),
                None => Ok(Receiver::Gre),
            };
        }
        if new.transport {
            return fail(format!("{name} is in mode ipsec: an SA in transport mode is for GRE tunnels"));
        }
        let policy = match (new.policy, &config.policies) {
            (None, None) => None,
            (None, Some(_)) => return fail(format!("{name} has policies: an SA needs the number of one")),
            (Some(number), policies) => Some(numbered(policies.as_ref(), number, name)?),
        };
        Ok(Receiver::Ipsec(tunnel.clone(), policy))
    }

    fn inbound_sa(&self, spi: u32, tunnel: &str) -> Result<Arc<InboundSa>> {
        match read(&self.state.inbound).get(&spi).filter(|sa| sa.bundle.name == tunnel) {
            Some(sa) => Ok(sa.clone()),
            None => fail(format!("there is no inbound SA {spi:#010x} on {tunnel}")),
        }
    }

    fn outbound_sa(&self, spi: u32, tunnel: &str) -> Result<(Arc<Bundle>, Arc<OutboundSa>)> {
        let found = read(&self.state.bundles).get(tunnel).and_then(|bundle| {
            let sa = read(&bundle.by_spi).get(&spi).cloned()?;
            Some((bundle.clone(), sa))
        });
        found.ok_or_else(|| PlaneError(format!("there is no outbound SA {spi:#010x} on {tunnel}")))
    }

    /// Where the SAs of a policy, or those for none, are, and what is known of their path.
    fn of_policy(&self, bundle: &Bundle, number: Option<u32>, act: impl FnOnce(&SaList, &[&PathMtu])) {
        let tunnels = bundle.tunnels();
        let Some(number) = number else {
            let path_mtus: Vec<_> = tunnels.iter().map(|tunnel| &tunnel.path_mtu).collect();
            return act(&bundle.outbound, &path_mtus);
        };
        let config = tunnels.first().map(|tunnel| read(&tunnel.config).clone());
        if let Some(policy) =
            config.as_ref().and_then(|config| config.policies.as_ref()).and_then(|policies| policies.numbered(number))
        {
            act(&policy.outbound, &[&policy.path_mtu]);
        }
    }

    /// Remove a bundle's SAs but those whose policy stays.
    pub(crate) fn remove_sas(&self, bundle: &Arc<Bundle>, stays: impl Fn(Option<u32>) -> bool) {
        write(&self.state.inbound)
            .retain(|_, sa| !Arc::ptr_eq(&sa.bundle, bundle) || stays(sa.policy().map(|policy| policy.number)));
        bundle.forget_outbound(|sa| stays(sa.policy));
    }

    /// Of an IPsec tunnel's SAs those go that are for a policy which is not among `new` as it was, or for none where
    /// there are some now.
    pub(crate) fn remove_sas_without_policy(
        &self,
        bundle: &Arc<Bundle>,
        old: Option<&Policies>,
        new: Option<&Policies>,
    ) {
        let list = |policies: Option<&Policies>| policies.map_or(Vec::new(), |policies| policies.list.clone());
        let new: HashSet<*const Policy> = list(new).iter().map(Arc::as_ptr).collect();
        let kept: HashSet<u32> =
            list(old).iter().filter(|policy| new.contains(&Arc::as_ptr(policy))).map(|policy| policy.number).collect();
        if kept.len() < list(old).len() || old.is_none() != new.is_empty() {
            self.remove_sas(bundle, |policy| policy.map_or(new.is_empty(), |number| kept.contains(&number)));
        }
    }
}

fn check_spi(spi: u32) -> Result<()> {
    if spi < FIRST_SPI {
        return fail(format!("SPI {spi:#010x} is reserved: SPIs start at 0x00000100 (RFC 4303 section 2.1)"));
    }
    Ok(())
}
