//! A box brings its code and becomes an edge.

use crate::{
    app::App,
    edges::{self, JoinRequest},
    tables::spaces,
    web::{extract::Json, peer::Peer, refusal::Refusal},
};
use axum::{Json as Answer, extract::State};
use protocol::{EdgeId, LocationId, PublicKey, SpaceId, message::Similarity};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Deserialize)]
pub struct Request {
    code: String,
    /// The public half of the key the box has made, 64 hexadecimal digits.
    public_key: String,
    space: Space,
}

/// The space of the box's model.
#[derive(Deserialize)]
struct Space {
    id: SpaceId,
    /// Components of a vector.
    dimension: usize,
    /// The cosine from which on two faces are one person.
    #[serde(rename = "match")]
    match_at: f32,
    /// The cosine below which they are two.
    #[serde(rename = "new")]
    new_below: f32,
}

#[derive(Serialize)]
pub struct Joined {
    edge: EdgeId,
    location: LocationId,
    location_name: String,
    mqtt: Mqtt,
    token: String,
    site_key: String,
    digest_key: String,
}

/// Where the broker is.
#[derive(Serialize)]
struct Mqtt {
    /// None: the host of the address that was joined at.
    host: Option<String>,
    port: u16,
}

pub async fn join(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    Json(request): Json<Request>,
) -> Result<Answer<Joined>, Refusal> {
    let request = JoinRequest {
        code: request.code,
        public_key: public_key(&request.public_key)?,
        space: spaces::Space {
            id: request.space.id,
            dimension: request.space.dimension,
            match_at: Similarity::from_cosine(request.space.match_at),
            new_below: Similarity::from_cosine(request.space.new_below),
        },
    };
    let joined = edges::join(&app, &request, peer).await?;
    Ok(Answer(Joined {
        edge: joined.edge,
        location: joined.location,
        location_name: joined.location_name,
        mqtt: Mqtt { host: joined.mqtt.host, port: joined.mqtt.port },
        token: joined.token,
        site_key: hex::encode(joined.site_key.to_bytes()),
        digest_key: hex::encode(joined.digest_key.as_bytes()),
    }))
}

fn public_key(text: &str) -> Result<PublicKey, Refusal> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes)
        .ok()
        .and_then(|()| PublicKey::from_bytes(bytes).ok())
        .ok_or_else(|| Refusal::bad("public_key is an Ed25519 public key in 64 hexadecimal digits"))
}
