//! The sockets around the tunnels: raw protocols 47 and 50, and UDP for NAT traversal.
//!
//! DF is an option of a socket, not of a message, so each protocol and family has two sockets for
//! sending: with DF set and clear. They are bound to an address that nothing is ever sent to, and
//! each message names its true source; so the kernel gives them no copy of what arrives.

use crate::address::{Outer, envelope, write_address};
use crate::sys::{self, Envelope, Messages};
use crate::table::{read, write};
use std::cell::Cell;
use std::ffi::c_int;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// The protocol numbers of GRE and ESP.
pub const GRE: u8 = 47;
pub const ESP: u8 = 50;

/// Octets that wait in a socket at most.
const QUEUE: c_int = 8 << 20;
/// How long a full send queue may hold up a worker, in milliseconds.
const PATIENCE: c_int = 20;
/// Segments of one UDP send, and octets of it (the kernel's limits are 128, and 64 KiB with headers).
const SEGMENTS: usize = 64;
const SEND: usize = 65_000;

// linux/in6.h
const IPV6_FREEBIND: c_int = 78;

fn parked(family: c_int, df: bool) -> IpAddr {
    match (family, df) {
        (libc::AF_INET, true) => Ipv4Addr::new(127, 255, 255, 254).into(),
        (libc::AF_INET, false) => Ipv4Addr::new(127, 255, 255, 253).into(),
        // The discard prefix of RFC 6666.
        (_, true) => Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 2).into(),
        (_, false) => Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1).into(),
    }
}

pub fn family(ip: IpAddr) -> c_int {
    if ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }
}

/// Large queues where the process may have them.
fn widen(fd: BorrowedFd<'_>) {
    for (force, plain) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)] {
        if sys::set_option(fd, libc::SOL_SOCKET, force, QUEUE).is_err() {
            // Without CAP_NET_ADMIN the system's limit holds; a smaller queue only drops earlier, and counted.
            let _ = sys::set_option(fd, libc::SOL_SOCKET, plain, QUEUE);
        }
    }
}

/// Ask for what comes with received packets: destination, TOS, losses.
fn annotate(fd: BorrowedFd<'_>, family: c_int) -> io::Result<()> {
    sys::set_option(fd, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)?;
    if family == libc::AF_INET6 {
        sys::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
        sys::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 1)?;
    }
    // On an IPv6 socket these concern IPv4 peers, which one that is IPv6 only does not have.
    let result = sys::set_option(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
        .and_then(|()| sys::set_option(fd, libc::IPPROTO_IP, libc::IP_RECVTOS, 1));
    if family == libc::AF_INET { result } else { Ok(()) }
}

/// A raw socket that receives one protocol.
pub fn raw_receiver(protocol: u8, family: c_int) -> io::Result<OwnedFd> {
    let socket = sys::socket(family, libc::SOCK_RAW | libc::SOCK_NONBLOCK, c_int::from(protocol)).map_err(|error| {
        let name = if protocol == ESP { "ESP" } else { "GRE" };
        let ip = if family == libc::AF_INET { "IPv4" } else { "IPv6" };
        let hint = match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => "run as root, or with CAP_NET_RAW",
            Some(libc::EAFNOSUPPORT) => "the kernel does not have this protocol family",
            _ => "the system refused it",
        };
        io::Error::new(error.kind(), format!("no raw {ip} socket for {name} (protocol {protocol}): {hint} ({error})"))
    })?;
    widen(socket.as_fd());
    annotate(socket.as_fd(), family)?;
    Ok(socket)
}

/// A duplicate of the daemon's NAT traversal socket, made ready for receiving ESP in batches.
pub fn udp_receiver(fd: RawFd) -> io::Result<(OwnedFd, c_int)> {
    let socket = sys::duplicate(fd)?;
    let family = sys::get_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_DOMAIN)?;
    widen(socket.as_fd());
    annotate(socket.as_fd(), family)?;
    // Before Linux 5.0 datagrams come one by one, which works as well.
    let _ = sys::set_option(socket.as_fd(), libc::SOL_UDP, libc::UDP_GRO, 1);
    Ok((socket, family))
}

/// Give a duplicate up; whoever reads the socket from now on gets its datagrams one by one again.
pub fn udp_release(socket: OwnedFd) {
    // As in `udp_receiver`: a kernel that does not know the option joins nothing.
    let _ = sys::set_option(socket.as_fd(), libc::SOL_UDP, libc::UDP_GRO, 0);
}

/// Two sockets for sending one protocol in one family, with DF clear and set.
pub struct Sender {
    /// None once closed; a worker that holds the read lock keeps them open.
    sockets: RwLock<Option<Sockets>>,
    udp: bool,
    /// Whether the kernel cuts large UDP sends; found out by trying.
    segmentation: AtomicBool,
}

struct Sockets {
    clear: OwnedFd,
    set: OwnedFd,
}

