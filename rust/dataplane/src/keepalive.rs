//! GRE keepalives: sent when the control side wants, and told of when they come back.

use crate::event::Kind;
use crate::load::Load;
use crate::plane::{Plane, Result, fail};
use crate::route::Route;
use crate::segment::Plan;
use crate::socket::Transmitter;
use crate::sys;
use crate::table::{Mode, State, Tunnel, read};
use crate::tun::VnetHeader;
use seikan_esp::{gre, ip};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// How many keepalives that were sent are waited for at once; what comes back is believed no more often than that.
const WAITED_FOR: u32 = 4;

/// Keepalives of one tunnel that have not come back.
#[derive(Default)]
pub struct Keepalives(AtomicU32);

impl Keepalives {
    fn sent(&self) {
        let next = |waiting: u32| Some((waiting + 1).min(WAITED_FOR));
        // The closure always gives a number, so this cannot fail.
        let _ = self.0.fetch_update(Relaxed, Relaxed, next);
    }

    /// False where none is waited for.
    fn came_back(&self) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |waiting| waiting.checked_sub(1)).is_ok()
    }
}

/// A GRE packet without content has come to `tunnel`; false where no keepalive is waited for.
///
/// It may come in clear for a protected tunnel too: the peer routes what it takes out of the tunnel, and the way back
/// need not lead through it. Nothing of it is delivered, and a forged one can at most pretend that the peer is alive,
/// once for each keepalive sent.
pub fn came_back(state: &State, tunnel: &Tunnel) -> bool {
    let waited_for = tunnel.keepalives.came_back();
    if waited_for {
        state.report(Kind::Keepalive, |event| event.tunnel = Some(tunnel.device.clone()));
    }
    waited_for
}

impl Plane {
    /// Send one keepalive; where it cannot leave, that is a drop of the tunnel's.
    pub fn send_keepalive(&self, device: &str) -> Result<()> {
        let tunnel = self.tunnel(device)?;
        let config = read(&tunnel.config).clone();
        let parameters = &config.parameters;
        if parameters.mode != Mode::Gre {
            return fail(format!("{device} is in mode ipsec: keepalives need mode gre"));
        }
        let packet = gre::keepalive(parameters.source, parameters.destination, parameters.key);
        let route = match Route::new(&self.state, &config, None) {
            Ok(route) => route,
            Err(reason) => {
                tunnel.dropped(None, reason, 1);
                return Ok(());
            }
        };
        let (Some(view), Ok(plan)) = (ip::View::new(&packet), Plan::new(&VnetHeader::default(), &packet)) else {
            return fail(format!("no keepalive can be made for {device}"));
        };
        tunnel.keepalives.sent();
        let (mut load, mut transmitter, now) = (Load::uncounted(), Transmitter::default(), sys::monotonic());
        // Its DF bit is clear, so it never insists on a path that is wide enough.
        let _ = load.add(&self.state, &tunnel, &route, &view, &plan, &mut transmitter, now);
        load.send(&self.state, &tunnel, &route, &mut transmitter, now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sent_comes_back() {
        let keepalives = Keepalives::default();
        assert!(!keepalives.came_back());
        keepalives.sent();
        assert!(keepalives.came_back() && !keepalives.came_back());
        (0..100).for_each(|_| keepalives.sent());
        assert_eq!((0..100).filter(|_| keepalives.came_back()).count(), WAITED_FOR as usize);
    }
}
