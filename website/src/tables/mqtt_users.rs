//! People who may read `view/` over MQTT.

use crate::db::{Tx, on};
use protocol::UnixMs;

/// Adds a person or replaces the password.
pub async fn upsert(tx: &mut Tx, name: &str, password_hash: &str, now: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO mqtt_users (name, password_hash, created_at) VALUES ($1, $2, $3) \
         ON CONFLICT (name) DO UPDATE SET password_hash = excluded.password_hash")
        .bind(name).bind(password_hash).bind(now.0).execute(conn).await.map(drop))
}

/// The stored hash of a person's password.
pub async fn password_hash(tx: &mut Tx, name: &str) -> sqlx::Result<Option<String>> {
    on!(tx, conn => sqlx::query_scalar("SELECT password_hash FROM mqtt_users WHERE name = $1")
        .bind(name).fetch_optional(conn).await)
}

/// Every person by name, with the stored hash of the password.
pub async fn all(tx: &mut Tx) -> sqlx::Result<Vec<(String, String)>> {
    on!(tx, conn => sqlx::query_as("SELECT name, password_hash FROM mqtt_users ORDER BY name")
        .fetch_all(conn).await)
}

/// Deletes a person and tells the stored hash of the password; nothing when there is no such person.
pub async fn delete(tx: &mut Tx, name: &str) -> sqlx::Result<Option<String>> {
    on!(tx, conn => sqlx::query_scalar("DELETE FROM mqtt_users WHERE name = $1 RETURNING password_hash")
        .bind(name).fetch_optional(conn).await)
}
