//! What Flume drops of an agent, step by step in its order: filters, channels, sources, sinks, groups.
//!
//! Each step leaves Flume's error objects and a remark of ours. Flume walks its lists as hash sets, and an object may be
//! told twice when the component after it cannot be made: that is kept, for `plan` must print the same.

use super::flume_types::{Made, Unmakeable, known, make};
use super::remarks::no_answer;
use super::{AgentGraph, Described, Dialect, FlumeError, Kept, KeptAs, Level};
use crate::config::diagnostic::Diagnostic;
use crate::config::filter::Filter;
use crate::config::java::{HashOrder, split_blanks};
use crate::config::kind::Family;
use crate::config::scope::{Component, Property};
use crate::config::span::Span;
use crate::config::surroundings::Surroundings;
use std::collections::{HashMap, HashSet};

/// What was made of an agent.
#[derive(Debug)]
pub struct Validated {
    /// What survived.
    pub graph: AgentGraph,
    /// Flume's error objects.
    pub errors: Vec<FlumeError>,
    /// The exception that would end Flume altogether.
    pub load_error: Option<String>,
}

/// An agent while it is being validated.
pub(super) struct Validator {
    pub(super) agent: Described,
    pub(super) dialect: Dialect,
    pub(super) errors: Vec<FlumeError>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Why Flume ends here, if it does.
    pub(super) load_error: Option<String>,
    /// Components without a list, whose names a remark has guessed already.
    pub(super) guessed: Vec<(&'static str, String)>,
    /// How often a name was guessed at.
    pub(super) guesses: usize,
}

/// The component is dropped, and that has been told.
pub(super) struct Dropped;

/// Drops what Flume drops. External filters are run only if `run_external`.
#[must_use]
pub fn validate(
    mut agent: Described,
    dialect: Dialect,
    surroundings: &Surroundings,
    run_external: bool,
) -> Validated {
    let diagnostics = std::mem::take(&mut agent.diagnostics);
    let place = agent.place;
    let mut validator = Validator {
        agent,
        dialect,
        errors: Vec::new(),
        diagnostics,
        load_error: None,
        guessed: Vec::new(),
        guesses: 0,
    };
    let filters = validator.filters(surroundings, run_external);
    let mut graph = if dialect == Dialect::Tailwater && validator.agent.is_consumer() {
        validator.consumers()
    } else {
        validator.parts()
    };
    graph.filters = filters;
    graph.place = place;
    graph.diagnostics = validator.diagnostics;
    Validated { graph, errors: validator.errors, load_error: validator.load_error }
}

impl Validator {
    /// Channels, then what hangs on them.
    fn parts(&mut self) -> AgentGraph {
        let mut graph = AgentGraph::default();
        if !self.agent.lists.contains_key("channels") {
            self.error("channels", "PROPERTY_VALUE_NULL", Level::Error);
            self.without_channels();
            return graph;
        }
        graph.channels = self.channels();
        if graph.channels.is_empty() {
            self.error("channels", "PROPERTY_VALUE_NULL", Level::Error);
            self.unless_told(self.list_place("channels"), "has no channel left");
            return graph;
        }
        let channels: Vec<&str> =
            graph.channels.iter().map(|channel| channel.name.as_str()).collect();
        graph.sources = self.sources(&channels);
        graph.sinks = self.sinks(&channels);
        let sinks: Vec<&str> = graph.sinks.iter().map(|sink| sink.name.as_str()).collect();
        graph.groups = self.groups(&sinks);
        if graph.sources.is_empty() && graph.sinks.is_empty() {
            self.error("sources", "PROPERTY_VALUE_NULL", Level::Error);
            self.error("sinks", "PROPERTY_VALUE_NULL", Level::Error);
            self.unless_told(self.agent.place, "has neither a source nor a sink left");
            return graph;
        }
        self.unlisted();
        graph.valid = true;
        graph
    }

