//! Connections to the database, and what their sessions are set to.

use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Metrics, Pool, QueueMode, RecyclingMethod, Runtime,
};
use secrecy::ExposeSecret;

use super::{StoreConfig, StoreError, migrate};

/// A connection whose other end acknowledges nothing for this long is dead.
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);

/// A connection that was taken within this time is taken again without a question, unless it is closed. To ask each time would be
/// half of what an idle orchestrator does, and a round trip in each fold.
const FRESH: Duration = Duration::from_secs(2);

/// A pool of so many connections, which it opens as they are needed. `planner`: settings of its sessions.
pub(super) fn new(config: &StoreConfig, connections: usize, planner: &str) -> Result<Pool, StoreError> {
    let mut postgres: tokio_postgres::Config = config.url.expose_secret().parse()?;
    let milliseconds = config.statement_timeout.as_millis();
    // A time-out on our side would leave the statement running on the server. Nothing here runs long enough to be worth compiling: that
    // took 100 ms at each look for the next batches of a fan-out, once its table was large enough for the estimate.
    let settings = format!(
        "-c timezone=UTC -c jit=off -c statement_timeout={milliseconds} -c lock_timeout={milliseconds} \
             -c idle_in_transaction_session_timeout={milliseconds} {planner}"
    );
    let options = match postgres.get_options() {
        Some(options) => format!("{options} {settings}"),
        None => settings,
    };
    postgres.options(options);
    postgres.application_name("drover-orchestrator");
    postgres.connect_timeout(config.wait);
    // A host that went without a word is noticed: by what it does not acknowledge, or by its silence.
    postgres.tcp_user_timeout(UNACKNOWLEDGED);
    postgres.keepalives_idle(Duration::from_secs(30));
    postgres.keepalives_interval(Duration::from_secs(5));
    postgres.keepalives_retries(3);
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(postgres, migrate::tls(), recycling);
    Pool::builder(manager)
        .max_size(connections)
        .wait_timeout(Some(config.wait))
        .create_timeout(Some(config.wait))
        .pre_recycle(asked(config.wait))
        // The connection that was used last has its statements prepared and its caches warm.
        .queue_mode(QueueMode::Lifo)
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| StoreError::Migrate(error.to_string()))
}

/// Asks a connection that has rested whether it is alive. If it is not, the next one is taken.
fn asked(wait: Duration) -> Hook {
    Hook::async_fn(move |client: &mut ClientWrapper, metrics: &Metrics| {
        let rested = metrics.last_used() > FRESH;
        Box::pin(async move {
            if rested {
                let answer = tokio::time::timeout(wait, client.simple_query("")).await;
                answer.map_err(|_| HookError::message("no answer"))?.map_err(HookError::Backend)?;
            }
            Ok(())
        })
    })
}
