//! The system calls of the plane, each behind a safe function. All `unsafe` of the crate is here.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The result of a system call as `io::Result`.
fn check(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// CLOCK_MONOTONIC in nanoseconds.
pub fn monotonic() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec to write to; the clock always exists on Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A descriptor that a successful system call just returned and nobody else owns.
fn own(result: c_int) -> io::Result<OwnedFd> {
    check(result as isize)?;
    // SAFETY: the callers pass the fresh result of a call that returns a new descriptor; it was checked not to be -1.
    Ok(unsafe { OwnedFd::from_raw_fd(result) })
}

pub fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed.
    own(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })
}

/// Make an eventfd readable. A counter that cannot grow is readable already.
pub fn eventfd_set(fd: &OwnedFd) {
    let one = 1u64.to_ne_bytes();
    // SAFETY: `one` is valid for 8 octets.
    unsafe { libc::write(fd.as_raw_fd(), one.as_ptr().cast(), 8) };
}

/// Make an eventfd unreadable; one that is not readable stays so.
pub fn eventfd_clear(fd: &OwnedFd) {
    let mut count = [0u8; 8];
    // SAFETY: `count` is valid for 8 octets.
    unsafe { libc::read(fd.as_raw_fd(), count.as_mut_ptr().cast(), 8) };
}

fn poll(fd: RawFd, events: i16, milliseconds: c_int) -> bool {
    let mut entry = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one valid pollfd is passed with count 1.
    let ready = unsafe { libc::poll(&mut entry, 1, milliseconds) };
    ready > 0 && entry.revents & events != 0
}

/// Whether a read would find something now.
#[cfg(test)]
pub fn readable(fd: RawFd) -> bool {
    poll(fd, libc::POLLIN, 0)
}

/// Wait until a socket takes data again.
pub fn wait_writable(fd: BorrowedFd<'_>, milliseconds: c_int) -> bool {
    poll(fd.as_raw_fd(), libc::POLLOUT, milliseconds)
}

pub fn epoll() -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed.
    own(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })
}

/// `operation` is EPOLL_CTL_ADD, _MOD or _DEL; `token` comes back from `epoll_wait`.
pub fn epoll_ctl(epoll: &OwnedFd, operation: c_int, fd: BorrowedFd<'_>, events: c_int, token: u64) -> io::Result<()> {
    let mut event = libc::epoll_event { events: events as u32, u64: token };
    // SAFETY: both descriptors are open as long as their borrows, and `event` is valid for the call.
    let result = unsafe { libc::epoll_ctl(epoll.as_raw_fd(), operation, fd.as_raw_fd(), &mut event) };
    check(result as isize).map(drop)
}

/// Wait for one event and give its token; `None` when a signal came instead, or none within `milliseconds` (-1: no limit).
pub fn epoll_wait(epoll: &OwnedFd, milliseconds: c_int) -> io::Result<Option<u64>> {
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    // SAFETY: one valid epoll_event is passed with count 1.
    match check(unsafe { libc::epoll_wait(epoll.as_raw_fd(), &mut event, 1, milliseconds) } as isize) {
        Ok(count) => Ok((count == 1).then_some(event.u64)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(error),
    }
}

/// Open a device file for reading and writing without blocking.
pub fn open_device(path: &std::ffi::CStr) -> io::Result<OwnedFd> {
    // SAFETY: `path` is a valid C string.
    own(unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC) })
}

/// An `ifreq` with the interface's name and up to 24 octets of argument, as ioctls take it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub struct InterfaceRequest {
    pub name: [u8; libc::IFNAMSIZ],
    pub argument: [u8; 24],
}

/// An ioctl whose argument is an `ifreq`.
pub fn ioctl_interface(fd: BorrowedFd<'_>, request: libc::Ioctl, argument: &mut InterfaceRequest) -> io::Result<()> {
    // SAFETY: `InterfaceRequest` has the size and alignment of the kernel's `struct ifreq`, which is
    // what the requests of this crate that come here read and write.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request, std::ptr::from_mut(argument)) } as isize).map(drop)
}

/// An ioctl whose argument is a number in the pointer's place.
pub fn ioctl_number(fd: BorrowedFd<'_>, request: libc::Ioctl, argument: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the kernel takes the argument of these requests by value and follows no pointer.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request, argument) } as isize).map(drop)
}

/// An ioctl whose argument points to an int.
pub fn ioctl_int(fd: BorrowedFd<'_>, request: libc::Ioctl, argument: c_int) -> io::Result<()> {
    // SAFETY: the argument is a valid int for the length of the call.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request, &argument) } as isize).map(drop)
}

pub fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: `buffer` is valid for writes of its length.
    check(unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) })
}

/// One `writev` of at most 1024 parts.
pub fn write_vectored(fd: BorrowedFd<'_>, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: `IoSlice` is guaranteed to have the layout of `iovec`, and each part is valid for reads.
    check(unsafe { libc::writev(fd.as_raw_fd(), parts.as_ptr().cast(), parts.len() as c_int) })
}

pub fn socket(family: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed.
    own(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) })
}

/// A second descriptor of the same open file.
pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed; a number that is no descriptor gives EBADF.
    own(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) })
}

pub fn set_option(fd: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let size = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the value is a valid int of the size given.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), size) } as isize).map(drop)
}

