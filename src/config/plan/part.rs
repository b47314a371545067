//! Reading one component by its own table, to judge it: nothing is kept of what was read but the judgement.

use crate::config::diagnostic::Diagnostic;
use crate::config::instead;
use crate::config::java::split_blanks;
use crate::config::kind::{Family, Judgement, Kind, Kinds};
use crate::config::scope::{Component, Scope};
use crate::config::span::Span;
use crate::config::suggest::closest;
use crate::config::surroundings::Surroundings;

/// The judging of one name.
pub(super) struct Judging<'a> {
    pub(super) agent: &'a str,
    pub(super) kinds: &'a Kinds,
    pub(super) surroundings: &'a Surroundings,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Where values stand that must not be shown.
    pub(super) secrets: Vec<Span>,
}

impl Judging<'_> {
    /// Reads a component's keys; `None` if it would not start, which has been told.
    pub(super) fn part(&mut self, component: &Component) -> Option<Judgement> {
        let Some(kind) = self.kinds.find(component.family, &component.type_name) else {
            let (family, type_name) = (component.family, &component.type_name);
            let remark = instead::told(component, family, type_name, component.place, self.kinds);
            self.diagnostics.push(remark);
            return None;
        };
        let kinds = self.kinds;
        let read = component.read(self.surroundings, |scope| {
            common_keys(scope);
            let own = kind.judge(scope);
            let hung = match component.family {
                Family::Source => source_parts(component, scope, kinds),
                _ => true,
            };
            own.filter(|_| hung)
        });
        let errors = read.diagnostics.iter().any(Diagnostic::is_error);
        self.diagnostics.extend(read.diagnostics);
        self.secrets.extend(read.secrets);
        // A value that is not known yet may still turn out right.
        if read.value.is_none() && read.pending && !errors {
            return Some(Judgement::default());
        }
        read.value
    }

    /// Tells of an agent that has nothing but a slip in its name.
    pub(super) fn guess_the_agent<'n>(&mut self, others: impl Iterator<Item = &'n str>) {
        let Some(guess) = closest(self.agent, others) else { return };
        for remark in self.diagnostics.iter_mut().filter(|remark| remark.code == "no-channels") {
            remark.help = Some(format!("did you mean `{guess}`?"));
        }
    }
}

/// The keys that validation has read for every component of a family.
fn common_keys(scope: &mut Scope<'_>) {
    let keys: &[&str] = match scope.family() {
        Family::Source => &["type", "channels", "interceptors", "selector.type"],
        Family::Sink => &["type", "channel"],
        _ => &["type"],
    };
    for key in keys {
        let _read: Option<_> = scope.text(key);
    }
}

/// A source's interceptors and its selector: they go with it.
fn source_parts(source: &Component, scope: &mut Scope<'_>, kinds: &Kinds) -> bool {
    let mut right = true;
    for interceptor in source.interceptors() {
        let mut nested = scope.nested(&interceptor.prefix);
        let Some(found) = nested.text("type") else {
            let (span, message) = (source.property("interceptors"), nested.path());
            let span = span.map_or(source.place, |property| property.value_span);
            let remark = scope.error("missing-key", span, format!("`{message}` has no `type`"));
            scope.report(remark.expected(format!("needs `{}type`", interceptor.prefix)));
            right = false;
            continue;
        };
        right &= judge_nested(
            source,
            Family::Interceptor,
            found.value,
            found.value_span,
            &mut nested,
            kinds,
        );
    }
    skip_unlisted(source, scope);
    let type_span = source.property("selector.type").map_or(source.place, |p| p.value_span);
    let mut nested = scope.nested("selector.");
    right &= judge_nested(
        source,
        Family::Selector,
        source.selector_type(),
        type_span,
        &mut nested,
        kinds,
    );
    right
}

/// Reads what hangs on a source by its own table.
fn judge_nested(
    source: &Component,
    family: Family,
    type_name: &str,
    span: Span,
    scope: &mut Scope<'_>,
    kinds: &Kinds,
) -> bool {
    let found: Option<&dyn Kind> = kinds.find(family, type_name);
    if let Some(kind) = found {
        return kind.judge(scope).is_some();
    }
    let named = Component { path: scope.path(), ..source.clone() };
    scope.report(instead::told(&named, family, type_name, span, kinds));
    false
}

/// Settings of interceptors that are not listed: told once for each, and not as unknown keys.
fn skip_unlisted(source: &Component, scope: &mut Scope<'_>) {
    let listed: Vec<&str> = source.get("interceptors").map_or_else(Vec::new, split_blanks);
    let mut told: Vec<&str> = Vec::new();
    for property in &source.properties {
        let Some(rest) = property.key.strip_prefix("interceptors.") else { continue };
        let name = rest.split('.').next().unwrap_or(rest);
        if listed.contains(&name) {
            continue;
        }
        let _skipped = scope.text(&property.key);
        if told.contains(&name) {
            continue;
        }
        told.push(name);
        let remark = Diagnostic::warning(
            "not-listed",
            property.key_span,
            format!("`{}.interceptors.{name}` is not in `{0}.interceptors`", source.path),
            format!("`{name}` does nothing, as in Flume"),
        );
        scope.report(remark.expected("a property of an interceptor that is not listed"));
    }
}
