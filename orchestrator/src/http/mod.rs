//! Temporary.
use std::sync::Arc;
use axum::{Router, routing::{get, post}, extract::{State, Path}, Json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use crate::app::App;
/// Serves.
pub async fn serve(app: Arc<App>, listener: TcpListener, shutdown: CancellationToken) -> std::io::Result<()> {
    let router = Router::new()
        .route("/healthz/ready", get(|| async { "ok" }))
        .route("/api/v1/jobs", post(submit))
        .route("/api/v1/jobs/{id}/cancel", post(cancel))
        .with_state(app);
    axum::serve(listener, router).with_graceful_shutdown(async move { shutdown.cancelled().await }).await
}
async fn submit(State(app): State<Arc<App>>, Json(s): Json<drover_protocol::Submission>) -> String {
    match app.submit(s, None).await { Ok(s) => format!("{{\"id\":\"{}\"}}", s.id), Err(e) => format!("error: {e}") }
}
async fn cancel(State(app): State<Arc<App>>, Path(id): Path<drover_protocol::JobId>) -> String {
    format!("{:?}", app.cancel(id, false).await)
}
