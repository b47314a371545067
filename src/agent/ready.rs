//! From components of a plan to parts that can be started: read again by their rows, nothing opened.
//!
//! The plan was judged by the same rows, so that reading succeeds; should it not (an answer of an external filter changed in
//! between), the part is not there and that is told like any other mistake.

use crate::channel::StartChannel;
use crate::channel::registry::CHANNELS;
use crate::config::kind::is_called;
use crate::config::scope::{Component, Scope};
use crate::config::surroundings::Surroundings;
use crate::event::ComponentName;
use crate::interceptor::StartInterceptor;
use crate::interceptor::registry::INTERCEPTORS;
use crate::selector::StartSelector;
use crate::selector::registry::SELECTORS;
use crate::sink::StartSink;
use crate::sink::processor::StartProcessor;
use crate::sink::registry::{PROCESSORS, SINKS};
use crate::source::StartSource;
use crate::source::registry::SOURCES;
use std::sync::Arc;

/// A source with what hangs on it.
pub(super) struct ReadySource {
    pub(super) start: Arc<dyn StartSource>,
    pub(super) interceptors: Vec<Box<dyn StartInterceptor>>,
    pub(super) selector: Box<dyn StartSelector>,
    pub(super) channels: Vec<ComponentName>,
    /// The hash of interceptors and selector (R8).
    pub(super) plan: u64,
    /// Whether a restart would send every event where it went before.
    pub(super) repeatable: bool,
}

/// The selector whose choice hangs on headers, which an interceptor may set to another value each time.
const LOOKS_AT_HEADERS: &str = "multiplexing";

/// A channel that can be opened.
pub(super) fn channel(
    component: &Component,
    surroundings: &Surroundings,
) -> Option<Box<dyn StartChannel>> {
    let row = CHANNELS.iter().find(|row| is_called(row.names, &component.type_name))?;
    component.read(surroundings, row.read).value
}

/// A sink that can be started.
pub(super) fn sink(
    component: &Component,
    surroundings: &Surroundings,
) -> Option<Arc<dyn StartSink>> {
    let row = SINKS.iter().find(|row| is_called(row.names, &component.type_name))?;
    component.read(surroundings, row.read).value.map(Arc::from)
}

/// A group's processor that can be started.
pub(super) fn processor(
    component: &Component,
    surroundings: &Surroundings,
) -> Option<Arc<dyn StartProcessor>> {
    let row = PROCESSORS.iter().find(|row| is_called(row.names, &component.type_name))?;
    let sinks: Vec<_> =
        component.connected.iter().map(|name| ComponentName::from(&**name)).collect();
    component.read(surroundings, |scope| (row.read)(scope, &sinks)).value.map(Arc::from)
}

/// A source that can be started.
pub(super) fn source(component: &Component, surroundings: &Surroundings) -> Option<ReadySource> {
    let row = SOURCES.iter().find(|row| is_called(row.names, &component.type_name))?;
    let channels: Vec<_> =
        component.connected.iter().map(|name| ComponentName::from(&**name)).collect();
    let read = component.read(surroundings, |scope| {
        let start = (row.read)(scope)?;
        let interceptors = interceptors(component, scope)?;
        let selector = selector(component, scope, &channels)?;
        Some((start, interceptors, selector))
    });
    let (start, interceptors, selector) = read.value?;
    let by_headers = component.selector_type().eq_ignore_ascii_case(LOOKS_AT_HEADERS)
        || component.selector_type().ends_with(".MultiplexingChannelSelector");
    let repeatable =
        !(by_headers && channels.len() > 1) || interceptors.iter().all(|i| i.repeatable());
    Some(ReadySource {
        start: Arc::from(start),
        interceptors,
        selector,
        plan: plan_hash(component),
        channels,
        repeatable,
    })
}

fn interceptors(
    source: &Component,
    scope: &mut Scope<'_>,
) -> Option<Vec<Box<dyn StartInterceptor>>> {
    let read = |interceptor: crate::config::scope::Interceptor<'_>| {
        let type_name = interceptor.type_name?;
        let row = INTERCEPTORS.iter().find(|row| is_called(row.names, type_name))?;
        (row.read)(&mut scope.nested(&interceptor.prefix))
    };
    source.interceptors().into_iter().map(read).collect()
}

fn selector(
    source: &Component,
    scope: &mut Scope<'_>,
    channels: &[ComponentName],
) -> Option<Box<dyn StartSelector>> {
    let row = SELECTORS.iter().find(|row| is_called(row.names, source.selector_type()))?;
    (row.read)(&mut scope.nested("selector."), channels)
}

/// What decides which events a channel of this source is given, as a number that is the same on every machine: FNV-1a over
/// the sorted settings of interceptors and selector, and the channels.
fn plan_hash(source: &Component) -> u64 {
    let mut settings: Vec<_> = source
        .properties
        .iter()
        .filter(|p| p.key.starts_with("interceptors") || p.key.starts_with("selector."))
        .map(|p| (p.key.as_str(), p.value.as_str()))
        .collect();
    settings.sort_unstable();
    let channels = source.connected.iter().map(|name| ("channel", name.as_str()));
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    for (key, value) in settings.into_iter().chain(channels) {
        for text in [key, value] {
            text.bytes().for_each(&mut add);
            add(0);
        }
    }
    hash
}