pub fn get_option(fd: BorrowedFd<'_>, level: c_int, name: c_int) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let mut size = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: value and size are valid to write to, and size is that of value.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut value).cast(), &mut size) } as isize)?;
    Ok(value)
}

/// `address` holds a `sockaddr_in` or `sockaddr_in6`.
pub fn bind(fd: BorrowedFd<'_>, address: &[u8]) -> io::Result<()> {
    // SAFETY: `address` is valid for its length; the kernel checks that it is an address of the family.
    let result = unsafe { libc::bind(fd.as_raw_fd(), address.as_ptr().cast(), address.len() as libc::socklen_t) };
    check(result as isize).map(drop)
}

/// `address` holds a `sockaddr_in` or `sockaddr_in6`.
pub fn connect(fd: BorrowedFd<'_>, address: &[u8]) -> io::Result<()> {
    // SAFETY: as for `bind`.
    let result = unsafe { libc::connect(fd.as_raw_fd(), address.as_ptr().cast(), address.len() as libc::socklen_t) };
    check(result as isize).map(drop)
}

/// Room for a socket address and for control messages of one message, aligned as the kernel wants.
#[repr(C, align(8))]
#[derive(Clone)]
pub struct Envelope {
    pub address: [u8; 32],
    pub address_octets: usize,
    pub control: [u8; 160],
    pub control_octets: usize,
    /// Received octets, and `msg_flags`.
    pub octets: usize,
    pub flags: c_int,
}

impl Default for Envelope {
    fn default() -> Self {
        Self { address: [0; 32], address_octets: 0, control: [0; 160], control_octets: 0, octets: 0, flags: 0 }
    }
}

/// Reused memory of `sendmmsg` and `recvmmsg`; it holds no pointer between calls.
#[derive(Default)]
pub struct Messages {
    headers: Vec<libc::mmsghdr>,
    parts: Vec<libc::iovec>,
}

// SAFETY: the pointers in the vectors are only followed during the call that wrote them; a
// `Messages` that moves to another thread carries none that is used again.
unsafe impl Send for Messages {}

impl Messages {
    fn fill<'a>(&mut self, envelopes: impl Iterator<Item = (&'a mut Envelope, *mut u8, usize)>, receive: bool) {
        self.headers.clear();
        self.parts.clear();
        for (envelope, data, octets) in envelopes {
            self.parts.push(libc::iovec { iov_base: data.cast(), iov_len: octets });
            let (name, room) = if receive {
                (envelope.address.len(), envelope.control.len())
            } else {
                (envelope.address_octets, envelope.control_octets)
            };
            // SAFETY: all-zero octets are a valid msghdr: null pointers with lengths of zero.
            let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
            header.msg_name = envelope.address.as_mut_ptr().cast();
            header.msg_namelen = name as libc::socklen_t;
            header.msg_iovlen = 1;
            header.msg_control = envelope.control.as_mut_ptr().cast();
            header.msg_controllen = room;
            self.headers.push(libc::mmsghdr { msg_hdr: header, msg_len: 0 });
        }
        // Only now do the parts stay where they are.
        for (header, part) in self.headers.iter_mut().zip(&mut self.parts) {
            header.msg_hdr.msg_iov = part;
        }
    }

    /// Send `(envelope, data)` pairs; gives how many were sent. An error concerns the first.
    pub fn send(&mut self, fd: BorrowedFd<'_>, messages: &mut [(Envelope, &[u8])]) -> io::Result<usize> {
        // The kernel only reads what a sent part points to, so the cast to mutable is never used to write.
        self.fill(messages.iter_mut().map(|(e, data)| (e, data.as_ptr().cast_mut(), data.len())), false);
        let count = self.headers.len() as libc::c_uint;
        // SAFETY: `fill` pointed every header at an envelope and data that `messages` borrows for this call.
        check(unsafe { libc::sendmmsg(fd.as_raw_fd(), self.headers.as_mut_ptr(), count, 0) } as isize)
    }

    /// Receive into equal parts of `buffer`, one for each envelope, without waiting; gives how many came.
    pub fn receive(
        &mut self,
        fd: BorrowedFd<'_>,
        envelopes: &mut [Envelope],
        buffer: &mut [u8],
        stride: usize,
        room: usize,
    ) -> io::Result<usize> {
        let parts = buffer.chunks_exact_mut(stride).map(|part| part[..room].as_mut_ptr());
        self.fill(envelopes.iter_mut().zip(parts).map(|(e, data)| (e, data, room)), true);
        let count = self.headers.len() as libc::c_uint;
        let flags = libc::MSG_DONTWAIT;
        // SAFETY: `fill` pointed every header at an envelope and a part of `buffer`, each of which is
        // borrowed mutably for this call, apart from all others, and as long as stated.
        let received = check(unsafe {
            libc::recvmmsg(fd.as_raw_fd(), self.headers.as_mut_ptr(), count, flags as _, std::ptr::null_mut())
        } as isize)?;
        for (envelope, header) in envelopes.iter_mut().zip(&self.headers[..received]) {
            envelope.octets = header.msg_len as usize;
            envelope.address_octets = header.msg_hdr.msg_namelen as usize;
            envelope.control_octets = header.msg_hdr.msg_controllen;
            envelope.flags = header.msg_hdr.msg_flags;
        }
        Ok(received)
    }
}
