//! A packet out: device → policy, where there are any → segments → SA or GRE header → socket.

use crate::counters::Drop;
use crate::event::{Direction, Kind};
use crate::icmp;
use crate::load::Load;
use crate::route::Route;
use crate::segment::Plan;
use crate::socket::Transmitter;
use crate::table::{Config, Policies, Policy, State, Tunnel, read};
use crate::tun::{LARGEST, Tun, VNET_HEADER, VnetHeader};
use seikan_esp::{ip, selector};
use std::io::{self, IoSlice};
use std::sync::Arc;

/// Reads of one device before others get their turn.
const BURST: usize = 64;
/// Policies whose packets are gathered side by side.
const BATCHES: usize = 8;

/// A worker's memory for packets on their way out.
pub struct Outbox {
    input: Vec<u8>,
    batches: Batches,
}

/// Batches of one burst; without policies there is one.
#[derive(Default)]
struct Batches {
    /// The first `open` are in use, the others are memory for later.
    all: Vec<Batch>,
    open: usize,
    transmitter: Transmitter,
}

#[derive(Default)]
struct Batch {
    /// None while it is not in use.
    route: Option<Route>,
    /// The place of its policy in the tunnel's list.
    place: usize,
    load: Load,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { input: vec![0; VNET_HEADER + LARGEST], batches: Batches::default() }
    }
}

/// Whether a device may have more to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Wait,
    /// The device is gone: nothing will come any more.
    Gone,
}

/// Which batch a packet belongs to, or why it has none.
type Choice<'a> = Result<usize, (Drop, Option<&'a Policy>)>;

/// How the batch of a packet is found.
enum Lookup<'a> {
    /// One way for all.
    Single(Choice<'a>),
    Policies(&'a Policies),
}

/// Serve one device until it is empty or others are due.
pub fn serve(state: &State, tunnel: &Tunnel, outbox: &mut Outbox, now: u64) -> Next {
    let guard = read(&tunnel.tun);
    let Some(tun) = guard.as_ref() else { return Next::Gone };
    let config = read(&tunnel.config).clone();
    let lookup = match &config.policies {
        None => {
            let route = Route::new(state, &config, None);
            Lookup::Single(route.map(|route| outbox.batches.begin(route, 0)).map_err(|reason| (reason, None)))
        }
        Some(policies) => Lookup::Policies(policies),
    };
    let mut next = Next::Wait;
    for _ in 0..BURST {
        match tun.read(&mut outbox.input) {
            Ok(octets) => outbox.accept(state, tunnel, tun, &config, &lookup, octets, now),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => break,
            Err(_) => {
                // EBADFD: the device was deleted from outside. Nothing else comes from a read of TUN.
                next = Next::Gone;
                break;
            }
        }
    }
    outbox.batches.finish(state, tunnel, now);
    next
}

impl Outbox {
    /// Take one read of the device: cut it and lay its packets into their batch.
    #[allow(clippy::too_many_arguments)]
    fn accept(
        &mut self,
        state: &State,
        tunnel: &Tunnel,
        tun: &Tun,
        config: &Arc<Config>,
        lookup: &Lookup<'_>,
        octets: usize,
        now: u64,
    ) {
        let Self { input, batches } = self;
        let Some((header, packet)) = input[..octets].split_first_chunk::<VNET_HEADER>() else {
            return tunnel.dropped(None, Drop::NotIp, 1);
        };
        let Some(view) = ip::View::new(packet) else {
            return tunnel.dropped(None, Drop::NotIp, 1);
        };
        let choice = match lookup {
            Lookup::Single(choice) => *choice,
            Lookup::Policies(policies) => batches.choose(state, tunnel, config, policies, &view, now),
        };
        if let Ok(at) = choice
            && let Some(route) = batches.all[at].route.as_ref().filter(|route| route.made(&view))
        {
            return tunnel.dropped(route.policy.as_deref(), Drop::Recursion, 1);
        }
        let Ok(plan) = Plan::new(&VnetHeader::parse(header), packet) else {
            return tunnel.dropped(None, Drop::Segmentation, 1);
        };
        match choice {
            Ok(at) => {
                let Batches { all, transmitter, .. } = batches;
                let Batch { route: Some(route), load, .. } = &mut all[at] else { return };
                let insisted = load.add(state, tunnel, route, &view, &plan, transmitter, now);
                if let Err(fits) = insisted {
                    tunnel.dropped(route.policy.as_deref(), Drop::TooBig, plan.count as u64);
                    answer_too_big(tun, packet, fits);
                }
            }
            Err((reason, policy)) => tunnel.dropped(policy, reason, plan.count as u64),
        }
    }
}

impl Batches {
    /// A fresh batch for `route`; there is one left.
    fn begin(&mut self, route: Route, place: usize) -> usize {
        let at = self.open;
        if at == self.all.len() {
            self.all.push(Batch::default());
        }
        self.all[at].route = Some(route);
        self.all[at].place = place;
        self.open += 1;
        at
    }

    /// The batch of the first policy that has the packet. All packets of a super-packet are one flow, hence one policy's.
    fn choose<'a>(
        &mut self,
        state: &State,
        tunnel: &Tunnel,
        config: &Arc<Config>,
        policies: &'a Policies,
        packet: &ip::View<'_>,
        now: u64,
    ) -> Choice<'a> {
        let place = policies.find(&selector::Traffic::sent(packet)).ok_or((Drop::NoPolicy, None))?;
        if let Some(at) = self.all[..self.open].iter().position(|batch| batch.place == place) {
            return Ok(at);
        }
        let policy = &policies.list[place];
        match Route::new(state, config, Some(policy)) {
            Ok(route) => {
                if self.open == BATCHES {
                    self.finish(state, tunnel, now);
                }
                Ok(self.begin(route, place))
            }
            Err(reason) => {
                if reason == Drop::NoSa && policy.acquire.allow(now) {
                    state.report(Kind::Acquire, |event| {
                        event.tunnel = Some(tunnel.device.clone());
                        event.direction = Some(Direction::Out);
                        event.policy = Some(policy.number);
                    });
                }
                Err((reason, Some(policy)))
            }
        }
    }

    /// Send what was gathered; no batch is in use then.
    fn finish(&mut self, state: &State, tunnel: &Tunnel, now: u64) {
        for batch in &mut self.all[..self.open] {
            if let Some(route) = batch.route.take() {
                batch.load.send(state, tunnel, &route, &mut self.transmitter, now);
            }
        }
        self.open = 0;
    }
}

/// Tell the inner sender; where the device does not take it the sender's next packet is answered.
fn answer_too_big(tun: &Tun, packet: &[u8], mtu: usize) {
    if let Some(answer) = icmp::too_big(packet, mtu as u32) {
        let _ = tun.write(&[IoSlice::new(&VnetHeader::default().octets()), IoSlice::new(&answer)]);
    }
}
