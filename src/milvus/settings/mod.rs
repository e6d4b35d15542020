//! What a user writes about reaching a server, whatever it is then used for.

mod access;
mod timeouts;
mod tls;
mod wait;

pub(crate) use access::{Access, check_uri};
pub use timeouts::Timeouts;
pub use tls::TlsConfig;
pub use wait::Wait;
