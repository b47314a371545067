//! What Flume 1.11 calls its own: short names and the classes they stand for, and the few classes of its configuration that
//! a `config` property may name.
//!
//! Facts about Flume, not about what can be had here: that is the registries' to say.

use crate::config::java::equals_ignore_case;
use crate::config::kind::Family;

/// A short name in upper case, as Flume's enumerations have it, and its class. `OTHER` has none.
type Alias = (&'static str, &'static str);

const SOURCES: &[Alias] = &[
    ("OTHER", ""),
    ("SEQ", "org.apache.flume.source.SequenceGeneratorSource"),
    ("NETCAT", "org.apache.flume.source.NetcatSource"),
    ("EXEC", "org.apache.flume.source.ExecSource"),
    ("AVRO", "org.apache.flume.source.AvroSource"),
    ("SYSLOGTCP", "org.apache.flume.source.SyslogTcpSource"),
    ("MULTIPORT_SYSLOGTCP", "org.apache.flume.source.MultiportSyslogTCPSource"),
    ("SYSLOGUDP", "org.apache.flume.source.SyslogUDPSource"),
    ("SPOOLDIR", "org.apache.flume.source.SpoolDirectorySource"),
    ("HTTP", "org.apache.flume.source.http.HTTPSource"),
    ("THRIFT", "org.apache.flume.source.ThriftSource"),
    ("JMS", "org.apache.flume.source.jms.JMSSource"),
    ("TAILDIR", "org.apache.flume.source.taildir.TaildirSource"),
    ("NETCATUDP", "org.apache.flume.source.NetcatUdpSource"),
];

const CHANNELS: &[Alias] = &[
    ("OTHER", ""),
    ("FILE", "org.apache.flume.channel.file.FileChannel"),
    ("MEMORY", "org.apache.flume.channel.MemoryChannel"),
    ("JDBC", "org.apache.flume.channel.jdbc.JdbcChannel"),
    ("SPILLABLEMEMORY", "org.apache.flume.channel.SpillableMemoryChannel"),
];

const SINKS: &[Alias] = &[
    ("OTHER", ""),
    ("NULL", "org.apache.flume.sink.NullSink"),
    ("LOGGER", "org.apache.flume.sink.LoggerSink"),
    ("FILE_ROLL", "org.apache.flume.sink.RollingFileSink"),
    ("HDFS", "org.apache.flume.sink.hdfs.HDFSEventSink"),
    ("IRC", "org.apache.flume.sink.irc.IRCSink"),
    ("AVRO", "org.apache.flume.sink.AvroSink"),
    ("THRIFT", "org.apache.flume.sink.ThriftSink"),
    ("ELASTICSEARCH", "org.apache.flume.sink.elasticsearch.ElasticSearchSink"),
    ("HBASE", "org.apache.flume.sink.hbase.HBaseSink"),
    ("ASYNCHBASE", "org.apache.flume.sink.hbase.AsyncHBaseSink"),
    ("HBASE2", "org.apache.flume.sink.hbase2.HBase2Sink"),
    ("MORPHLINE_SOLR", "org.apache.flume.sink.solr.morphline.MorphlineSolrSink"),
    ("HIVE", "org.apache.flume.sink.hive.HiveSink"),
    ("HTTP", "org.apache.flume.sink.http.HttpSink"),
];

const CONFIG_FILTERS: &[Alias] = &[
    ("OTHER", ""),
    ("ENV", "org.apache.flume.configfilter.EnvironmentVariableConfigFilter"),
    ("HADOOP", "org.apache.flume.configfilter.HadoopCredentialStoreConfigFilter"),
    ("EXTERNAL", "org.apache.flume.configfilter.ExternalProcessConfigFilter"),
];

const SELECTORS: &[Alias] = &[
    ("OTHER", ""),
    ("REPLICATING", "org.apache.flume.channel.ReplicatingChannelSelector"),
    ("LOAD_BALANCING", "org.apache.flume.channel.LoadBalancingChannelSelector"),
    ("MULTIPLEXING", "org.apache.flume.channel.MultiplexingChannelSelector"),
];

const PROCESSORS: &[Alias] = &[
    ("OTHER", ""),
    ("FAILOVER", "org.apache.flume.sink.FailoverSinkProcessor"),
    ("DEFAULT", "org.apache.flume.sink.DefaultSinkProcessor"),
    ("LOAD_BALANCE", "org.apache.flume.sink.LoadBalancingSinkProcessor"),
];

const INTERCEPTORS: &[Alias] = &[
    ("TIMESTAMP", "org.apache.flume.interceptor.TimestampInterceptor$Builder"),
    ("HOST", "org.apache.flume.interceptor.HostInterceptor$Builder"),
    ("STATIC", "org.apache.flume.interceptor.StaticInterceptor$Builder"),
    ("REGEX_FILTER", "org.apache.flume.interceptor.RegexFilteringInterceptor$Builder"),
    ("REGEX_EXTRACTOR", "org.apache.flume.interceptor.RegexExtractorInterceptor$Builder"),
    ("SEARCH_REPLACE", "org.apache.flume.interceptor.SearchAndReplaceInterceptor$Builder"),
    ("REMOVE_HEADER", "org.apache.flume.interceptor.RemoveHeaderInterceptor$Builder"),
];

