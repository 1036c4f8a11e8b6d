//! The tunnel device: a TUN interface that lives as long as its descriptor.

use crate::sys::{self, InterfaceRequest};
use std::ffi::c_int;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Octets of the virtio_net_hdr before every packet of the device (linux/virtio_net.h).
pub const VNET_HEADER: usize = 10;

/// The largest packet the device hands over or takes.
pub const LARGEST: usize = 65_535;

// linux/if_tun.h
const TUNSETIFF: libc::Ioctl = 0x4004_54ca;
const TUNSETOFFLOAD: libc::Ioctl = 0x4004_54d0;
const TUNSETCARRIER: libc::Ioctl = 0x4004_54e2;
const IFF_TUN: u16 = 0x0001;
const IFF_NO_PI: u16 = 0x1000;
const IFF_VNET_HDR: u16 = 0x4000;
const IFF_TUN_EXCL: u16 = 0x8000;
const TUN_F_CSUM: libc::c_ulong = 0x01;
const TUN_F_TSO4: libc::c_ulong = 0x02;
const TUN_F_TSO6: libc::c_ulong = 0x04;
const TUN_F_TSO_ECN: libc::c_ulong = 0x08;
const TUN_F_USO4: libc::c_ulong = 0x20;
const TUN_F_USO6: libc::c_ulong = 0x40;
/// What every kernel since 2.6.27 takes, and what those since 6.2 take.
const OFFLOADS: libc::c_ulong = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
const UDP_OFFLOADS: libc::c_ulong = TUN_F_USO4 | TUN_F_USO6;

pub struct Tun {
    fd: OwnedFd,
    name: String,
}

fn request(name: &str) -> io::Result<InterfaceRequest> {
    let mut request = InterfaceRequest { name: [0; libc::IFNAMSIZ], argument: [0; 24] };
    let usable = !name.is_empty()
        && name.len() < request.name.len()
        && !name.bytes().any(|octet| octet == 0 || octet == b'/' || octet == b'%' || octet.is_ascii_whitespace());
    if !usable {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{name:?} is no interface name: it takes 1 to 15 characters without blanks, '/' and '%'"),
        ));
    }
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    Ok(request)
}

impl Tun {
    /// Make the device, carrier off. The error's text names what is wrong.
    pub fn create(name: &str, mtu: u32) -> io::Result<Self> {
        let mut interface = request(name)?;
        let fd = sys::open_device(c"/dev/net/tun").map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::NotFound => "the kernel has no TUN: load the module `tun`",
                io::ErrorKind::PermissionDenied => "run as root, or with CAP_NET_ADMIN and access to the file",
                _ => "cannot be opened",
            };
            io::Error::new(error.kind(), format!("/dev/net/tun: {hint} ({error})"))
        })?;
        let flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL;
        interface.argument[..2].copy_from_slice(&flags.to_ne_bytes());
        sys::ioctl_interface(fd.as_fd(), TUNSETIFF, &mut interface).map_err(|error| {
            let text = match error.raw_os_error() {
                Some(libc::EBUSY | libc::EEXIST | libc::EINVAL) => {
                    format!("a network device called {name} exists already: remove it or choose another name")
                }
                Some(libc::EPERM) => format!("cannot make {name}: run as root, or with CAP_NET_ADMIN"),
                _ => format!("cannot make {name}: {error}"),
            };
            io::Error::new(error.kind(), text)
        })?;
        let tun = Self { fd, name: name.to_owned() };
        tun.set_carrier(false)?;
        if sys::ioctl_number(tun.fd.as_fd(), TUNSETOFFLOAD, OFFLOADS | UDP_OFFLOADS).is_err() {
            sys::ioctl_number(tun.fd.as_fd(), TUNSETOFFLOAD, OFFLOADS)?;
        }
        tun.set_mtu(mtu)?;
        Ok(tun)
    }

    pub fn set_carrier(&self, up: bool) -> io::Result<()> {
        sys::ioctl_int(self.fd.as_fd(), TUNSETCARRIER, c_int::from(up))
            .map_err(|error| io::Error::new(error.kind(), format!("cannot set the carrier of {}: {error}", self.name)))
    }

    /// `mtu` in octets.
    pub fn set_mtu(&self, mtu: u32) -> io::Result<()> {
        let mut interface = request(&self.name)?;
        interface.argument[..4].copy_from_slice(&mtu.to_ne_bytes());
        let socket = sys::socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
        sys::ioctl_interface(socket.as_fd(), libc::SIOCSIFMTU as libc::Ioctl, &mut interface).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot set the MTU of {} to {mtu} octets: {error}", self.name))
        })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// One packet with its virtio_net_hdr before it.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        sys::read(self.fd.as_fd(), buffer)
    }

    /// One packet in parts, the virtio_net_hdr first.
    pub fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        sys::write_vectored(self.fd.as_fd(), parts)
    }
}

/// A virtio_net_hdr in host byte order (linux/virtio_net.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VnetHeader {
    pub flags: u8,
    pub gso_type: u8,
    pub header: u16,
    pub gso_size: u16,
    pub checksum_start: u16,
    pub checksum_offset: u16,
}

pub const NEEDS_CHECKSUM: u8 = 1;
pub const GSO_NONE: u8 = 0;
pub const GSO_TCP4: u8 = 1;
pub const GSO_TCP6: u8 = 4;
pub const GSO_UDP: u8 = 5;
pub const GSO_ECN: u8 = 0x80;

impl VnetHeader {
    pub fn parse(octets: &[u8; VNET_HEADER]) -> Self {
        let word = |at: usize| u16::from_ne_bytes([octets[at], octets[at + 1]]);
        Self {
            flags: octets[0],
            gso_type: octets[1],
            header: word(2),
            gso_size: word(4),
            checksum_start: word(6),
            checksum_offset: word(8),
        }
    }

    pub fn octets(&self) -> [u8; VNET_HEADER] {
        let mut octets = [0; VNET_HEADER];
        octets[0] = self.flags;
        octets[1] = self.gso_type;
        octets[2..4].copy_from_slice(&self.header.to_ne_bytes());
        octets[4..6].copy_from_slice(&self.gso_size.to_ne_bytes());
        octets[6..8].copy_from_slice(&self.checksum_start.to_ne_bytes());
        octets[8..10].copy_from_slice(&self.checksum_offset.to_ne_bytes());
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_kernel_would_misread_are_refused() {
        for name in ["", "sixteen-letters-", "a b", "a/b", "tun%d", "a\0b"] {
            assert!(request(name).is_err(), "{name:?}");
        }
        assert_eq!(&request("Tunnel0").unwrap().name[..8], b"Tunnel0\0");
    }

    #[test]
    fn the_vnet_header_goes_around() {
        let header =
            VnetHeader { flags: 1, gso_type: 4, header: 60, gso_size: 1380, checksum_start: 40, checksum_offset: 16 };
        assert_eq!(VnetHeader::parse(&header.octets()), header);
    }
}
