//! TLS and SASL as Java's clients are told of them, for librdkafka.
//!
//! Passwords and keys pass through here and are never part of a message.

use super::jaas::{self, Entry};
use super::properties::{Given, Translated, Weight, refuse_value};

/// Reads what the file says of security.
pub(super) fn rules(given: &Given<'_>, out: &mut Translated) {
    let protocol = given.get("security.protocol").unwrap_or("PLAINTEXT");
    let lower = protocol.to_ascii_lowercase();
    if !["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"].contains(&lower.as_str()) {
        let expected = "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL";
        refuse_value(out, "security.protocol", protocol, expected);
        return;
    }
    if given.has("security.protocol") {
        out.config.set("security.protocol", &lower);
    }
    if lower.ends_with("ssl") {
        host_name(given, protocol, out);
        tls_versions(given, out);
        ciphers(given, out);
        stores(given, out);
    } else {
        out.config.remove("ssl.endpoint.identification.algorithm");
        unused(given, out, "ssl.", "TLS");
    }
    if lower.starts_with("sasl") {
        sasl(given, out);
    } else {
        unused(given, out, "sasl.", "SASL");
    }
}

fn unused(given: &Given<'_>, out: &mut Translated, prefix: &str, what: &str) {
    if let Some(first) = given.names(prefix).next() {
        out.note(Weight::Warning, first, format!("`security.protocol` does not ask for {what}"))
            .effect("it has no effect: the connection is made without");
    }
}

/// Flume's own switch acts only on the exact spelling, and wins over Kafka's.
fn host_name(given: &Given<'_>, protocol: &str, out: &mut Translated) {
    let Some(text) = given.get("ssl.disableTLSHostnameVerification") else { return };
    if protocol != "SSL" && protocol != "SASL_SSL" {
        out.note(
            Weight::Warning,
            "ssl.disableTLSHostnameVerification",
            "it acts only with `security.protocol` SSL or SASL_SSL in capitals",
        )
        .effect("the broker's name is verified");
    } else if text.eq_ignore_ascii_case("true") {
        out.config.set("ssl.endpoint.identification.algorithm", "none");
        out.note(
            Weight::Warning,
            "ssl.disableTLSHostnameVerification",
            "the broker's name is not verified",
        )
        .effect("whoever holds a trusted certificate can pose as the broker");
    } else {
        out.config.set("ssl.endpoint.identification.algorithm", "https");
    }
}

fn tls_versions(given: &Given<'_>, out: &mut Translated) {
    let Some(text) = given.get("ssl.enabled.protocols") else { return };
    let modern = |version: &str| matches!(version.trim(), "TLSv1.2" | "TLSv1.3");
    if text.split(',').any(modern) {
        out.note(Weight::Info, "ssl.enabled.protocols", "the versions are chosen with the broker")
            .effect("TLS 1.2 and 1.3 are offered");
    } else {
        out.refuse("ssl.enabled.protocols", format!("`{text}` is too old to be spoken here"))
            .next("TLSv1.2 or TLSv1.3");
    }
}

