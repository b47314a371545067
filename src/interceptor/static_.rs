//! The static interceptor: the same header for every event.

use super::{Interceptor, InterceptorKind, StartInterceptor};
use crate::component::{Context, StartError};
use crate::config::keys::keys;
use crate::event::Batch;

keys! {
    /// Puts one value into a header of every event.
    pub struct StaticConfig = "org.apache.flume.interceptor.StaticInterceptor$Builder" {
        /// Whether a header that is already there stays.
        "preserveExisting" => preserve_existing: bool = "true",
        /// The header.
        "key" => key: String = "key",
        /// The value.
        "value" => value: String = "value",
    }
}

/// The row in the registry.
pub const KIND: InterceptorKind = InterceptorKind {
    names: &[StaticConfig::TYPE, "static"],
    about: StaticConfig::ABOUT,
    keys: StaticConfig::KEYS,
    read: |scope| Some(Box::new(StaticConfig::read(scope)?)),
};

impl StartInterceptor for StaticConfig {
    fn start(&self, _context: &Context) -> Result<Box<dyn Interceptor>, StartError> {
        Ok(Box::new(Static(self.clone())))
    }

    fn repeatable(&self) -> bool {
        true
    }
}

struct Static(StaticConfig);

impl Interceptor for Static {
    fn intercept(&mut self, batch: &mut Batch) {
        let config = &self.0;
        batch.rewrite_headers(|headers| {
            super::with_header(headers, &config.key, &config.value, config.preserve_existing)
        });
    }
}
