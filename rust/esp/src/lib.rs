//! The pure half of the packet path: ESP (RFC 4303), its suites, replay protection, security
//! associations, and the headers around and inside a tunnel packet. No I/O, no clock: `now` and
//! keys are arguments.

pub mod cbc;
pub mod ecn;
pub mod gre;
pub mod ip;
pub mod packet;
pub mod replay;
pub mod sa;
pub mod selector;
pub mod suite;

pub use sa::{Carries, Inbound, Lifetime, OpenError, Opened, Outbound, SealError, Sealing};
pub use suite::{Encryption, Integrity, Suite, SuiteError};
