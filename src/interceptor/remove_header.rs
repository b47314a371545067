//! The remove-header interceptor: takes headers away, by name, from a list, or by pattern.

use super::{Interceptor, InterceptorKind, StartInterceptor};
use crate::component::{Context, StartError};
use crate::config::keys::{Scope, keys};
use crate::config::value::Pattern;
use crate::event::{Batch, Headers};
use crate::status::happening::Teller;
use std::collections::BTreeSet;

keys! {
    /// Takes headers away.
    pub struct RemoveHeaderConfig = "org.apache.flume.interceptor.RemoveHeaderInterceptor$Builder" {
        /// A header.
        "withName" => with_name: Option<String>,
        /// Several headers.
        "fromList" => from_list: Option<String>,
        /// What stands between the names in `fromList`: a regular expression.
        "fromListSeparator" => separator: Pattern = "\\s*,\\s*",
        /// A regular expression that headers must match as a whole.
        "matching" => matching: Option<Pattern>,
    }
}

/// The row in the registry.
pub const KIND: InterceptorKind = InterceptorKind {
    names: &[RemoveHeaderConfig::TYPE, "remove_header"],
    about: RemoveHeaderConfig::ABOUT,
    keys: RemoveHeaderConfig::KEYS,
    read,
};

fn read(scope: &mut Scope<'_>) -> Option<Box<dyn StartInterceptor>> {
    let config = RemoveHeaderConfig::read(scope)?;
    let listed = config.from_list.as_deref().map_or_else(Vec::new, |list| {
        // A separator that runs wild on its own list ends the list there.
        let parts = config.separator.regex_for(list).split(list).map_while(Result::ok);
        parts.map(str::to_owned).collect()
    });
    let names = listed.into_iter().chain(config.with_name).collect();
    Some(Box::new(RemoveHeader { names, matching: config.matching }))
}

#[derive(Clone, Debug)]
struct RemoveHeader {
    names: BTreeSet<String>,
    matching: Option<Pattern>,
}

impl StartInterceptor for RemoveHeader {
    fn start(&self, context: &Context) -> Result<Box<dyn Interceptor>, StartError> {
        Ok(Box::new(Running { config: self.clone(), teller: context.teller.clone() }))
    }

    fn repeatable(&self) -> bool {
        true
    }
}

struct Running {
    config: RemoveHeader,
    teller: Teller,
}

impl Running {
    fn removes(&self, name: &str) -> bool {
        if self.config.names.contains(name) {
            return true;
        }
        let Some(matching) = &self.config.matching else { return false };
        matching.is_all_of(name).unwrap_or_else(|error| {
            super::tell_wild(&self.teller, matching, &error, "the header stays");
            false
        })
    }
}

impl Interceptor for Running {
    fn intercept(&mut self, batch: &mut Batch) {
        batch.rewrite_headers(|headers| {
            let kept: Headers = headers
                .iter()
                .filter(|(name, _)| !self.removes(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            (kept.len() < headers.len()).then_some(kept)
        });
    }
}
