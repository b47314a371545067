//! Holds the consumers of one running program. Each supervises its own threads; here they are started, restarted where a
//! reload says so, and stopped.

use super::board::{Board, Shown, Standing};
use super::configuration::Found;
use super::flume_lines;
use super::life::Supervised;
use super::slots::{JOIN_GRACE, Shared, tell_final, tell_left_behind};
use crate::clock::Stop;
use crate::component::StartError;
use crate::config::component::Component;
use crate::config::plan::ConsumerPlan;
use crate::consumer::{Consumer, Plan};
use crate::event::ComponentName;
use crate::status::happening::{Happening, Teller};
use crate::status::snapshot::{PartKind, State};
use std::sync::Arc;

/// The consumers of one running program.
pub(super) struct Consumers {
    shared: Shared,
    board: Arc<Board>,
    teller: Teller,
    slots: Vec<Slot>,
}

/// One consumer, running or not.
struct Slot {
    component: Component,
    plan: Arc<Plan>,
    stop: Stop,
    state: SlotState,
}

enum SlotState {
    NotYet,
    Failed(String),
    Running(Arc<Consumer>),
}

impl Consumers {
    /// Nothing is there yet.
    pub(super) fn new(shared: Shared, board: Arc<Board>) -> Self {
        let teller = shared.telling.of(board.program(), &shared.agent);
        Self { shared, board, teller, slots: Vec::new() }
    }

    fn show(&self) {
        self.board.show(self.slots.iter().map(Slot::shown).collect());
        self.board.look();
    }

    fn stop_slots(&self, slots: &[Slot]) {
        for slot in slots {
            log::info!("Stopping Consumer {}", slot.component.name);
            slot.stop.request();
        }
        for slot in slots {
            let SlotState::Running(consumer) = &slot.state else { continue };
            let name = ComponentName::from(&*slot.component.name);
            if !consumer.wait(self.shared.drain + JOIN_GRACE) {
                tell_left_behind(&self.shared, "consumer", &name);
            }
            tell_final(&self.shared, "CONSUMER", &name);
        }
    }
}

impl Slot {
    fn start(&mut self, shared: &Shared) -> Option<StartError> {
        let name = &self.component.name;
        log::info!("Starting Consumer {name}");
        let mut context = shared.context("consumer", name);
        context.stop = self.stop.clone();
        match Consumer::start(self.plan.clone(), &context) {
            Ok(consumer) => {
                flume_lines::started("CONSUMER", name);
                self.state = SlotState::Running(Arc::new(consumer));
                None
            }
            Err(error) => {
                let happening = Happening::error("consumer-not-started", &*error.what);
                let effect = "it does not run; nothing is lost";
                context.teller.tell(happening.effect(effect).next(&*error.next));
                if error.fatal {
                    self.state = SlotState::Failed(error.what.clone());
                }
                error.fatal.then_some(error)
            }
        }
    }

    fn shown(&self) -> Shown {
        let standing = match &self.state {
            SlotState::NotYet => Standing::Not(State::Starting, String::new()),
            SlotState::Failed(why) => Standing::Not(State::Failed, why.clone()),
            SlotState::Running(consumer) => Standing::Consuming(consumer.clone()),
        };
        Shown {
            kind: PartKind::Consumer,
            name: ComponentName::from(&*self.component.name),
            type_name: format!("→ {}", self.plan.table.name),
            channels: Vec::new(),
            standing,
        }
    }
}

impl Supervised for Consumers {
    type Plan = ConsumerPlan;

    fn pick(found: Found) -> Option<ConsumerPlan> {
        match found {
            Found::Consumers(plan) => Some(plan),
            Found::Agent(_) | Found::Nothing => None,
        }
    }

    fn add(&mut self, plan: &ConsumerPlan) {
        for component in &plan.consumers {
            if self.slots.iter().any(|slot| slot.component.name == component.name) {
                continue;
            }
            log::info!("Creating instance of consumer {}", component.name);
            match component.read(&self.shared.surroundings, Plan::read).value {
                Some(plan) => self.slots.push(Slot {
                    component: component.clone(),
                    plan: Arc::new(plan),
                    stop: Stop::new(),
                    state: SlotState::NotYet,
                }),
                None => self.teller.tell(
                    Happening::error(
                        "changed-answer",
                        format!("{} cannot be read any more", component.path),
                    )
                    .effect("it does not run")
                    .next("see the external filter that it asks; SIGHUP reads it again"),
                ),
            }
        }
        self.show();
    }

    fn materialized(&self) -> String {
        let names: Vec<_> = self
            .slots
            .iter()
            .map(|slot| format!("{}=→ {}", slot.component.name, slot.plan.table.name))
            .collect();
        format!("{{ consumers:{{{}}} }}", names.join(", "))
    }

    fn advance(&mut self) -> Vec<StartError> {
        let mut fatal = Vec::new();
        for slot in self.slots.iter_mut().filter(|slot| matches!(slot.state, SlotState::NotYet)) {
            fatal.extend(slot.start(&self.shared));
        }
        self.show();
        fatal
    }

    /// Starting a consumer waits for nobody: what could fail at once has failed in `advance`.
    fn first_starts(&self) -> Vec<String> {
        Vec::new()
    }

    fn is_alive(&self) -> bool {
        self.slots.iter().any(|slot| !matches!(slot.state, SlotState::Failed(_)))
    }

    /// Nothing is lost or doubled by a stop, so that a consumer that changed is simply started again.
    fn reload(&mut self, running: &ConsumerPlan, plan: &ConsumerPlan) -> bool {
        let is_kept = |slot: &Slot| plan.consumers.iter().any(|new| new.is_same(&slot.component));
        let is_new = |new: &&Component| !running.consumers.iter().any(|old| old.is_same(new));
        let starting: Vec<_> = plan.consumers.iter().filter(is_new).map(|c| &*c.name).collect();
        let stopped: Vec<_> = self.slots.extract_if(.., |slot| !is_kept(slot)).collect();
        let stopping: Vec<_> = stopped.iter().map(|slot| &*slot.component.name).collect();
        if starting.is_empty() && stopping.is_empty() {
            self.teller
                .tell(Happening::info("reload", "the configuration says what it said before"));
            return true;
        }
        let list =
            |names: &[&str]| if names.is_empty() { "nothing".into() } else { names.join(", ") };
        let told = format!("stopping {}; starting {}", list(&stopping), list(&starting));
        self.teller.tell(Happening::info("reload", format!("reloading: {told}")));
        self.stop_slots(&stopped);
        self.add(plan);
        self.teller.tell(Happening::info("reload", format!("reloaded: {told}")));
        true
    }

    fn stop(self) {
        log::info!("Shutting down configuration: {}", self.materialized());
        self.stop_slots(&self.slots);
    }
}
