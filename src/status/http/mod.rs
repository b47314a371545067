//! The status server: `/metrics` as Flume serves it, `/metrics.json`, `/metrics.prom`, `/healthz` and the page at `/`.
//!
//! With `-Dflume.monitoring.type=http` it stands where Flume's stands, on all addresses of port 41414 or the one given;
//! there metrics and health answer everybody, as Flume's do, and the page answers this machine only. Without, it is on
//! 127.0.0.1. A busy port is told and the agent goes on. It runs on tokio, on a thread of its own: the path of events never
//! meets it but in the few locks of a snapshot.

mod connection;

use crate::status::snapshot::{Observed, Snapshot};
use crate::status::{metrics, page, prometheus};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use connection::{Bounded, Peer};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

/// Where the server listens and what `/metrics` is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address; port 0 is a free one.
    pub address: SocketAddr,
    /// What `/metrics` answers.
    pub metrics: MetricsForm,
}

/// What `/metrics` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsForm {
    /// Flume's JSON.
    Json,
    /// Prometheus' text.
    Prometheus,
}

impl Listen {
    /// Flume's default port of the monitoring server.
    pub const FLUME_PORT: u16 = 41414;

    /// On 127.0.0.1.
    #[must_use]
    pub fn loopback(port: u16) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { address, metrics: MetricsForm::Json }
    }

    /// On all addresses, as Flume's monitoring server.
    #[must_use]
    pub fn everywhere(port: u16, metrics: MetricsForm) -> Self {
        Self { address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), metrics }
    }
}

/// A server that runs until the process ends.
#[derive(Clone, Copy, Debug)]
pub struct StatusServer {
    /// Where it listens.
    pub address: SocketAddr,
}

impl StatusServer {
    /// Listens and answers from a thread of its own.
    pub fn start(listen: Listen, observed: Arc<dyn Observed>) -> io::Result<Self> {
        let listener = TcpListener::bind(listen.address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(2)
            .build()?;
        let serve = async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let answering = Answering { observed, metrics: listen.metrics };
            let router = Router::new().fallback(answer).with_state(answering);
            let service = router.into_make_service_with_connect_info::<Peer>();
            axum::serve(Bounded::new(listener), service).await
        };
        std::thread::Builder::new().name("status-server".into()).spawn(move || {
            if let Err(error) = runtime.block_on(serve) {
                log::error!("the status server ended: {error}; effect: no metrics; next: restart");
            }
        })?;
        Ok(Self { address })
    }

    /// For a browser or `curl` on this machine.
    #[must_use]
    pub fn url(&self) -> String {
        let ip = self.address.ip();
        let ip = if ip.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { ip };
        format!("http://{}/", SocketAddr::new(ip, self.address.port()))
    }
}

#[derive(Clone)]
struct Answering {
    observed: Arc<dyn Observed>,
    metrics: MetricsForm,
}

const HTML: &str = "text/html;charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// As Jetty under Flume: the path in any case, the query ignored, any method like GET but TRACE and OPTIONS.
async fn answer(
    State(answering): State<Answering>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    method: Method,
    uri: Uri,
) -> Response {
    if method == Method::TRACE || method == Method::OPTIONS {
        return StatusCode::FORBIDDEN.into_response();
    }
    let observed = answering.observed.clone();
    let taken = tokio::task::spawn_blocking(move || observed.snapshot()).await;
    let Ok(snapshot) = taken else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "no snapshot could be taken").into_response();
    };
    match uri.path().to_ascii_lowercase().as_str() {
        "/metrics" if answering.metrics == MetricsForm::Json => json(&snapshot),
        "/metrics.json" => json(&snapshot),
        "/metrics" | "/metrics.prom" => {
            typed(StatusCode::OK, prometheus::CONTENT_TYPE, prometheus::text(&snapshot))
        }
        "/healthz" => health(&snapshot),
        "/" if peer.is_local() => typed(StatusCode::OK, TEXT, page::text(&snapshot)),
        "/" => typed(StatusCode::OK, HTML, FROM_AFAR.into()),
        _ => typed(StatusCode::NOT_FOUND, HTML, NOT_FOUND.into()),
    }
}

