//! Load: rows that somebody keeps locked, and floods of corrections.

use super::plan::Service;
use super::posts::Posts;
use sqlx::{PgPool, PgTransaction};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Rows that are locked at once.
const ROWS: i64 = 2;
/// Corrections of a flood, and the time between two.
const CORRECTIONS: usize = 300;
const BETWEEN: Duration = Duration::from_millis(5);
/// Time for which a client stays that does not wait for its answer.
const STAYS: Duration = Duration::from_millis(30);

/// Locks rows of recordings in work; none where there are none.
pub async fn lock_rows(pool: &PgPool) -> Option<PgTransaction<'static>> {
    let mut transaction = pool.begin().await.ok()?;
    let locked: Vec<Uuid> = sqlx::query_scalar(
        "SELECT id FROM recordings WHERE state IN ('queued', 'processing')
         ORDER BY updated_at DESC LIMIT $1 FOR UPDATE SKIP LOCKED",
    )
    .bind(ROWS)
    .fetch_all(&mut *transaction)
    .await
    .ok()?;
    (!locked.is_empty()).then_some(transaction)
}

/// Sends corrections of a completed recording to an ingest, over connections that are closed at once. They name a speaker whom there is
/// not: each is worked out as any other, and changes nothing.
pub async fn flood(posts: &Posts, pool: &PgPool) -> bool {
    let ingest = posts.of(Service::Ingest).find(|post| post.is_sound()).and_then(|post| post.listen);
    let completed = "SELECT id FROM recordings WHERE state = 'completed' ORDER BY samples DESC LIMIT 1";
    let completed = sqlx::query_scalar::<_, Uuid>(completed).fetch_optional(pool).await;
    let (Some(ingest), Ok(Some(recording))) = (ingest, completed) else { return false };
    let body = r#"{"kind":"rename","speaker":"nobody of this name","name":"Ann"}"#;
    let request = format!(
        "POST /v1/recordings/{recording}/corrections HTTP/1.1\r\nhost: {ingest}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut clients = JoinSet::new();
    for _ in 0..CORRECTIONS {
        let request = request.clone();
        clients.spawn(async move {
            let mut stream = TcpStream::connect(ingest).await?;
            stream.write_all(request.as_bytes()).await?;
            tokio::time::sleep(STAYS).await;
            std::io::Result::Ok(())
        });
        tokio::time::sleep(BETWEEN).await;
    }
    let sent = clients.join_all().await.into_iter().filter(Result::is_ok).count();
    sent * 2 > CORRECTIONS
}