    /// Makes the config filters and lets them through all properties.
    fn filters(&mut self, surroundings: &Surroundings, run_external: bool) -> Vec<Kept> {
        let kept = self.listed("configfilters", Family::ConfigFilter, |_, kept| Ok(kept));
        let mut filters = Vec::new();
        let names: HashOrder<&str> =
            HashOrder::of_list(kept.iter().map(|f| f.name.as_str()).collect());
        for filter in names.into_keys().filter_map(|name| kept.iter().find(|f| f.name == name)) {
            let component = self.filter_component(filter);
            let (made, said) = Filter::create(&component, surroundings);
            self.diagnostics.extend(said);
            match made {
                Ok(made) => filters.push(made),
                Err(no) => self.no_filter(&component, &no),
            }
        }
        let agent = self.agent.name.clone();
        for (word, components) in &mut self.agent.components {
            if *word == "configfilters" {
                continue;
            }
            for (name, properties) in components {
                for filter in &filters {
                    let said = filter.apply(properties, surroundings, run_external);
                    let path = format!("{agent}.{word}.{name}");
                    let remarks = said.iter().filter_map(|said| no_answer(said, &path, properties));
                    self.diagnostics.extend(remarks);
                }
            }
        }
        kept
    }

    fn filter_component(&self, filter: &Kept) -> Component {
        Component {
            family: Family::ConfigFilter,
            agent: self.agent.name.clone(),
            name: filter.name.clone(),
            path: format!("{}.configfilters.{}", self.agent.name, filter.name),
            type_name: filter.type_name.clone(),
            connected: Vec::new(),
            place: filter.place,
            properties: filter.properties.clone(),
        }
    }

    fn channels(&mut self) -> Vec<Kept> {
        self.listed("channels", Family::Channel, |_, kept| Ok(kept))
    }

    fn consumers(&mut self) -> AgentGraph {
        let consumers = self.listed_as_they_are("consumers");
        let mut graph = AgentGraph { consumers, ..AgentGraph::default() };
        for word in ["sources", "channels", "sinks", "sinkgroups"] {
            if let Some(list) = self.agent.lists.get(word) {
                let message = format!("`{}` has consumers and `{word}`", self.agent.name);
                self.diagnostics.push(
                    Diagnostic::error("mixed-program", list.span, message, "the list is ignored")
                        .expected("a program is an agent or a consumer")
                        .help("give the agent another name"),
                );
            }
        }
        if graph.consumers.is_empty() {
            self.unless_told(self.list_place("consumers"), "has no consumer left");
        } else {
            graph.valid = true;
            self.unlisted();
        }
        graph
    }

