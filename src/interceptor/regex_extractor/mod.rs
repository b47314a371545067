//! The regex extractor: puts what the groups of a pattern match in the body into headers.
//!
//! Two differences from Flume, where a mistake in one line stops a whole source: a group that took no part gives no header
//! (there it is a header without a value), and a time that cannot be read gives none either, and is told.

mod joda;

use super::{Interceptor, InterceptorKind, StartInterceptor};
use crate::clock::Clock;
use crate::component::{Context, StartError};
use crate::config::keys::{Scope, keys};
use crate::config::value::{Names, Pattern};
use crate::event::{Batch, Event, Headers, Rewrite};
use crate::status::happening::{Happening, Teller};
use joda::TimePattern;
use std::borrow::Cow;
use std::sync::Arc;

keys! {
    /// Puts what the groups of a regular expression match in the body into headers. Each serializer has keys of its own:
    /// `serializers.<s>.name`, `serializers.<s>.type`, `serializers.<s>.pattern`.
    pub struct RegexExtractorConfig = "org.apache.flume.interceptor.RegexExtractorInterceptor$Builder" {
        /// The regular expression.
        "regex" => regex: Pattern,
        /// One name for each group, in their order.
        "serializers" => serializers: Names,
    }
}

keys! {
    /// Writes what a group matched into a header.
    struct SerializerConfig = "org.apache.flume.interceptor.RegexExtractorInterceptorPassThroughSerializer" {
        /// The header.
        "name" => name: String,
        /// As it is, or as milliseconds since 1970.
        "type" => kind: SerializerType = "default",
    }
}

keys! {
    /// Reads what a group matched as a time and writes it as milliseconds since 1970.
    struct MillisConfig = "org.apache.flume.interceptor.RegexExtractorInterceptorMillisSerializer" {
        /// The time's pattern, as Joda-Time's: `yyyy-MM-dd HH:mm:ss`.
        "pattern" => pattern: TimePattern,
    }
}

crate::config::keys::choice! {
    /// What is written.
    enum SerializerType {
        /// What the group matched.
        PassThrough = "default" | "org.apache.flume.interceptor.RegexExtractorInterceptorPassThroughSerializer",
        /// The time that it stands for.
        Millis = "org.apache.flume.interceptor.RegexExtractorInterceptorMillisSerializer",
    }
}

/// The row in the registry.
pub const KIND: InterceptorKind = InterceptorKind {
    names: &[RegexExtractorConfig::TYPE, "regex_extractor"],
    about: RegexExtractorConfig::ABOUT,
    keys: RegexExtractorConfig::KEYS,
    read,
};

fn read(scope: &mut Scope<'_>) -> Option<Box<dyn StartInterceptor>> {
    let config = RegexExtractorConfig::read(scope)?;
    if config.serializers.is_empty() {
        let message = format!("`{}` has no serializers", scope.path());
        let remark = scope.error("missing-key", scope.value_span("serializers"), message);
        scope.report(remark.expected("expected a name for each group"));
        return None;
    }
    let mut headers = Vec::new();
    for name in config.serializers.iter() {
        headers.push(read_serializer(&mut scope.nested(&format!("serializers.{name}."))));
    }
    let headers = headers.into_iter().collect::<Option<Vec<_>>>()?;
    Some(Box::new(RegexExtractor { regex: config.regex, headers }))
}

fn read_serializer(scope: &mut Scope<'_>) -> Option<Header> {
    let config = SerializerConfig::read(scope);
    let is_millis = config.as_ref().is_some_and(|config| config.kind == SerializerType::Millis);
    let time = if is_millis { Some(MillisConfig::read(scope)?.pattern) } else { None };
    Some(Header { name: config?.name, time })
}

#[derive(Clone, Debug)]
struct RegexExtractor {
    regex: Pattern,
    /// One for each group, from the first on.
    headers: Vec<Header>,
}

/// A header that a group is written into.
#[derive(Clone, Debug)]
struct Header {
    name: String,
    /// How to read what it matched as a time.
    time: Option<TimePattern>,
}

impl StartInterceptor for RegexExtractor {
    fn start(&self, context: &Context) -> Result<Box<dyn Interceptor>, StartError> {
        let (clock, teller) = (context.clock.clone(), context.teller.clone());
        Ok(Box::new(Running { config: self.clone(), clock, teller }))
    }

    fn repeatable(&self) -> bool {
        true
    }
}

struct Running {
    config: RegexExtractor,
    clock: Arc<dyn Clock>,
    teller: Teller,
}

impl Running {
    /// The headers of an event with those of the groups; `None` if the pattern is not found.
    fn extracted(&self, event: Event<'_>) -> Option<Headers> {
        let body: &str = &String::from_utf8_lossy(event.body);
        let regex = &self.config.regex;
        let captures = regex.regex_for(body).captures(body).unwrap_or_else(|error| {
            super::tell_wild(&self.teller, regex, &error, "the event goes on without the headers");
            None
        })?;
        let mut headers = Headers::clone(event.headers);
        for (index, header) in self.config.headers.iter().enumerate() {
            let Some(found) = captures.get(index + 1) else { continue };
            if let Some(value) = self.value(header, found.as_str()) {
                headers.insert(header.name.clone(), value.into_owned());
            }
        }
        Some(headers)
    }

    fn value<'t>(&self, header: &Header, text: &'t str) -> Option<Cow<'t, str>> {
        let Some(time) = &header.time else { return Some(Cow::Borrowed(text)) };
        let millis = time.millis(text, self.clock.wall_ms());
        if millis.is_none() {
            let what = format!("`{text}` is no time of the pattern `{time}`");
            let effect = format!("the event goes on without the header `{}`", header.name);
            let next = "`serializers.<s>.pattern` is to fit what the group matches";
            let happening = Happening::warning("unread-time", what);
            self.teller.tell(happening.effect(effect).next(next));
        }
        millis.map(|millis| Cow::Owned(millis.to_string()))
    }
}

impl Interceptor for Running {
    fn intercept(&mut self, batch: &mut Batch) {
        batch.rewrite(|event| {
            self.extracted(event)
                .map_or(Rewrite::Keep, |headers| Rewrite::Headers(Arc::new(headers)))
        });
    }
}