impl Sender {
    /// For GRE or ESP straight over IP.
    pub fn raw(protocol: u8, family: c_int) -> io::Result<Self> {
        let open = |df| {
            let socket = sys::socket(family, libc::SOCK_RAW | libc::SOCK_NONBLOCK, c_int::from(protocol))?;
            Self::prepare(socket, family, df, 0)
        };
        Ok(Self::new(Sockets { clear: open(false)?, set: open(true)? }, false))
    }

    /// For UDP from `port`, beside the socket `wildcard` that is bound to it.
    pub fn udp(family: c_int, port: u16, wildcard: BorrowedFd<'_>) -> io::Result<Self> {
        let reuse = sys::get_option(wildcard, libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
        sys::set_option(wildcard, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        let open = |df| {
            let socket = sys::socket(family, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK, 0)?;
            sys::set_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
            Self::prepare(socket, family, df, port)
        };
        let sockets = open(false).and_then(|clear| Ok(Sockets { clear, set: open(true)? }));
        sys::set_option(wildcard, libc::SOL_SOCKET, libc::SO_REUSEADDR, reuse)?;
        Ok(Self::new(sockets?, true))
    }

    fn new(sockets: Sockets, udp: bool) -> Self {
        Self { sockets: RwLock::new(Some(sockets)), udp, segmentation: AtomicBool::new(udp) }
    }

    /// Close the sockets, once no worker sends on them.
    pub fn close(&self) {
        write(&self.sockets).take();
    }

    fn prepare(socket: OwnedFd, family: c_int, df: bool, port: u16) -> io::Result<OwnedFd> {
        let fd = socket.as_fd();
        widen(fd);
        let (level, freebind) = match family {
            libc::AF_INET => (libc::IPPROTO_IP, libc::IP_FREEBIND),
            _ => (libc::IPPROTO_IPV6, IPV6_FREEBIND),
        };
        let discover = if df { libc::IP_PMTUDISC_DO } else { libc::IP_PMTUDISC_DONT };
        if family == libc::AF_INET {
            sys::set_option(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, discover)?;
        } else {
            if port != 0 {
                // A raw IPv6 socket has no IPv4 side to turn off.
                sys::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
            }
            sys::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, discover)?;
        }
        sys::set_option(fd, level, freebind, 1)?;
        let mut address = [0; 32];
        let octets = write_address(&mut address, SocketAddr::new(parked(family, df), port));
        sys::bind(fd, &address[..octets])?;
        // From here on the kernel shall again refuse to send from an address that is not this machine's.
        sys::set_option(fd, level, freebind, 0)?;
        Ok(socket)
    }
}

/// One sealed packet: where it lies in the batch's buffer, and its outer fields.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    pub start: usize,
    pub octets: usize,
    pub tos: u8,
    pub df: bool,
    /// Whether DF may be given up where the packet is too big for the path.
    pub fragmentable: bool,
}

/// Why one packet was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    TooBig,
    NoRoute,
    QueueFull,
    Refused,
    /// The sender was closed meanwhile.
    Closed,
}

/// Reused memory for sending.
#[derive(Default)]
pub struct Transmitter {
    messages: Messages,
}

impl Transmitter {
    /// Send packets of one path, in order; each brings its own TOS. `failed` hears of each packet that was not sent.
    pub fn send(
        &mut self,
        sender: &Sender,
        outer: Outer,
        buffer: &[u8],
        packets: &[Outgoing],
        mut failed: impl FnMut(&Outgoing, SendError),
    ) {
        let mut rest = packets;
        while let Some(first) = rest.first() {
            let run = rest.iter().take_while(|packet| packet.df == first.df).count();
            let (now, later) = rest.split_at(run);
            self.send_run(sender, outer, buffer, now, &mut failed);
            rest = later;
        }
    }

    /// `packets` share their DF bit, hence their socket.
    fn send_run(
        &mut self,
        sender: &Sender,
        outer: Outer,
        buffer: &[u8],
        packets: &[Outgoing],
        failed: &mut impl FnMut(&Outgoing, SendError),
    ) {
        let guard = read(&sender.sockets);
        let Some(sockets) = guard.as_ref() else {
            return packets.iter().for_each(|packet| failed(packet, SendError::Closed));
        };
        let fd = if packets[0].df { sockets.set.as_fd() } else { sockets.clear.as_fd() };
        let done = Cell::new(0);
        while done.get() < packets.len() {
            let rest = &packets[done.get()..];
            let trains = trains(rest, sender.udp && sender.segmentation.load(Relaxed));
            let mut messages: Vec<(Envelope, &[u8])> = trains
                .iter()
                .scan(0, |at, count| {
                    let train = &rest[*at..*at + count];
                    *at += count;
                    Some(train)
                })
                .map(|train| {
                    let (first, last) = (&train[0], &train[train.len() - 1]);
                    let outer = Outer { tos: first.tos, ..outer };
                    let segment = (train.len() > 1).then_some(first.octets as u16);
                    (envelope(&outer, segment), &buffer[first.start..last.start + last.octets])
                })
                .collect();
            let mut sent = 0;
            while sent < messages.len() {
                match self.messages.send(fd, &mut messages[sent..]) {
                    Ok(count) => {
                        done.set(done.get() + trains[sent..sent + count].iter().sum::<usize>());
                        sent += count;
                    }
                    Err(error) => {
                        let train = trains[sent];
                        match self.recover(sender, fd, &error, train) {
                            Recovery::Retry => {}
                            Recovery::Singly => break,
                            Recovery::Skip(reason) => {
                                packets[done.get()..done.get() + train]
                                    .iter()
                                    .for_each(|packet| failed(packet, reason));
                                done.set(done.get() + train);
                                sent += 1;
                            }
                        }
                    }
                }
            }
        }
    }

