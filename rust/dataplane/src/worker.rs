//! The pool of workers: all wait on one epoll; a descriptor that is ready goes to one of them and
//! rests (EPOLLONESHOT) until that one is through with it. Idle workers sleep in the kernel.

use crate::inbound::{self, Inbox};
use crate::outbound::{self, Next, Outbox};
use crate::sys;
use crate::table::{Source, State, read};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;

/// The token of the descriptor that tells workers to stop.
const STOP: u64 = 0;
const INTEREST: i32 = libc::EPOLLIN | libc::EPOLLONESHOT;

pub struct Pool {
    epoll: Arc<OwnedFd>,
    stop: OwnedFd,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    pub fn start(state: &Arc<State>, workers: usize) -> io::Result<Self> {
        let (epoll, stop) = (Arc::new(sys::epoll()?), sys::eventfd()?);
        sys::epoll_ctl(&epoll, libc::EPOLL_CTL_ADD, stop.as_fd(), libc::EPOLLIN, STOP)?;
        let mut pool = Self { epoll, stop, threads: Vec::new() };
        for n in 0..workers {
            let (state, epoll) = (state.clone(), pool.epoll.clone());
            let thread = std::thread::Builder::new().name(format!("plane-{n}")).spawn(move || work(&state, &epoll))?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Serve `fd` from now on; `token` is not 0, and a `Source` is filed under it already.
    pub fn watch(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        sys::epoll_ctl(&self.epoll, libc::EPOLL_CTL_ADD, fd, INTEREST, token)
    }

    /// Serve `fd` no longer. A descriptor whose file stays open elsewhere does not leave by being closed.
    pub fn unwatch(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        sys::epoll_ctl(&self.epoll, libc::EPOLL_CTL_DEL, fd, 0, STOP)
    }

    /// Let every worker finish what it has in hand, and end.
    pub fn stop(&mut self) {
        sys::eventfd_set(&self.stop);
        for thread in self.threads.drain(..) {
            // A worker that panicked has ended as well; its message is on standard error.
            let _ = thread.join();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop();
    }
}

/// How long a worker may sleep, in milliseconds: until something held has waited long enough, which it then drops.
/// The worker that has it held comes by here next.
fn patience(state: &State) -> i32 {
    let Some(deadline) = state.hold.deadline() else { return -1 };
    let now = sys::monotonic();
    if now >= deadline {
        inbound::drop_expired(state, now);
    }
    let left = state.hold.deadline().map(|deadline| deadline.saturating_sub(now).div_ceil(1_000_000));
    left.map_or(-1, |milliseconds| i32::try_from(milliseconds).unwrap_or(i32::MAX))
}

fn work(state: &State, epoll: &OwnedFd) {
    let (mut outbox, mut inbox) = (Outbox::default(), Inbox::default());
    loop {
        let token = match sys::epoll_wait(epoll, patience(state)) {
            Ok(Some(STOP)) => return,
            Ok(Some(token)) => token,
            Ok(None) => continue,
            // The descriptor is valid as long as this thread: no error is left that passes by itself.
            Err(_) => return,
        };
        let Some(source) = read(&state.sources).get(&token).cloned() else { continue };
        let now = sys::monotonic();
        // Rearming fails only for a descriptor that was taken out meanwhile, which is as it should be.
        let rearm = |fd: BorrowedFd<'_>| {
            let _ = sys::epoll_ctl(epoll, libc::EPOLL_CTL_MOD, fd, INTEREST, token);
        };
        match &*source {
            Source::Tunnel(tunnel) => {
                if outbound::serve(state, tunnel, &mut outbox, now) == Next::Wait
                    && let Some(tun) = read(&tunnel.tun).as_ref()
                {
                    rearm(tun.fd());
                }
            }
            Source::Raw { fd, protocol, losses } => {
                inbound::serve_raw(state, fd.as_fd(), *protocol, losses, &mut inbox, now);
                rearm(fd.as_fd());
            }
            Source::Udp { fd, port, losses } => {
                if let Some(fd) = read(fd).as_ref() {
                    inbound::serve_udp(state, fd.as_fd(), *port, losses, &mut inbox, now);
                    rearm(fd.as_fd());
                }
            }
        }
    }
}
