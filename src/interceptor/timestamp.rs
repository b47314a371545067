//! The timestamp interceptor: when an event came by, in a header.

use super::{Interceptor, InterceptorKind, StartInterceptor};
use crate::clock::Clock;
use crate::component::{Context, StartError};
use crate::config::keys::keys;
use crate::event::Batch;
use std::sync::Arc;

keys! {
    /// Puts the time, in milliseconds since 1970, into a header.
    pub struct TimestampConfig = "org.apache.flume.interceptor.TimestampInterceptor$Builder" {
        /// Whether a header that is already there stays.
        "preserveExisting" => preserve_existing: bool = "false",
        /// The header.
        "headerName" => header: String = "timestamp",
    }
}

/// The row in the registry.
pub const KIND: InterceptorKind = InterceptorKind {
    names: &[TimestampConfig::TYPE, "timestamp"],
    about: TimestampConfig::ABOUT,
    keys: TimestampConfig::KEYS,
    read: |scope| Some(Box::new(TimestampConfig::read(scope)?)),
};

impl StartInterceptor for TimestampConfig {
    fn start(&self, context: &Context) -> Result<Box<dyn Interceptor>, StartError> {
        Ok(Box::new(Timestamp { config: self.clone(), clock: context.clock.clone() }))
    }

    fn repeatable(&self) -> bool {
        false
    }
}

struct Timestamp {
    config: TimestampConfig,
    clock: Arc<dyn Clock>,
}

impl Interceptor for Timestamp {
    /// One time for the batch: its events pass here in the same moment.
    fn intercept(&mut self, batch: &mut Batch) {
        let now = self.clock.wall_ms().to_string();
        batch.rewrite_headers(|headers| {
            super::with_header(headers, &self.config.header, &now, self.config.preserve_existing)
        });
    }
}
