//! What Flume asks of a sink group: sinks that are there and in no other group, and a processor it can make.

use super::flume_types::{known, make};
use super::validate::{Validator, in_order};
use super::{Dialect, KeptGroup, Level};
use crate::config::diagnostic::Diagnostic;
use crate::config::java::{HashOrder, split_blanks, split_single};
use crate::config::kind::Family;
use crate::config::scope::Property;
use crate::config::span::Span;
use std::collections::BTreeMap;

impl Validator {
    /// The groups that survive. Which of two gets a sink that both want is decided by Java's order of their names.
    pub(super) fn groups(&mut self, sinks: &[&str]) -> Vec<KeptGroup> {
        let Some(list) = self.agent.lists.get("sinkgroups").cloned() else { return Vec::new() };
        let written = split_single(&list.value);
        let mut used: BTreeMap<String, String> = BTreeMap::new();
        let mut order = HashOrder::default();
        for name in &written {
            order.insert(*name);
        }
        let mut kept = Vec::new();
        for name in order.into_keys() {
            let Some(properties) = self.agent.component("sinkgroups", name).cloned() else {
                self.error(name, "CONFIG_ERROR", Level::Error);
                self.without_properties("sinkgroups", Family::Processor, name);
                continue;
            };
            kept.extend(self.group(name, &properties, sinks, &mut used));
        }
        in_order(&written, &mut kept, |group: &KeptGroup| &group.name);
        kept
    }

    fn group(
        &mut self,
        name: &str,
        properties: &[Property],
        sinks: &[&str],
        used: &mut BTreeMap<String, String>,
    ) -> Option<KeptGroup> {
        let Some(wanted) = properties.iter().find(|property| property.key == "sinks") else {
            self.group_without_sinks(name, properties);
            return None;
        };
        let processor: Vec<Property> = properties.iter().filter_map(below_processor).collect();
        let type_property = processor.iter().find(|property| property.key == "type");
        let alias = known(Family::Processor, type_property.map(|property| property.value.as_str()));
        if alias.is_some_and(|alias| make(Family::Processor, name, alias).is_err()) {
            self.error(name, "CONFIG_ERROR", Level::Error);
            self.processor_other(name, type_property.map_or(wanted.value_span, |p| p.value_span));
            return None;
        }
        let members = self.members(name, wanted, sinks, used);
        if members.is_empty() {
            self.error(name, "CONFIG_ERROR", Level::Error);
            self.error(name, "CONFIG_ERROR", Level::Error);
            return None;
        }
        Some(KeptGroup {
            name: name.to_owned(),
            sinks: members,
            place: type_property.map_or(wanted.value_span, |property| property.value_span),
            processor_known: alias.is_some(),
            processor,
        })
    }

    /// The sinks a group gets of those it wants.
    fn members(
        &mut self,
        group: &str,
        wanted: &Property,
        sinks: &[&str],
        used: &mut BTreeMap<String, String>,
    ) -> Vec<String> {
        let mut members = Vec::new();
        for sink in HashOrder::of_list(split_blanks(&wanted.value)).into_keys() {
            if let Some(other) = used.get(sink) {
                let why = format!("which is in group `{other}`");
                self.error(group, "PROPERTY_PART_OF_ANOTHER_GROUP", Level::Error);
                self.not_a_member(group, sink, wanted.value_span, &why);
            } else if sinks.contains(&sink) {
                used.insert(sink.to_owned(), group.to_owned());
                members.push(sink.to_owned());
            } else {
                self.error(sink, "INVALID_PROPERTY", Level::Error);
                // Why a listed sink was dropped has been told.
                let listed = self.agent.lists.get("sinks");
                if !listed.is_some_and(|list| split_blanks(&list.value).contains(&sink)) {
                    self.not_a_member(group, sink, wanted.value_span, "which is no sink here");
                }
            }
        }
        members
    }

    fn not_a_member(&mut self, group: &str, sink: &str, span: Span, why: &str) {
        let agent = &self.agent.name;
        let remark = Diagnostic::error(
            "no-sink",
            span,
            format!("`{agent}.sinkgroups.{group}` names `{sink}`, {why}"),
            format!("`{group}` starts without it, if anything is left of it"),
        );
        self.diagnostics.push(remark.expected("expected sinks that are in no other group"));
    }

    /// Flume's null pointer: it takes the whole file with it, and here this agent.
    fn group_without_sinks(&mut self, name: &str, properties: &[Property]) {
        if self.dialect == Dialect::Flume111 {
            self.load_error = Some("java.lang.NullPointerException".to_owned());
        }
        let agent = self.agent.name.clone();
        self.missing_key("sinkgroups", Family::Processor, name, properties, "sinks");
        if let Some(remark) = self.diagnostics.pop() {
            let effect = format!("nothing of `{agent}` starts: Flume ends on it");
            self.diagnostics.push(Diagnostic { effect, ..remark }.fatal());
        }
    }

    /// Flume's placeholder `other` as a processor: the group goes, its sinks run each by itself.
    fn processor_other(&mut self, name: &str, span: Span) {
        let agent = &self.agent.name;
        let remark = Diagnostic::error(
            "wrong-value",
            span,
            format!("the processor of `{agent}.sinkgroups.{name}` cannot be `other`"),
            "the group is left out; its sinks run each by itself, as in Flume",
        );
        self.diagnostics.push(remark.expected("expected `default`, `failover` or `load_balance`"));
    }
}

/// A property of the group's processor, its key relative to it.
fn below_processor(property: &Property) -> Option<Property> {
    let key = property.key.strip_prefix("processor.")?;
    let skip = property.key.len() - key.len();
    let whole = property.key_span;
    let key_span = if whole.len() == property.key.len() { whole.after(skip) } else { whole };
    Some(Property { key: key.to_owned(), key_span, ..property.clone() })
}
