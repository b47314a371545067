//! Every kind of channel there is. The order of the rows is the order of the documentation.

use super::ChannelKind;
use super::file::FileChannelConfig;
use super::memory::MemoryChannelConfig;
use crate::config::keys::{KeySpec, Scope};
use crate::config::kind::{Family, Judgement, Kind};

/// The kinds of channel.
pub static CHANNELS: &[ChannelKind] = &[FILE, MEMORY];

const FILE: ChannelKind = ChannelKind {
    names: &[FileChannelConfig::TYPE, "file"],
    about: FileChannelConfig::ABOUT,
    keys: FileChannelConfig::KEYS,
    read: FileChannelConfig::start_channel,
};

const MEMORY: ChannelKind = ChannelKind {
    names: &[MemoryChannelConfig::TYPE, "memory"],
    about: MemoryChannelConfig::ABOUT,
    keys: MemoryChannelConfig::KEYS,
    read: MemoryChannelConfig::start_channel,
};

impl Kind for ChannelKind {
    fn family(&self) -> Family {
        Family::Channel
    }

    fn names(&self) -> &'static [&'static str] {
        self.names
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn keys(&self) -> &'static [KeySpec] {
        self.keys
    }

    fn judge(&self, scope: &mut Scope<'_>) -> Option<Judgement> {
        let start = (self.read)(scope)?;
        Some(Judgement { transaction_events: start.transaction_capacity() })
    }
}
