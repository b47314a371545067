//! What a long-running command has around it: its pid file, its status server and the file that names it, and their removal
//! at the end.

use super::launch::Launch;
use crate::config::surroundings::Surroundings;
use crate::status::happening::{Happening, Teller};
use crate::status::http::{Listen, MetricsForm, StatusServer};
use crate::status::snapshot::Observed;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files that say where the process is, with what was written; removed when it ends, unless another process has written
/// its own there meanwhile.
pub(super) struct Around {
    files: Vec<(PathBuf, String)>,
}

impl Around {
    /// Writes the pid file. That it cannot be written is a reason not to start: whoever asked for it relies on it.
    pub(super) fn pid_file(launch: &Launch) -> Result<Self, String> {
        let mut around = Self { files: Vec::new() };
        if let Some(path) = &launch.pid_file {
            let text = format!("{}\n", std::process::id());
            write(path, &text)
                .map_err(|e| format!("cannot write the pid file {}: {e}", path.display()))?;
            around.files.push((path.clone(), text));
        }
        Ok(around)
    }

    /// Starts the status server or servers, says where, and writes the address to a file. A busy port is told, and the
    /// program goes on.
    pub(super) fn serve(&mut self, launch: &Launch, observed: &Arc<dyn Observed>, teller: &Teller) {
        let monitoring = monitoring(&launch.surroundings, teller);
        let loopback = (monitoring.is_none() || launch.status_port.is_some())
            .then(|| Listen::loopback(launch.status_port.unwrap_or(0)));
        let mut address = None;
        for listen in loopback.into_iter().chain(monitoring) {
            match StatusServer::start(listen, observed.clone()) {
                Ok(server) => {
                    let url = server.url();
                    teller.tell(Happening::info("status", format!("status page at {url}")));
                    address.get_or_insert(url);
                }
                Err(error) => teller.tell(
                    Happening::error(
                        "status-port",
                        format!("the status server cannot listen on {}: {error}", listen.address),
                    )
                    .effect("no metrics and no status page there; events move all the same")
                    .next("free the port or choose another, and start again"),
                ),
            }
        }
        let beside = || launch.pid_file.as_ref().map(|path| path.with_extension("status"));
        let Some((path, url)) = launch.status_file.clone().or_else(beside).zip(address) else {
            return;
        };
        let text = format!("{url}\n");
        match write(&path, &text) {
            Ok(()) => self.files.push((path, text)),
            Err(error) => teller.tell(
                Happening::error(
                    "status-file",
                    format!("cannot write {}: {error}", path.display()),
                )
                .effect("who looks for the status page there does not find it")
                .next("make the directory writable, and start again"),
            ),
        }
    }
}

impl Drop for Around {
    fn drop(&mut self) {
        for (path, text) in &self.files {
            if fs::read_to_string(path).is_ok_and(|now| now != *text) {
                continue;
            }
            if let Err(error) = fs::remove_file(path) {
                log::warn!("cannot remove {}: {error}", path.display());
            }
        }
    }
}

/// Aside and renamed: whoever waits for the file finds it whole.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut aside = path.to_path_buf().into_os_string();
    aside.push(".new");
    fs::write(&aside, text)?;
    #[allow(clippy::disallowed_methods, reason = "it dies with the process")]
    fs::rename(&aside, path)
}

/// Where Flume's monitoring server would listen.
fn monitoring(surroundings: &Surroundings, teller: &Teller) -> Option<Listen> {
    let wanted = surroundings.property("flume.monitoring.type")?.trim();
    let form = match wanted.to_ascii_lowercase().as_str() {
        "http" => MetricsForm::Json,
        "prometheus" => MetricsForm::Prometheus,
        _ => {
            let what = format!("flume.monitoring.type={wanted} cannot be had here");
            teller.tell(
                Happening::warning("monitoring-type", what)
                    .effect("nothing is reported there")
                    .next("use `http` or `prometheus`"),
            );
            return None;
        }
    };
    let port = surroundings.property("flume.monitoring.port").map(str::trim);
    match port.map(str::parse) {
        None => Some(Listen::everywhere(Listen::FLUME_PORT, form)),
        Some(Ok(port)) => Some(Listen::everywhere(port, form)),
        Some(Err(_)) => {
            let port = port.unwrap_or_default();
            teller.tell(
                Happening::error(
                    "monitoring-port",
                    format!("flume.monitoring.port={port} is no port"),
                )
                .effect("metrics are served on a free port of 127.0.0.1 only")
                .next("write a number up to 65535, and start again"),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::monitoring;
    use crate::clock::SystemClock;
    use crate::config::surroundings::Surroundings;
    use crate::status::happening::Telling;
    use crate::status::http::{Listen, MetricsForm};

    #[test]
    fn flumes_monitoring_properties_choose_port_and_form() {
        let telling = Telling::new(SystemClock::shared());
        let teller = telling.of("agent", &"a1".into());
        let listen = |properties: &[(&str, &str)]| {
            let mut surroundings = Surroundings::default();
            let own = properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            surroundings.properties.extend(own);
            monitoring(&surroundings, &teller)
        };
        let http = ("flume.monitoring.type", "HTTP");
        assert_eq!(listen(&[]), None);
        assert_eq!(listen(&[http]), Some(Listen::everywhere(41414, MetricsForm::Json)));
        let port = ("flume.monitoring.port", "34545");
        assert_eq!(listen(&[http, port]), Some(Listen::everywhere(34545, MetricsForm::Json)));
        let prometheus = ("flume.monitoring.type", "prometheus");
        let expected = Some(Listen::everywhere(34545, MetricsForm::Prometheus));
        assert_eq!(listen(&[prometheus, port]), expected);
        assert_eq!(telling.newest().len(), 0);
        assert_eq!(listen(&[("flume.monitoring.type", "ganglia")]), None);
        assert_eq!(listen(&[http, ("flume.monitoring.port", "x")]), None);
        assert_eq!(telling.newest().len(), 2, "both are told");
    }
}
