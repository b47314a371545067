//! Keys, declared once: `keys!` makes of one line a struct's field, the key in the file, its old names, its type, its
//! default and its documentation.
//!
//! From that line come parsing, defaults, messages, `tailwater describe`, the README's tables and the tests that walk the
//! registries. A default is text, as an operator would write it, and goes through the same parser as theirs: what the table
//! shows could be pasted into the file.
//!
//! ```text
//! keys! {
//!     /// Publishes events to a Kafka topic.
//!     pub struct KafkaSinkConfig = "org.apache.flume.sink.kafka.KafkaSink" {
//!         /// Brokers to ask for the cluster's layout.
//!         "kafka.bootstrap.servers" | "brokerList" => bootstrap_servers: HostPorts,   // required
//!         /// Topic to publish to, unless the event names another.
//!         "kafka.topic" | "topic" => topic: String = "default-flume-topic",
//!         /// Partition for every event; the partitioner chooses when absent.
//!         "defaultPartitionId" => default_partition: Option<u32>,
//!         /// Events in one transaction.
//!         "capacity" => capacity: Count = "100" or default,     // Flume replaces what it cannot read by the default
//!         /// Java producer properties, translated.
//!         "kafka.producer.*" => producer: Section,              // a whole section
//!     }
//! }
//! ```

pub use crate::config::scope::Scope;

/// What is to be known of one key without reading it.
#[derive(Debug)]
pub struct KeySpec {
    /// The key, relative to its component; `prefix.*` stands for everything below `prefix.`.
    pub name: &'static str,
    /// Older names that are still read.
    pub aliases: &'static [&'static str],
    /// What holds when the key is left out, as an operator would write it.
    pub default: Option<&'static str>,
    /// Whether a value that cannot be read is replaced by the default with a warning, because Flume does so.
    pub lenient: bool,
    /// Whether the component cannot do without it.
    pub required: bool,
    /// Whether no message, page or dump may show it.
    pub secret: bool,
    /// Completes "expected …".
    pub expected: &'static str,
    /// What it is for: sentences.
    pub about: &'static str,
}

impl KeySpec {
    /// What comes before the sub-key, if it stands for a whole section: `kafka.producer.` of `kafka.producer.*`.
    #[must_use]
    pub fn section(&self) -> Option<&'static str> {
        self.name.strip_suffix('*')
    }

    /// Whether `key` is this one, by any of its names, or belongs to its section.
    #[must_use]
    pub fn covers(&self, key: &str) -> bool {
        match self.section() {
            Some(prefix) => key.len() > prefix.len() && key.starts_with(prefix),
            None => self.name == key || self.aliases.contains(&key),
        }
    }
}

