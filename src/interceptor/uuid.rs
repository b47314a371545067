//! The UUID interceptor: an id of its own for every event.

use super::{Interceptor, InterceptorKind, StartInterceptor};
use crate::component::{Context, StartError};
use crate::config::keys::keys;
use crate::event::{Batch, Headers, Rewrite};
use std::sync::Arc;

keys! {
    /// Puts a random UUID into a header of each event.
    pub struct UuidConfig = "org.apache.flume.sink.solr.morphline.UUIDInterceptor$Builder" {
        /// The header.
        "headerName" => header: String = "id",
        /// Whether a header that is already there stays.
        "preserveExisting" => preserve_existing: bool = "true",
        /// What comes before the UUID.
        "prefix" => prefix: String = "",
    }
}

/// The row in the registry.
pub const KIND: InterceptorKind = InterceptorKind {
    names: &[UuidConfig::TYPE, "uuid"],
    about: UuidConfig::ABOUT,
    keys: UuidConfig::KEYS,
    read: |scope| Some(Box::new(UuidConfig::read(scope)?)),
};

impl StartInterceptor for UuidConfig {
    fn start(&self, _context: &Context) -> Result<Box<dyn Interceptor>, StartError> {
        Ok(Box::new(UuidInterceptor(self.clone())))
    }

    fn repeatable(&self) -> bool {
        false
    }
}

struct UuidInterceptor(UuidConfig);

impl Interceptor for UuidInterceptor {
    fn intercept(&mut self, batch: &mut Batch) {
        let config = &self.0;
        batch.rewrite(|event| {
            if config.preserve_existing && event.headers.contains_key(&config.header) {
                return Rewrite::Keep;
            }
            let id = format!("{}{}", config.prefix, uuid::Uuid::new_v4());
            let mut headers = Headers::clone(event.headers);
            headers.insert(config.header.clone(), id);
            Rewrite::Headers(Arc::new(headers))
        });
    }
}