    fn recover(&self, sender: &Sender, fd: BorrowedFd<'_>, error: &io::Error, train: usize) -> Recovery {
        match error.raw_os_error().unwrap_or(0) {
            libc::EINTR => Recovery::Retry,
            libc::EAGAIN | libc::ENOBUFS => {
                if sys::wait_writable(fd, PATIENCE) && error.raw_os_error() == Some(libc::EAGAIN) {
                    Recovery::Retry
                } else {
                    Recovery::Skip(SendError::QueueFull)
                }
            }
            libc::EMSGSIZE => Recovery::Skip(SendError::TooBig),
            libc::EIO | libc::EINVAL | libc::EOPNOTSUPP if train > 1 => {
                // The device or the kernel does not cut UDP: from now on every packet goes alone.
                sender.segmentation.store(false, Relaxed);
                Recovery::Singly
            }
            libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN | libc::EADDRNOTAVAIL | libc::EINVAL => {
                Recovery::Skip(SendError::NoRoute)
            }
            _ => Recovery::Skip(SendError::Refused),
        }
    }
}

enum Recovery {
    Retry,
    Singly,
    Skip(SendError),
}

/// How many packets each message takes: with UDP segmentation a train of equal ones, of which the
/// last may be shorter; otherwise one.
fn trains(packets: &[Outgoing], segmentation: bool) -> Vec<usize> {
    if !segmentation {
        return vec![1; packets.len()];
    }
    let mut trains = Vec::new();
    let mut at = 0;
    while at < packets.len() {
        let first = &packets[at];
        let (mut count, mut octets) = (1, first.octets);
        while let Some(next) = packets.get(at + count) {
            let before = &packets[at + count - 1];
            let joins = before.octets == first.octets
                && next.octets <= first.octets
                && next.tos == first.tos
                && next.start == before.start + before.octets
                && count < SEGMENTS
                && octets + next.octets <= SEND;
            if !joins {
                break;
            }
            octets += next.octets;
            count += 1;
        }
        trains.push(count);
        at += count;
    }
    trains
}

/// The MTU of the path to `remote` as the kernel knows it: of the interface, or learned from ICMP.
pub fn path_mtu(local: IpAddr, remote: IpAddr) -> io::Result<u32> {
    let (level, name) = match remote {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU),
    };
    let socket = sys::socket(family(remote), libc::SOCK_DGRAM, 0)?;
    let mut address = [0; 32];
    let octets = write_address(&mut address, SocketAddr::new(local, 0));
    sys::bind(socket.as_fd(), &address[..octets])?;
    let octets = write_address(&mut address, SocketAddr::new(remote, 9));
    sys::connect(socket.as_fd(), &address[..octets])?;
    sys::get_option(socket.as_fd(), level, name).map(|mtu| mtu.max(0) as u32)
}

/// How much the socket's loss counter grew since the last look.
#[derive(Default)]
pub struct LossCounter(AtomicU32);

impl LossCounter {
    pub fn update(&self, total: u32) -> u64 {
        u64::from(total.wrapping_sub(self.0.swap(total, Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(sizes: &[usize]) -> Vec<Outgoing> {
        let mut start = 0;
        sizes
            .iter()
            .map(|octets| {
                start += octets;
                Outgoing { start: start - octets, octets: *octets, tos: 0, df: true, fragmentable: false }
            })
            .collect()
    }

    #[test]
    fn trains_hold_equal_packets_and_a_shorter_last() {
        assert_eq!(trains(&packets(&[100, 100, 60, 100]), true), [3, 1]);
        assert_eq!(trains(&packets(&[60, 100, 100]), true), [1, 2]);
        assert_eq!(trains(&packets(&[100; 3]), false), [1, 1, 1]);
        assert_eq!(trains(&packets(&[1400; 50]), true), [46, 4]);
        assert_eq!(trains(&packets(&[80; 100]), true), [64, 36]);
        let mut marked = packets(&[100; 3]);
        marked[1].tos = 3;
        assert_eq!(trains(&marked, true), [1, 1, 1]);
    }

    #[test]
    fn losses_are_counted_once() {
        let losses = LossCounter::default();
        assert_eq!((losses.update(5), losses.update(5), losses.update(9)), (5, 0, 4));
    }
}
