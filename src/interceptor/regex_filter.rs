//! The regex filter: keeps the events whose bodies a pattern is found in, or drops them.

use super::{Interceptor, InterceptorKind, StartInterceptor};
use crate::component::{Context, StartError};
use crate::config::keys::keys;
use crate::config::value::Pattern;
use crate::event::Batch;
use crate::status::happening::Teller;

keys! {
    /// Keeps events whose body a regular expression is found in, or drops them.
    pub struct RegexFilterConfig = "org.apache.flume.interceptor.RegexFilteringInterceptor$Builder" {
        /// The regular expression.
        "regex" => regex: Pattern = ".*",
        /// Whether events that match are dropped, and not the others.
        "excludeEvents" => exclude: bool = "false",
    }
}

/// The row in the registry.
pub const KIND: InterceptorKind = InterceptorKind {
    names: &[RegexFilterConfig::TYPE, "regex_filter"],
    about: RegexFilterConfig::ABOUT,
    keys: RegexFilterConfig::KEYS,
    read: |scope| Some(Box::new(RegexFilterConfig::read(scope)?)),
};

impl StartInterceptor for RegexFilterConfig {
    fn start(&self, context: &Context) -> Result<Box<dyn Interceptor>, StartError> {
        Ok(Box::new(RegexFilter { config: self.clone(), teller: context.teller.clone() }))
    }

    fn repeatable(&self) -> bool {
        true
    }
}

struct RegexFilter {
    config: RegexFilterConfig,
    teller: Teller,
}

impl Interceptor for RegexFilter {
    fn intercept(&mut self, batch: &mut Batch) {
        let RegexFilterConfig { regex, exclude } = &self.config;
        *batch = batch.filter(|_, event| {
            match regex.is_found_in(&String::from_utf8_lossy(event.body)) {
                Ok(found) => found != *exclude,
                Err(error) => {
                    super::tell_wild(&self.teller, regex, &error, "the event goes on");
                    true
                }
            }
        });
    }
}