/// Java has the standard's names of cipher suites, OpenSSL its own.
const CIPHERS: &[(&str, &str)] = &[
    ("ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
    ("ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256"),
    ("ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", "ECDHE-ECDSA-AES256-SHA384"),
    ("ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"),
    ("ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"),
    ("ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
    ("ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
    ("ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
    ("ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256"),
    ("ECDHE_RSA_WITH_AES_256_CBC_SHA384", "ECDHE-RSA-AES256-SHA384"),
    ("ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"),
    ("ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"),
    ("DHE_RSA_WITH_AES_128_GCM_SHA256", "DHE-RSA-AES128-GCM-SHA256"),
    ("DHE_RSA_WITH_AES_256_GCM_SHA384", "DHE-RSA-AES256-GCM-SHA384"),
    ("DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "DHE-RSA-CHACHA20-POLY1305"),
    ("DHE_RSA_WITH_AES_128_CBC_SHA256", "DHE-RSA-AES128-SHA256"),
    ("DHE_RSA_WITH_AES_256_CBC_SHA256", "DHE-RSA-AES256-SHA256"),
    ("RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
    ("RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
    ("RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256"),
    ("RSA_WITH_AES_256_CBC_SHA256", "AES256-SHA256"),
    ("RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"),
    ("RSA_WITH_AES_256_CBC_SHA", "AES256-SHA"),
];

fn ciphers(given: &Given<'_>, out: &mut Translated) {
    const KEY: &str = "ssl.cipher.suites";
    let Some(text) = given.get(KEY) else { return };
    let mut known = Vec::new();
    for suite in text.split(',').map(str::trim).filter(|suite| !suite.is_empty()) {
        let name = suite.strip_prefix("TLS_").or_else(|| suite.strip_prefix("SSL_"));
        let name = name.unwrap_or(suite);
        match CIPHERS.iter().find(|(java, _)| *java == name) {
            Some((_, openssl)) => known.push(*openssl),
            None if name.starts_with("AES_") || name.starts_with("CHACHA20_") => {
                out.note(Weight::Info, KEY, format!("`{suite}` is a suite of TLS 1.3"))
                    .effect("the suites of TLS 1.3 are always offered");
            }
            None => {
                out.refuse(KEY, format!("`{suite}` cannot be had here")).next(
                    "suites with AES or ChaCha20, such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                );
                return;
            }
        }
    }
    if !known.is_empty() {
        out.config.set(KEY, known.join(":"));
    }
}

/// Certificates and keys. PEM is read by the client itself.
fn stores(given: &Given<'_>, out: &mut Translated) {
    let pem = |which: &str| given.get(which).is_some_and(|kind| kind.eq_ignore_ascii_case("PEM"));
    if let Some(location) = given.get("ssl.truststore.location") {
        if pem("ssl.truststore.type") {
            out.config.set("ssl.ca.location", location);
        } else {
            out.refuse("ssl.truststore.location", "trust stores are read as PEM only").next(format!(
                "keytool -list -rfc -keystore {location} > trust.pem; then `ssl.truststore.location = trust.pem` and \
                 `ssl.truststore.type = PEM`"
            ));
        }
    } else if let Some(certificates) = given.get("ssl.truststore.certificates") {
        out.config.set("ssl.ca.pem", certificates);
    } else {
        out.note(Weight::Info, "ssl.truststore.location", "not there")
            .effect("the system's trusted certificates are used, where Java would use the JVM's");
    }
    if let Some(location) = given.get("ssl.keystore.location") {
        if pem("ssl.keystore.type") {
            out.config.set("ssl.certificate.location", location);
            out.config.set("ssl.key.location", location);
        } else {
            out.refuse("ssl.keystore.location", "key stores are read as PEM only").next(format!(
                "keytool -importkeystore -srckeystore {location} -destkeystore key.p12 -deststoretype PKCS12; \
                 openssl pkcs12 -in key.p12 -out key.pem; then `ssl.keystore.location = key.pem` and \
                 `ssl.keystore.type = PEM`"
            ));
        }
    } else if given.has("ssl.keystore.password") {
        out.refuse("ssl.keystore.password", "there is no `ssl.keystore.location`");
    }
    if let (Some(chain), Some(key)) =
        (given.get("ssl.keystore.certificate.chain"), given.get("ssl.keystore.key"))
    {
        out.config.set("ssl.certificate.pem", chain);
        out.config.set("ssl.key.pem", key);
    }
    if let Some(password) = given.get("ssl.key.password") {
        out.config.set("ssl.key.password", password);
    }
}

fn sasl(given: &Given<'_>, out: &mut Translated) {
    let mechanism = given.get("sasl.mechanism").unwrap_or("GSSAPI");
    let module = match mechanism {
        "PLAIN" => "PlainLoginModule",
        "SCRAM-SHA-256" | "SCRAM-SHA-512" => "ScramLoginModule",
        "GSSAPI" => "Krb5LoginModule",
        "OAUTHBEARER" => "OAuthBearerLoginModule",
        other => {
            let expected = "GSSAPI, PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER";
            return refuse_value(out, "sasl.mechanism", other, expected);
        }
    };
    out.config.set("sasl.mechanism", mechanism);
    let Some(text) = given.get("sasl.jaas.config") else {
        out.refuse("sasl.jaas.config", format!("missing, and `{mechanism}` needs it")).next(
            format!(
                "write `sasl.jaas.config` here, with a {module}; a file named by \
             -Djava.security.auth.login.config is not read"
            ),
        );
        return;
    };
    let entry = match jaas::parse(text) {
        Ok(entry) => entry,
        Err(why) => {
            out.refuse("sasl.jaas.config", format!("not a JAAS entry: {why}")).next(
                "such as: org.apache.kafka.common.security.scram.ScramLoginModule required \
                 username=\"u\" password=\"p\";",
            );
            return;
        }
    };
    if entry.module() != Some(module) {
        out.refuse("sasl.jaas.config", format!("`{}` is not for {mechanism}", entry.class))
            .next(format!("a {module}, or another `sasl.mechanism`"));
        return;
    }
    match mechanism {
        "GSSAPI" => kerberos(given, &entry, out),
        "OAUTHBEARER" => oauth(&entry, out),
        _ => password(&entry, out),
    }
}

fn password(entry: &Entry, out: &mut Translated) {
    if entry.option("tokenauth").is_some_and(|t| t.eq_ignore_ascii_case("true")) {
        out.refuse("sasl.jaas.config", "delegation tokens (`tokenauth`) cannot be used here");
    }
    match (entry.option("username"), entry.option("password")) {
        (Some(user), Some(password)) => {
            out.config.set("sasl.username", user);
            out.config.set("sasl.password", password);
        }
        _ => {
            out.refuse("sasl.jaas.config", "`username` or `password` is missing");
        }
    }
}

fn oauth(entry: &Entry, out: &mut Translated) {
    match entry.option("unsecuredLoginStringClaim_sub") {
        Some(principal) if !principal.contains(char::is_whitespace) => {
            out.config.set("enable.sasl.oauthbearer.unsecure.jwt", "true");
            out.config.set("sasl.oauthbearer.config", format!("principal={principal}"));
            out.note(Weight::Warning, "sasl.jaas.config", "the token is unsecured")
                .effect("anyone can make one: for development only");
        }
        _ => {
            out.refuse("sasl.jaas.config", "tokens of an OIDC endpoint cannot be fetched here")
                .next("SCRAM-SHA-512 or PLAIN over TLS, if the broker offers one");
        }
    }
}

/// librdkafka fills the process's credential cache by running `kinit` through a shell, so what goes into that command is
/// checked first.
fn kerberos(given: &Given<'_>, entry: &Entry, out: &mut Translated) {
    let service = given.get("sasl.kerberos.service.name").or(entry.option("serviceName"));
    match service {
        Some(service) if entry.option("serviceName").is_none_or(|s| s == service) => {
            out.config.set("sasl.kerberos.service.name", service);
        }
        Some(_) => {
            out.refuse(
                "sasl.kerberos.service.name",
                "it differs from `serviceName` in the JAAS entry",
            );
        }
        None => {
            out.refuse("sasl.kerberos.service.name", "missing").next("`kafka` is usual");
        }
    }
    let is = |name: &str| entry.option(name).is_some_and(|v| v.eq_ignore_ascii_case("true"));
    if is("useKeyTab") {
        let (Some(keytab), Some(principal)) = (entry.option("keyTab"), entry.option("principal"))
        else {
            out.refuse("sasl.jaas.config", "`keyTab` or `principal` is missing");
            return;
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "._@/-".contains(c);
        if principal.starts_with('-') || !principal.chars().all(plain) {
            out.refuse("sasl.jaas.config", "`principal` has characters that kinit cannot be given");
        }
        if keytab.chars().any(|c| c.is_control() || "\"`$\\".contains(c)) {
            out.refuse("sasl.jaas.config", "`keyTab` has characters that kinit cannot be given");
        }
        out.config.set("sasl.kerberos.keytab", keytab);
        out.config.set("sasl.kerberos.principal", principal);
    } else if is("useTicketCache") {
        // The cache is somebody else's duty: no command is run.
        out.config.set("sasl.kerberos.min.time.before.relogin", "0");
    } else {
        out.refuse("sasl.jaas.config", "neither `useKeyTab=true` nor `useTicketCache=true`");
    }
}
