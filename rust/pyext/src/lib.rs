//! Python's view of the userspace plane: names and numbers in, names and numbers out.
//! `seikan/plane/_native.pyi` describes it; `seikan/plane/userspace.py` gives it the port's types.

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use seikan_dataplane::{
    DROPS, Df, Direction, Encapsulation, Mode, NewSa, Notice, Parameters, Path, Plane as Dataplane, PlaneError,
    TunnelCounters,
};
use seikan_esp::selector::{Prefix, Selector};
use seikan_esp::{Encryption, Integrity, Lifetime, Suite};
use std::net::IpAddr;

fn refused(error: PlaneError) -> PyErr {
    PyOSError::new_err(error.0)
}

fn unknown(what: &str, value: &str) -> PyErr {
    PyValueError::new_err(format!("{value:?} is no {what}"))
}

fn address(text: &str) -> PyResult<IpAddr> {
    text.parse().map_err(|_| unknown("IP address", text))
}

fn direction(text: &str) -> PyResult<Direction> {
    match text {
        "in" => Ok(Direction::In),
        "out" => Ok(Direction::Out),
        _ => Err(unknown("direction", text)),
    }
}

fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "in",
        Direction::Out => "out",
    }
}

/// Ports are `(local, remote)`.
fn path(local: &str, remote: &str, ports: Option<(u16, u16)>) -> PyResult<Path> {
    let encapsulation = ports.map(|(local_port, remote_port)| Encapsulation { local_port, remote_port });
    Ok(Path { local: address(local)?, remote: address(remote)?, encapsulation })
}

/// device, mode, source, destination, MTU, key, TTL, DF rule, TOS, bundle, policies.
type TunnelRow =
    (String, String, String, String, u32, Option<u32>, u8, String, Option<u8>, Option<String>, Vec<PolicyRow>);
/// number, network and prefix length of this side and of the other, protocol, port of this side and of the other.
type PolicyRow = (u32, (String, u8), (String, u8), u8, u16, u16);

fn policy(row: PolicyRow) -> PyResult<(u32, Selector)> {
    let (number, local, remote, protocol, local_port, remote_port) = row;
    let prefix = |(network, length): (String, u8)| {
        Prefix::new(address(&network)?, length).map_err(|error| PyValueError::new_err(error.0))
    };
    Ok((number, Selector { local: prefix(local)?, remote: prefix(remote)?, protocol, local_port, remote_port }))
}

fn parameters(row: TunnelRow) -> PyResult<Parameters> {
    let (device, mode, source, destination, mtu, key, ttl, df, tos, bundle, policies) = row;
    Ok(Parameters {
        device,
        mode: match mode.as_str() {
            "gre" => Mode::Gre,
            "ipsec" => Mode::Ipsec,
            _ => return Err(unknown("tunnel mode", &mode)),
        },
        source: address(&source)?,
        destination: address(&destination)?,
        mtu,
        key,
        ttl,
        df: match df.as_str() {
            "copy" => Df::Copy,
            "set" => Df::Set,
            "clear" => Df::Clear,
            _ => return Err(unknown("DF rule", &df)),
        },
        tos,
        bundle,
        policies: policies.into_iter().map(policy).collect::<PyResult<_>>()?,
    })
}

