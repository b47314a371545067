//! The host interceptor: which machine an event came by, in a header.

use super::{Interceptor, InterceptorKind, StartInterceptor};
use crate::component::{Context, StartError};
use crate::config::keys::keys;
use crate::event::Batch;
use crate::localhost;
use crate::status::happening::Happening;

keys! {
    /// Puts this machine's address or name into a header.
    pub struct HostConfig = "org.apache.flume.interceptor.HostInterceptor$Builder" {
        /// Whether a header that is already there stays.
        "preserveExisting" => preserve_existing: bool = "false",
        /// Whether it is the address, and not the name in full.
        "useIP" => use_ip: bool = "true",
        /// The header.
        "hostHeader" => header: String = "host",
    }
}

/// The row in the registry.
pub const KIND: InterceptorKind = InterceptorKind {
    names: &[HostConfig::TYPE, "host"],
    about: HostConfig::ABOUT,
    keys: HostConfig::KEYS,
    read: |scope| Some(Box::new(HostConfig::read(scope)?)),
};

impl StartInterceptor for HostConfig {
    /// Asks once. A machine that does not know its own address is told of, and its events have no such header, as in Flume.
    fn start(&self, context: &Context) -> Result<Box<dyn Interceptor>, StartError> {
        let host = if self.use_ip {
            localhost::address().map(|address| address.to_string())
        } else {
            localhost::canonical_name()
        };
        if let Err(error) = &host {
            let what =
                format!("this machine's name `{}` has no address: {error}", localhost::name());
            let happening = Happening::warning("no-address", what);
            let effect = format!("events have no header `{}`", self.header);
            let next = "add the name to /etc/hosts and restart the agent";
            context.teller.tell(happening.effect(effect).next(next));
        }
        Ok(Box::new(Host { config: self.clone(), host: host.ok() }))
    }

    fn repeatable(&self) -> bool {
        true
    }
}

struct Host {
    config: HostConfig,
    host: Option<String>,
}

impl Interceptor for Host {
    fn intercept(&mut self, batch: &mut Batch) {
        let Some(host) = &self.host else { return };
        batch.rewrite_headers(|headers| {
            super::with_header(headers, &self.config.header, host, self.config.preserve_existing)
        });
    }
}
