//! The userspace data plane: tunnel devices, sockets, workers, and the tables between them.
//!
//! A packet out: device → policy, where the tunnel has any (`outbound`) → cut at the tunnel MTU (`segment`)
//! → outbound SA, a batch at a time → socket (`load`). A packet in: socket, a batch at a time → SA by SPI, or GRE tunnel by
//! endpoints → join TCP segments (`coalesce`) → device (`inbound`). One descriptor is served by one
//! worker at a time (`worker`), which keeps the order of each SA and each flow. A packet in whose SA is about to be
//! there waits for it (`hold`).

mod address;
mod associations;
pub mod coalesce;
mod counters;
mod event;
mod hold;
mod icmp;
mod inbound;
mod keepalive;
mod load;
mod outbound;
mod plane;
mod route;
pub mod segment;
mod socket;
mod sys;
mod table;
pub mod tun;
mod worker;

pub use associations::NewSa;
pub use counters::DROPS;
pub use event::{Direction, Event, IkeDatagram, Kind, Notice};
pub use inbound::{Demultiplexed, demultiplex};
pub use plane::{Plane, PlaneError, TunnelCounters};
pub use table::{Df, Encapsulation, Mode, Parameters, Path};
