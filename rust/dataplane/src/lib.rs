//! The userspace data plane: tunnel devices, sockets, workers, and the tables between them.
//!
//! A packet out: device → cut at the tunnel MTU (`segment`) → the tunnel's outbound SA, a batch at a
//! time → socket (`outbound`). A packet in: socket, a batch at a time → SA by SPI, or GRE tunnel by
//! endpoints → join TCP segments (`coalesce`) → device (`inbound`). One descriptor is served by one
//! worker at a time (`worker`), which keeps the order of each SA and each flow.

mod address;
pub mod coalesce;
mod counters;
mod event;
mod icmp;
mod inbound;
mod outbound;
mod plane;
pub mod segment;
mod socket;
mod sys;
mod table;
pub mod tun;
mod worker;

pub use counters::DROPS;
pub use event::{Direction, Event, IkeDatagram, Kind, Notice};
pub use inbound::{Demultiplexed, demultiplex};
pub use plane::{NewSa, Plane, PlaneError};
pub use table::{Df, Encapsulation, Mode, Parameters, Path};
