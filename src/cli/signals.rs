//! SIGTERM and SIGINT stop and deliver what is in flight; a second one ends at once. SIGHUP reloads.

use crate::clock::Stop;
use crossbeam_channel::Sender;
use std::future::poll_fn;
use std::io;
use std::task::Poll;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens on a thread of its own until the process ends. Reloads asked for while one waits are one.
pub(super) fn listen(stop: Stop, reload: Sender<()>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (terminate, interrupt, hang_up) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        )
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || runtime.block_on(heed(terminate, interrupt, hang_up, stop, reload)))?;
    Ok(())
}

async fn heed(
    mut terminate: Signal,
    mut interrupt: Signal,
    mut hang_up: Signal,
    stop: Stop,
    reload: Sender<()>,
) {
    loop {
        let name = poll_fn(|cx| {
            for (signal, name) in
                [(&mut terminate, "SIGTERM"), (&mut interrupt, "SIGINT"), (&mut hang_up, "SIGHUP")]
            {
                if signal.poll_recv(cx).is_ready() {
                    return Poll::Ready(name);
                }
            }
            Poll::Pending
        });
        let name = name.await;
        if name == "SIGHUP" {
            log::info!("SIGHUP: looking at the configuration");
            // One that waits already is this one too.
            let _full = reload.try_send(());
            continue;
        }
        if stop.is_requested() {
            log::warn!(
                "a second {name}: ending at once; effect: what is in flight is delivered again after the next start"
            );
            #[allow(clippy::exit, reason = "this is what was asked for")]
            std::process::exit(1);
        }
        log::info!("{name}: stopping; what is in flight is delivered first");
        stop.request();
    }
}