/// Declares a component's keys: see the module's documentation for the form and what comes of it.
macro_rules! keys {
    (
        $(#[doc = $about:literal])+
        $vis:vis struct $Config:ident = $type_name:literal {
            $(
                $(#[doc = $doc:literal])+
                $name:literal $(| $alias:literal)* => $field:ident: $Value:ty
                    $(= $default:literal $(or $lenient:ident)?)?,
            )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        $vis struct $Config {
            $( $(#[doc = $doc])+ $vis $field: $Value, )*
        }

        impl $Config {
            /// Flume's name for this type.
            #[allow(dead_code, reason = "a nested table has no row in a registry")]
            $vis const TYPE: &'static str = $type_name;
            /// What it does.
            #[allow(dead_code, reason = "a nested table has no row in a registry")]
            $vis const ABOUT: &'static str = concat!($($about),+).trim_ascii();
            /// Its keys, in the order of the documentation.
            $vis const KEYS: &'static [$crate::config::keys::KeySpec] = &[$(
                $crate::config::keys::KeySpec {
                    name: $name,
                    aliases: &[$($alias),*],
                    default: $crate::config::keys::keys!(@default $($default)?),
                    lenient: $crate::config::keys::keys!(@lenient $($($lenient)?)?),
                    required: $crate::config::keys::keys!(@default $($default)?).is_none()
                        && !<$Value as $crate::config::value::Value>::OPTIONAL,
                    secret: <$Value as $crate::config::value::Value>::SECRET,
                    expected: <$Value as $crate::config::value::Value>::EXPECTED,
                    about: concat!($($doc),+).trim_ascii(),
                },
            )*];

            /// Reads every key before giving up on any, so that one run reports every mistake. Opens nothing.
            $vis fn read(scope: &mut $crate::config::scope::Scope<'_>) -> Option<Self> {
                scope.declare(Self::KEYS);
                let mut specs = Self::KEYS.iter();
                $(
                    let $field = specs
                        .next()
                        .and_then(|spec| <$Value as $crate::config::value::Value>::read(scope, spec));
                )*
                debug_assert!(specs.next().is_none(), "a value for each key");
                Some(Self { $( $field: $field?, )* })
            }
        }
    };
    (@default) => { None::<&'static str> };
    (@default $default:literal) => { Some($default) };
    (@lenient) => { false };
    (@lenient default) => { true };
}
pub(crate) use keys;

/// Declares a value that is one of a few words, matched in any case as Flume's enumerations are:
///
/// ```text
/// choice! {
///     /// Which sink comes next.
///     pub enum Order {
///         /// One after the other.
///         RoundRobin = "round_robin",
///         /// Any of them.
///         Random = "random" | "RANDOM_ORDER",
///     }
/// }
/// ```
macro_rules! choice {
    (
        $(#[doc = $about:literal])+
        $vis:vis enum $Choice:ident {
            $(
                $(#[doc = $doc:literal])+
                $Variant:ident = $name:literal $(| $alias:literal)*,
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $Choice { $( $(#[doc = $doc])+ $Variant, )+ }

        impl $Choice {
            /// The words it can be, in the order of the documentation.
            $vis const NAMES: &'static [&'static str] = &[$($name),+];

            /// The word in the file.
            #[must_use]
            #[allow(dead_code, reason = "not every choice is shown again")]
            $vis fn as_str(self) -> &'static str {
                match self { $( Self::$Variant => $name, )+ }
            }
        }

        impl std::fmt::Display for $Choice {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl $crate::config::value::Value for $Choice {
            const EXPECTED: &'static str = {
                const LISTED: &str = concat!("one of ", $("`", $name, "`, "),+);
                LISTED.split_at(LISTED.len() - 2).0
            };

            fn parse(text: &str) -> Result<Self, $crate::config::value::Wrong> {
                $(
                    if [$name $(, $alias)*].iter().any(|name| name.eq_ignore_ascii_case(text)) {
                        return Ok(Self::$Variant);
                    }
                )+
                Err($crate::config::value::Wrong::Expected)
            }

            fn suggest(text: &str) -> Option<&'static str> {
                $crate::config::suggest::closest(text, Self::NAMES.iter().copied())
            }
        }
    };
}
pub(crate) use choice;

#[cfg(test)]
mod tests {
    use crate::config::scope::Scope;
    use crate::config::value::{Count, HostPorts, Names, Secret, Section, Value};

    keys! {
        /// Publishes events
        /// to a topic.
        struct Example = "org.example.Sink" {
            /// Where to.
            "servers" | "brokerList" => servers: HostPorts,
            /// Which topic.
            "topic" => topic: String = "default-topic",
            /// How many.
            "batchSize" => batch_size: Count = "100",
            /// How many fit.
            "capacity" => capacity: Count = "1000" or default,
            /// Which sink.
            "order" => order: Order = "round_robin",
            /// Whether.
            "backoff" => backoff: bool = "false",
            /// What opens it.
            "password" => password: Option<Secret>,
            /// Which.
            "names" => names: Option<Names>,
            /// Passed on.
            "producer.*" => producer: Section,
        }
    }

    choice! {
        /// Which sink comes next.
        enum Order {
            /// In turn.
            RoundRobin = "round_robin",
            /// Any.
            Random = "random" | "any",
        }
    }

    #[test]
    fn one_line_is_field_key_type_default_and_documentation() {
        assert_eq!(Example::TYPE, "org.example.Sink");
        assert_eq!(Example::ABOUT, "Publishes events to a topic.");
        let names: Vec<_> = Example::KEYS.iter().map(|spec| spec.name).collect();
        assert_eq!(names[0], "servers");
        assert!(
            Example::KEYS[0].required && !Example::KEYS[1].required && !Example::KEYS[6].required
        );
        assert!(Example::KEYS[3].lenient && !Example::KEYS[2].lenient && Example::KEYS[6].secret);
        assert_eq!(Order::EXPECTED, "one of `round_robin`, `random`");
        assert_eq!(Order::Random.to_string(), "random");
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let (config, said) = Scope::for_test(&[("servers", "h:9092")], Example::read);
        let config = config.unwrap();
        assert!(said.is_empty(), "{said:?}");
        assert_eq!(config.topic, "default-topic");
        assert_eq!((config.batch_size.get(), config.capacity.get()), (100, 1000));
        assert_eq!((config.order, config.backoff), (Order::RoundRobin, false));
        assert!(config.password.is_none() && config.names.is_none() && config.producer.is_empty());
        assert_eq!(config.servers.to_string(), "h:9092");
    }

    #[test]
    fn one_run_reports_every_mistake() {
        let given = [
            ("batchSize", "1k"),
            ("capacity", "-3"),
            ("order", "randm"),
            ("backoff", "yes"),
            ("topci", "t"),
            ("producer.acks", "all"),
        ];
        let (config, said) = Scope::for_test(&given, Example::read);
        assert!(config.is_none());
        let told: Vec<_> = said.iter().map(|d| (d.code, d.message.as_str())).collect();
        assert_eq!(
            told,
            [
                ("missing-key", "`a1.sinks.k1` has no `servers`"),
                ("wrong-value", "`batchSize` cannot be `1k`"),
                ("replaced-value", "`capacity` cannot be `-3`: `1000` is used instead"),
                ("wrong-value", "`order` cannot be `randm`"),
                ("doubtful-value", "`backoff = yes` is read as `false`"),
                ("unknown-key", "`a1.sinks.k1` has no key `topci`"),
            ]
        );
        assert_eq!(said[3].help.as_deref(), Some("did you mean `random`?"));
        assert_eq!(said[5].help.as_deref(), Some("did you mean `topic`?"));
        assert_eq!(said[1].effect, "`k1` will not start; the rest of `a1` will");
    }

    #[test]
    fn a_misspelt_required_key_is_one_mistake_not_two() {
        let (config, said) = Scope::for_test(&[("server", "h:1")], Example::read);
        assert!(config.is_none());
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(said[0].code, "missing-key");
        assert_eq!(said[0].help.as_deref(), Some("did you mean `servers`?"));
    }

    #[test]
    fn an_old_name_is_read_and_told_and_yields_to_the_new_one() {
        let (config, said) = Scope::for_test(&[("brokerList", "old:1")], Example::read);
        assert_eq!(config.unwrap().servers.to_string(), "old:1");
        assert_eq!(said[0].code, "old-key");
        assert_eq!(said[0].help.as_deref(), Some("write `a1.sinks.k1.servers = old:1`"));

        let both = [("servers", "new:1"), ("brokerList", "old:1")];
        let (config, said) = Scope::for_test(&both, Example::read);
        assert_eq!(config.unwrap().servers.to_string(), "new:1");
        assert_eq!((said.len(), said[0].code), (1, "old-key"));
        assert!(said[0].effect.contains("ignored"), "{}", said[0].effect);
    }

    #[test]
    fn a_secret_is_in_no_message() {
        let (config, said) =
            Scope::for_test(&[("password", "geheim"), ("order", "x")], Example::read);
        assert!(config.is_none());
        assert!(!format!("{said:?}").contains("geheim"));
        let secret = Secret::from("geheim");
        assert_eq!(format!("{secret} {secret:?}"), "****** Secret(******)");
        assert_eq!(secret.reveal(), "geheim");
    }

    #[test]
    fn a_section_is_its_sub_keys() {
        let given = [("servers", "h:1"), ("producer.acks", "all"), ("producer.linger.ms", "5")];
        let (config, said) = Scope::for_test(&given, Example::read);
        assert!(said.is_empty(), "{said:?}");
        let producer = config.unwrap().producer;
        assert_eq!(producer.get("linger.ms"), Some("5"));
        assert_eq!(producer.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["acks", "linger.ms"]);
    }
}