/// kind, tunnel, SPI, direction, remote, remote port, local, MTU, sequence number, policy.
type EventRow = (
    &'static str,
    Option<String>,
    Option<u32>,
    Option<&'static str>,
    Option<String>,
    Option<u16>,
    Option<String>,
    Option<u32>,
    Option<u32>,
    Option<u32>,
);
/// data, local, local port, remote, remote port.
type IkeRow = (Py<PyBytes>, String, u16, String, u16);
type DropRows = Vec<(&'static str, u64)>;
type CounterRow = (u64, u64, u64, u64, DropRows);

fn counters(of: TunnelCounters) -> CounterRow {
    (of.packets_in, of.packets_out, of.octets_in, of.octets_out, of.drops)
}

#[pyclass(frozen)]
struct Plane(Dataplane);

#[pymethods]
impl Plane {
    #[new]
    fn new(workers: usize) -> PyResult<Self> {
        Dataplane::new(workers).map(Self).map_err(refused)
    }

    fn create_tunnel(&self, py: Python<'_>, tunnel: TunnelRow) -> PyResult<()> {
        let parameters = parameters(tunnel)?;
        py.detach(|| self.0.create_tunnel(parameters)).map_err(refused)
    }

    fn update_tunnel(&self, py: Python<'_>, tunnel: TunnelRow) -> PyResult<()> {
        let parameters = parameters(tunnel)?;
        py.detach(|| self.0.update_tunnel(parameters)).map_err(refused)
    }

    fn remove_tunnel(&self, py: Python<'_>, device: &str) -> PyResult<()> {
        py.detach(|| self.0.remove_tunnel(device)).map_err(refused)
    }

    fn set_carrier(&self, py: Python<'_>, device: &str, up: bool) -> PyResult<()> {
        py.detach(|| self.0.set_carrier(device, up)).map_err(refused)
    }

    /// Keys are only read here: the suite made from them wipes its own copies.
    #[allow(clippy::too_many_arguments)]
    fn add_sa(
        &self,
        py: Python<'_>,
        tunnel: &str,
        direction: &str,
        spi: u32,
        local: &str,
        remote: &str,
        ports: Option<(u16, u16)>,
        encryption: &str,
        encryption_key: &[u8],
        integrity: Option<&str>,
        integrity_key: &[u8],
        replay_window: u32,
        extended_sequence_numbers: bool,
        lifetime: (u64, u64, u64, u64),
        policy: Option<u32>,
        transport: bool,
    ) -> PyResult<()> {
        let suite = Encryption::from_name(encryption)
            .and_then(|encryption| {
                let integrity = integrity.map(Integrity::from_name).transpose()?;
                Suite::new(encryption, encryption_key, integrity, integrity_key)
            })
            .map_err(|error| refused(error.into()))?;
        let (soft_octets, hard_octets, soft_packets, hard_packets) = lifetime;
        let new = NewSa {
            tunnel: tunnel.to_owned(),
            direction: self::direction(direction)?,
            spi,
            policy,
            transport,
            path: path(local, remote, ports)?,
            suite,
            replay_window,
            extended: extended_sequence_numbers,
            lifetime: Lifetime { soft_octets, hard_octets, soft_packets, hard_packets },
        };
        py.detach(|| self.0.add_sa(new)).map_err(refused)
    }

    fn reserve_spi(&self, py: Python<'_>, spi: u32) -> PyResult<()> {
        py.detach(|| self.0.reserve_spi(spi)).map_err(refused)
    }

    #[allow(clippy::too_many_arguments)]
    fn update_endpoint(
        &self,
        py: Python<'_>,
        direction: &str,
        spi: u32,
        tunnel: &str,
        local: &str,
        remote: &str,
        ports: Option<(u16, u16)>,
    ) -> PyResult<()> {
        let (direction, path) = (self::direction(direction)?, path(local, remote, ports)?);
        py.detach(|| self.0.update_endpoint(direction, spi, tunnel, path)).map_err(refused)
    }

    fn remove_sa(&self, py: Python<'_>, direction: &str, spi: u32, tunnel: &str) -> PyResult<()> {
        let direction = self::direction(direction)?;
        py.detach(|| self.0.remove_sa(direction, spi, tunnel)).map_err(refused)
    }

    /// packets in, packets out, octets in, octets out, drops.
    fn tunnel_counters(&self, device: &str) -> PyResult<CounterRow> {
        self.0.tunnel_counters(device).map(counters).map_err(refused)
    }

    fn policy_counters(&self, device: &str, policy: u32) -> PyResult<CounterRow> {
        self.0.policy_counters(device, policy).map(counters).map_err(refused)
    }

    fn send_keepalive(&self, py: Python<'_>, device: &str) -> PyResult<()> {
        py.detach(|| self.0.send_keepalive(device)).map_err(refused)
    }

    /// packets, octets, errors, CLOCK_MONOTONIC of the last packet in seconds.
    fn sa_counters(&self, direction: &str, spi: u32, tunnel: &str) -> PyResult<(u64, u64, DropRows, f64)> {
        let counters = self.0.sa_counters(self::direction(direction)?, spi, tunnel).map_err(refused)?;
        Ok((counters.packets, counters.octets, counters.errors, counters.last_used as f64 / 1e9))
    }

    fn drops(&self) -> DropRows {
        self.0.drops()
    }

    fn attach_udp(&self, py: Python<'_>, fileno: i32, port: u16) -> PyResult<()> {
        py.detach(|| self.0.attach_udp(fileno, port)).map_err(refused)
    }

    fn detach_udp(&self, py: Python<'_>, port: u16) {
        py.detach(|| self.0.detach_udp(port));
    }

    fn fileno(&self) -> i32 {
        self.0.fileno()
    }

    /// Events and IKE datagrams, oldest first.
    fn poll(&self, py: Python<'_>) -> PyResult<Vec<Py<PyAny>>> {
        let rows = self.0.poll().into_iter().map(|notice| match notice {
            Notice::Event(event) => {
                let row: EventRow = (
                    event.kind.name(),
                    event.tunnel,
                    event.spi,
                    event.direction.map(direction_name),
                    event.remote.map(|ip| ip.to_string()),
                    event.remote_port,
                    event.local.map(|ip| ip.to_string()),
                    event.mtu,
                    event.sequence,
                    event.policy,
                );
                Ok(row.into_pyobject(py)?.into_any().unbind())
            }
            Notice::Ike(datagram) => {
                let row: IkeRow = (
                    PyBytes::new(py, &datagram.data).unbind(),
                    datagram.local.ip().to_string(),
                    datagram.local.port(),
                    datagram.remote.ip().to_string(),
                    datagram.remote.port(),
                );
                Ok(row.into_pyobject(py)?.into_any().unbind())
            }
        });
        rows.collect()
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}

/// Name and meaning of every drop counter.
#[pyfunction]
fn drop_reasons() -> DropReasons {
    DROPS.to_vec()
}

type DropReasons = Vec<(&'static str, &'static str)>;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Plane>()?;
    module.add_function(wrap_pyfunction!(drop_reasons, module)?)
}