/// Classes of Flume's that have no short name.
const BY_CLASS_ONLY: &[(Family, &str)] = &[
    (Family::Source, "org.apache.flume.source.StressSource"),
    (Family::Source, "org.apache.flume.source.kafka.KafkaSource"),
    (Family::Source, "org.apache.flume.source.twitter.TwitterSource"),
    (Family::Source, "org.apache.flume.source.scribe.ScribeSource"),
    (Family::Source, "org.apache.flume.source.avroLegacy.AvroLegacySource"),
    (Family::Source, "org.apache.flume.source.thriftLegacy.ThriftLegacySource"),
    (Family::Channel, "org.apache.flume.channel.kafka.KafkaChannel"),
    (Family::Channel, "org.apache.flume.channel.PseudoTxnMemoryChannel"),
    (Family::Sink, "org.apache.flume.sink.kafka.KafkaSink"),
    (Family::Sink, "org.apache.flume.sink.kudu.KuduSink"),
    (Family::Interceptor, "org.apache.flume.sink.solr.morphline.UUIDInterceptor$Builder"),
    (Family::Interceptor, "org.apache.flume.sink.solr.morphline.MorphlineInterceptor$Builder"),
];

fn aliases(family: Family) -> &'static [Alias] {
    match family {
        Family::Source => SOURCES,
        Family::Channel => CHANNELS,
        Family::Sink => SINKS,
        Family::ConfigFilter => CONFIG_FILTERS,
        Family::Selector => SELECTORS,
        Family::Processor => PROCESSORS,
        Family::Interceptor => INTERCEPTORS,
        Family::Serializer | Family::Consumer => &[],
    }
}

/// The short name by which Flume's validation knows a type, given as short name or class, in any case.
pub(super) fn known(family: Family, type_name: Option<&str>) -> Option<&'static str> {
    let type_name = type_name?;
    let known = aliases(family).iter().find(|(alias, class)| {
        equals_ignore_case(alias, type_name)
            || (!class.is_empty() && equals_ignore_case(class, type_name))
    });
    known.map(|(alias, _)| *alias)
}

/// The class that Flume's factories load for a type: that of a short name in any case, or the text as it stands.
#[must_use]
pub fn class_of(family: Family, type_name: &str) -> &str {
    let upper = type_name.to_uppercase();
    aliases(family)
        .iter()
        .find(|(alias, class)| !class.is_empty() && *alias == upper)
        .map_or(type_name, |(_, class)| class)
}

/// Whether Flume itself has a component of this type, under its short name or exactly this class.
#[must_use]
pub fn is_flumes(family: Family, type_name: &str) -> bool {
    let class = class_of(family, type_name);
    aliases(family).iter().any(|(_, known)| !known.is_empty() && *known == class)
        || BY_CLASS_ONLY.contains(&(family, class))
}

/// Flume's short names of a family, in lower case, as they are written.
pub fn short_names(family: Family) -> impl Iterator<Item = String> {
    aliases(family)
        .iter()
        .filter(|(_, class)| !class.is_empty())
        .map(|(alias, _)| alias.to_lowercase())
}

/// What Flume's validation makes of a component: raw properties, or an object that replaces them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// There is no class for its settings: the component gets the properties.
    Properties,
    /// Flume keeps an object of this name, and the component gets no properties at all.
    Object(String),
}

/// Why Flume cannot make a component's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmakeable {
    /// The component is dropped.
    Dropped,
    /// The class is one for components of another kind: nothing loads at all.
    Fatal,
}

/// The classes of Flume's that hold settings, for what they are.
const SETTINGS: &[(&str, Option<Family>)] = &[
    ("org.apache.flume.conf.source.SourceConfiguration", Some(Family::Source)),
    ("org.apache.flume.conf.channel.ChannelConfiguration", Some(Family::Channel)),
    ("org.apache.flume.conf.sink.SinkConfiguration", Some(Family::Sink)),
    ("org.apache.flume.conf.sink.SinkGroupConfiguration", None),
];

/// What Flume makes of a `config` property, or of a known type in its place.
pub(super) fn make(family: Family, name: &str, config: &str) -> Result<Made, Unmakeable> {
    if let Some((class, of)) = SETTINGS.iter().find(|(class, _)| *class == config) {
        return match of {
            Some(of) if *of == family => Ok(Made::Object((*class).to_owned())),
            _ if family == Family::Selector => Err(Unmakeable::Dropped),
            _ => Err(Unmakeable::Fatal),
        };
    }
    let upper = config.to_uppercase();
    // Validation's own list of selectors lacks the newest.
    let listed = aliases(family).iter().any(|(alias, _)| *alias == upper)
        && (family, upper.as_str()) != (Family::Selector, "LOAD_BALANCING")
        && (family, upper.as_str()) != (Family::Processor, "OTHER");
    if !listed {
        return Err(Unmakeable::Dropped);
    }
    let object = upper == "OTHER" || (family == Family::Sink && upper == "LOGGER");
    Ok(if object { Made::Object(name.to_owned()) } else { Made::Properties })
}