const FROM_AFAR: &str = "For metrics please click <a href = \"./metrics\"> here</a>. \
    The page is shown on the machine itself only.";
const NOT_FOUND: &str = "<html><head><title>Error 404</title></head><body><h2>HTTP ERROR 404</h2>\
    <p>There are /, /metrics, /metrics.json, /metrics.prom and /healthz.</p></body></html>\n";

fn json(snapshot: &Snapshot) -> Response {
    typed(StatusCode::OK, "application/json;charset=utf-8", metrics::flume_json(snapshot))
}

fn health(snapshot: &Snapshot) -> Response {
    let (well, sentence) = snapshot.health();
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    typed(status, TEXT, format!("{sentence}\n"))
}

fn typed(status: StatusCode, content_type: &'static str, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, content_type)], Body::from(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::{Listen, MetricsForm, StatusServer};
    use crate::status::snapshot::{Observed, Snapshot, State, tests::snapshot};
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::sync::{Arc, Mutex};

    struct Observing(Mutex<Snapshot>);

    impl Observed for Observing {
        fn snapshot(&self) -> Snapshot {
            self.0.lock().unwrap().clone()
        }
    }

    fn server(metrics: MetricsForm) -> (Arc<Observing>, SocketAddr) {
        let observing = Arc::new(Observing(Mutex::new(snapshot())));
        let listen = Listen { metrics, ..Listen::loopback(0) };
        let server = StatusServer::start(listen, observing.clone()).unwrap();
        (observing, server.address)
    }

    fn ask(address: SocketAddr, method: &str, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    #[test]
    fn metrics_answer_as_flumes_server_does() {
        let (_, address) = server(MetricsForm::Json);
        for (method, path) in [
            ("GET", "/metrics"),
            ("GET", "/Metrics?x=1"),
            ("POST", "/metrics"),
            ("PUT", "/METRICS"),
        ] {
            let (head, body) = ask(address, method, path);
            assert!(head.starts_with("HTTP/1.1 200 "), "{method} {path}: {head}");
            assert!(head.contains("content-type: application/json;charset=utf-8"), "{head}");
            assert!(body.starts_with(r#"{"CHANNEL.c1":{"#), "{body}");
        }
        assert!(ask(address, "TRACE", "/metrics").0.starts_with("HTTP/1.1 403 "));
        assert!(ask(address, "OPTIONS", "/").0.starts_with("HTTP/1.1 403 "));
        assert!(ask(address, "GET", "/metrics/").0.starts_with("HTTP/1.1 404 "));
        assert!(ask(address, "HEAD", "/metrics").0.starts_with("HTTP/1.1 200 "));
        assert!(ask(address, "GET", "/").1.contains("SOURCES"));
    }

    #[test]
    fn prometheus_has_its_own_path_and_takes_flumes_where_asked_to() {
        let (_, address) = server(MetricsForm::Prometheus);
        for path in ["/metrics", "/metrics.prom"] {
            let (head, body) = ask(address, "GET", path);
            assert!(head.contains("text/plain; version=0.0.4"), "{head}");
            assert!(body.contains("Flume_ChannelSize"), "{body}");
        }
        assert!(ask(address, "GET", "/metrics.json").1.starts_with('{'));
    }

    #[test]
    fn health_is_no_success_when_a_part_is_stuck() {
        let (observing, address) = server(MetricsForm::Json);
        assert!(ask(address, "GET", "/healthz").0.starts_with("HTTP/1.1 200 "));
        observing.0.lock().unwrap().parts[2].state = State::Stuck;
        let (head, body) = ask(address, "GET", "/healthz");
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert_eq!(body, "agent a1 does not work\nsink k1 is stuck\n");
    }

    #[test]
    fn a_busy_port_is_an_error_and_not_a_panic() {
        let (observing, address) = server(MetricsForm::Json);
        assert!(StatusServer::start(Listen::loopback(address.port()), observing).is_err());
    }
}
