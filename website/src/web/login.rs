//! One-time links: how the first manager comes in, and how one comes in again.

use super::secret::Secret;
use crate::{
    changes::Actor,
    clock,
    db::Db,
    tables::{audit, login_links, sessions},
};
use protocol::UnixMs;

/// How long a link works, in milliseconds: 24 hours.
pub const LINK_MS_MAX: i64 = 24 * 3_600_000;

/// The manager that the command line's links are for.
const ADMINISTRATOR: &str = "administrator";

/// Makes a link for the administrator and tells its path on this website, `/login/<secret>`.
///
/// # Errors
/// When the database failed.
pub async fn new_link(db: &Db) -> sqlx::Result<String> {
    let (secret, now) = (Secret::random(), clock::now());
    let mut tx = db.write().await?;
    login_links::insert(&mut tx, secret.hash(), ADMINISTRATOR, now, now.plus_ms(LINK_MS_MAX)).await?;
    audit::insert(&mut tx, &entry(now, &Actor::command_line(), "login.link")).await?;
    tx.commit().await?;
    Ok(format!("/login/{}", secret.reveal()))
}

/// A link for the very first manager: made at every start until somebody has come in.
///
/// # Errors
/// When the database failed.
pub async fn first_link(db: &Db) -> sqlx::Result<Option<String>> {
    let somebody_came = login_links::any_used(&mut db.read().await?).await?;
    if somebody_came { Ok(None) } else { new_link(db).await.map(Some) }
}

/// Whether the link `text` would open a session. Looking does not use it: mail scanners and previews look too.
pub(super) async fn is_open(db: &Db, text: &str) -> sqlx::Result<bool> {
    match Secret::parse(text) {
        Some(link) => login_links::is_open(&mut db.read().await?, link.hash(), clock::now()).await,
        None => Ok(false),
    }
}

/// Uses the link `text`, once: the secret of the session it opens, to be kept by the browser; nothing when it was
/// used, has expired or never was.
pub(super) async fn open_session(db: &Db, text: &str) -> sqlx::Result<Option<Secret>> {
    let Some(link) = Secret::parse(text) else { return Ok(None) };
    let (session, now) = (Secret::random(), clock::now());
    let mut tx = db.write().await?;
    let Some(manager) = login_links::take(&mut tx, link.hash(), now).await? else { return Ok(None) };
    sessions::forget_idle(&mut tx, now.plus_ms(-super::session::IDLE_MS_MAX)).await?;
    sessions::insert(&mut tx, session.hash(), &manager, now).await?;
    audit::insert(&mut tx, &entry(now, &Actor::manager(&manager), "login")).await?;
    tx.commit().await?;
    Ok(Some(session))
}

fn entry(at: UnixMs, actor: &Actor, action: &str) -> audit::Entry {
    audit::Entry {
        at,
        actor: actor.to_string(),
        action: action.to_owned(),
        location: None,
        subject: ADMINISTRATOR.to_owned(),
    }
}