    /// The components of a list that Flume would keep, in the order of the list. `finish` judges what its kind alone has.
    pub(super) fn listed(
        &mut self,
        word: &'static str,
        family: Family,
        mut finish: impl FnMut(&mut Finishing<'_>, Kept) -> Result<Kept, Dropped>,
    ) -> Vec<Kept> {
        let Some(list) = self.agent.lists.get(word).cloned() else { return Vec::new() };
        let written = split_blanks(&list.value);
        let mut kept = Vec::new();
        // Flume tells the errors of the component before once more when one cannot be made at all.
        let mut before: Vec<FlumeError> = Vec::new();
        for name in HashOrder::of_list(written.clone()).into_keys() {
            let Some(properties) = self.agent.component(word, name).cloned() else {
                self.error(name, "CONFIG_ERROR", Level::Error);
                self.without_properties(word, family, name);
                continue;
            };
            let Ok(component) = self.make(word, family, name, properties, &mut before) else {
                continue;
            };
            let mut finishing = Finishing { validator: self, own: &mut before };
            if let Ok(component) = finish(&mut finishing, component) {
                kept.push(component);
            }
        }
        in_order(&written, &mut kept, |kept| &kept.name);
        kept
    }

    /// The components of a list that Flume knows nothing of.
    fn listed_as_they_are(&mut self, word: &'static str) -> Vec<Kept> {
        let Some(list) = self.agent.lists.get(word).cloned() else { return Vec::new() };
        let mut kept: Vec<Kept> = Vec::new();
        let mut seen = HashSet::new();
        for name in split_blanks(&list.value) {
            if !seen.insert(name) {
                continue;
            }
            match self.agent.component(word, name).cloned() {
                Some(properties) => kept.push(Kept {
                    name: name.to_owned(),
                    type_name: "consumer".to_owned(),
                    kept_as: KeptAs::Context,
                    channels: Vec::new(),
                    place: self.list_place_of(word, name),
                    properties,
                }),
                None => self.without_properties(word, Family::Consumer, name),
            }
        }
        kept
    }

    /// What Flume makes of a component's type (or its `config` property) before it looks any further.
    fn make(
        &mut self,
        word: &'static str,
        family: Family,
        name: &str,
        properties: Vec<Property>,
        last: &mut Vec<FlumeError>,
    ) -> Result<Kept, Dropped> {
        let find = |key: &str| properties.iter().find(|property| property.key == key);
        let type_property = find("type");
        let type_name = type_property.map(|property| property.value.as_str());
        let config = find("config").filter(|config| !config.value.is_empty());
        let (settings, given) = match (known(family, type_name), config) {
            (Some(alias), _) => (alias, true),
            (None, Some(config)) => (config.value.as_str(), true),
            (None, None) => ("OTHER", false),
        };
        let made = match make(family, name, settings) {
            Ok(made) => made,
            Err(why) => {
                self.errors.extend(last.iter().cloned());
                if why == Unmakeable::Fatal {
                    self.load_error = Some("java.lang.ClassCastException".to_owned());
                }
                self.wrong_config(
                    word,
                    family,
                    name,
                    config.map_or_else(Span::default, |c| c.value_span),
                );
                return Err(Dropped);
            }
        };
        last.clear();
        let Some(type_name) = type_name.filter(|text| !text.is_empty()) else {
            let own_name = match &made {
                Made::Object(class) => class.as_str(),
                Made::Properties => name,
            };
            let error = FlumeError {
                component: own_name.to_owned(),
                key: "type".to_owned(),
                error: "ATTRS_MISSING",
                level: Level::Error,
            };
            last.push(error.clone());
            self.errors.push(error);
            self.missing_key(word, family, name, &properties, "type");
            return Err(Dropped);
        };
        let kept_as = match made {
            Made::Object(component_name) if given => {
                KeptAs::Object { component_name, selector: None }
            }
            _ => KeptAs::Context,
        };
        let place = type_property.map_or_else(Span::default, |property| property.value_span);
        let (name, type_name) = (name.to_owned(), type_name.to_owned());
        Ok(Kept { name, type_name, kept_as, channels: Vec::new(), place, properties })
    }

    /// Notes one of Flume's error objects about the agent.
    pub(super) fn error(&mut self, key: &str, error: &'static str, level: Level) {
        let (component, key) = (self.agent.name.clone(), key.to_owned());
        self.errors.push(FlumeError { component, key, error, level });
    }

    /// Where a list's value stands.
    pub(super) fn list_place(&self, word: &str) -> Span {
        self.agent.lists.get(word).map_or(self.agent.place, |list| list.span)
    }

    /// Where a name stands in a list.
    pub(super) fn list_place_of(&self, word: &str, name: &str) -> Span {
        self.agent.lists.get(word).map_or(self.agent.place, |list| list.place_of(name))
    }
}

/// Puts what was kept back into the order in which it was written.
pub(super) fn in_order<T>(written: &[&str], kept: &mut [T], name: impl Fn(&T) -> &str) {
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (place, name) in written.iter().enumerate() {
        places.entry(name).or_insert(place);
    }
    kept.sort_by_key(|kept| places.get(name(kept)).copied());
}

/// What the step of one kind may do to a component that is otherwise right.
pub(super) struct Finishing<'a> {
    pub(super) validator: &'a mut Validator,
    /// The errors of this component alone.
    own: &'a mut Vec<FlumeError>,
}

impl Finishing<'_> {
    /// Notes one of Flume's error objects about the component, under the name its object believes in.
    pub(super) fn error(&mut self, kept: &Kept, key: &str, error: &'static str) {
        let component = match &kept.kept_as {
            KeptAs::Object { component_name, .. } => component_name.clone(),
            KeptAs::Context => kept.name.clone(),
        };
        let key = key.to_owned();
        let error = FlumeError { component, key, error, level: Level::Error };
        self.own.push(error.clone());
        self.validator.errors.push(error);
    }
}
