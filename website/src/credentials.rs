//! Credentials that are taken back, and stay so whatever backup is restored.

use crate::{
    changes::Actor,
    clock,
    db::Tx,
    decide::withdrawal::{self, Fingerprint, Withdrawal},
    tables::{
        api_tokens, audit,
        edges::{self, Alarm},
        mqtt_users, polling_boxes, withdrawals,
    },
};
use protocol::{LocationId, UnixMs};
use sha2::{Digest as _, Sha256};

/// Records that the credential of which the database keeps `kept` opens nothing any more. Taking it out of its own
/// table is the caller's, in the same transaction; so is the ledger, after the commit.
pub(crate) async fn withdraw(tx: &mut Tx, kept: &[u8], now: UnixMs) -> sqlx::Result<()> {
    withdrawals::insert(tx, &Withdrawal { credential: fingerprint(kept), at: now }).await
}

/// Takes back again what only the ledger knows as taken back.
pub(crate) async fn withdraw_again(tx: &mut Tx, ledger: &[Withdrawal], by: &Actor) -> sqlx::Result<()> {
    let lost = withdrawal::compare(ledger, &withdrawals::all(tx).await?).lost;
    if lost.is_empty() {
        return Ok(());
    }
    for withdrawal in &lost {
        withdrawals::insert(tx, withdrawal).await?;
    }
    let (now, by) = (clock::now(), by.to_string());
    let is_lost = |kept: &[u8]| lost.iter().any(|lost| lost.credential == fingerprint(kept));
    let entry = |action: &str, location: Option<LocationId>, subject: String| audit::Entry {
        at: now,
        actor: by.clone(),
        action: action.to_owned(),
        location,
        subject,
    };
    for token in api_tokens::all(tx).await? {
        if is_lost(&token.hash) {
            api_tokens::delete(tx, &token.name).await?;
            audit::insert(tx, &entry("token.revoke", None, token.name)).await?;
        }
    }
    for (name, password_hash) in mqtt_users::all(tx).await? {
        if is_lost(password_hash.as_bytes()) {
            mqtt_users::delete(tx, &name).await?;
            audit::insert(tx, &entry("mqtt-user.remove", None, name)).await?;
        }
    }
    let mut boxes = edges::token_hashes(tx).await?;
    boxes.extend(polling_boxes::token_hashes(tx).await?);
    for (location, edge, token_hash) in boxes {
        if is_lost(&token_hash) {
            edges::set_alarm(tx, &edge, Alarm::Rejoined, now).await?;
            audit::insert(tx, &entry("edge.rejoined", Some(location), edge.to_string())).await?;
        }
    }
    Ok(())
}

fn fingerprint(kept: &[u8]) -> Fingerprint {
    Fingerprint(Sha256::digest(kept).into())
}
