//! A box brings its code and becomes an edge.

use crate::{
    app::App,
    edges::{self, Enlisted, JoinRequest, SpaceChoice},
    tables::spaces,
    web::{extract::Json, peer::Peer, refusal::Refusal},
};
use axum::{
    Json as Answer,
    extract::State,
    response::{IntoResponse, Response},
};
use protocol::{EdgeId, LocationId, PublicKey, SpaceId, message::Similarity};
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, sync::Arc};

#[derive(Deserialize)]
pub struct Request {
    code: String,
    #[serde(default)]
    kind: Kind,
    /// The public half of the key the box has made, 64 hexadecimal digits; a box that polls has none.
    public_key: Option<String>,
    /// A box that polls may leave it out where it can be told, or give its id only.
    space: Option<Space>,
}

/// How a box hears of changes.
#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// It is told over MQTT.
    #[default]
    Mqtt,
    /// It asks over HTTP.
    Polling,
}

/// The space of the box's model.
#[derive(Deserialize)]
struct Space {
    id: SpaceId,
    /// Components of a vector.
    dimension: Option<usize>,
    /// The cosine from which on two faces are one person.
    #[serde(rename = "match")]
    match_at: Option<f32>,
    /// The cosine below which they are two.
    #[serde(rename = "new")]
    new_below: Option<f32>,
}

impl Space {
    /// The space by its id alone, or all of it.
    fn choice(self) -> Result<SpaceChoice, Refusal> {
        match (self.dimension, self.match_at, self.new_below) {
            (None, None, None) => Ok(SpaceChoice::Named(self.id)),
            (Some(dimension), Some(match_at), Some(new_below)) => Ok(SpaceChoice::Given(spaces::Space {
                id: self.id,
                dimension,
                match_at: Similarity::from_cosine(match_at),
                new_below: Similarity::from_cosine(new_below),
            })),
            _ => Err(Refusal::bad("a space has an id, a dimension, and the thresholds match and new")),
        }
    }
}

#[derive(Serialize)]
pub struct Joined {
    edge: EdgeId,
    location: LocationId,
    location_name: String,
    mqtt: Mqtt,
    token: String,
    /// The authority that vouches for the broker, as PEM; none: a public one, or nothing is encrypted.
    ca: Option<String>,
    site_key: String,
    digest_key: String,
}

/// Where the broker is.
#[derive(Serialize)]
struct Mqtt {
    /// None: the host of the address that was joined at.
    host: Option<String>,
    port: u16,
    /// Whether it is spoken to over TLS.
    tls: bool,
}

/// What a box gets that polls.
#[derive(Serialize)]
pub struct JoinedPolling {
    edge: EdgeId,
    location: LocationId,
    location_name: String,
    space: SpaceId,
    token: String,
    /// The path, at this very host, under which it asks what has changed.
    sync: &'static str,
}

impl From<Enlisted> for JoinedPolling {
    fn from(enlisted: Enlisted) -> JoinedPolling {
        let Enlisted { edge, location, location_name, space, token } = enlisted;
        JoinedPolling { edge, location, location_name, space, token, sync: super::SYNC }
    }
}

pub async fn join(
    State(app): State<Arc<App>>,
    Peer(peer): Peer,
    Json(request): Json<Request>,
) -> Result<Response, Refusal> {
    match request.kind {
        Kind::Mqtt => join_mqtt(&app, request, peer).await.map(|joined| Answer(joined).into_response()),
        Kind::Polling => {
            let space = request.space.map_or(Ok(SpaceChoice::Only), Space::choice)?;
            let enlisted = edges::join_polling(&app, &request.code, &space, peer).await?;
            Ok(Answer(JoinedPolling::from(enlisted)).into_response())
        }
    }
}

async fn join_mqtt(app: &App, request: Request, peer: IpAddr) -> Result<Joined, Refusal> {
    let missing =
        |field: &str| Refusal::bad(format!("the body is not the JSON asked for: missing field `{field}`"));
    let space = request.space.ok_or_else(|| missing("space"))?.choice()?;
    let SpaceChoice::Given(space) = space else {
        return Err(missing("space.dimension"));
    };
    let key = request.public_key.ok_or_else(|| missing("public_key"))?;
    let request = JoinRequest { code: request.code, public_key: public_key(&key)?, space };
    let joined = edges::join(app, &request, peer).await?;
    Ok(Joined {
        edge: joined.edge,
        location: joined.location,
        location_name: joined.location_name,
        mqtt: Mqtt { host: joined.mqtt.host, port: joined.mqtt.port, tls: joined.mqtt.tls },
        token: joined.token,
        ca: joined.ca,
        site_key: hex::encode(joined.site_key.to_bytes()),
        digest_key: hex::encode(joined.digest_key.as_bytes()),
    })
}

fn public_key(text: &str) -> Result<PublicKey, Refusal> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes)
        .ok()
        .and_then(|()| PublicKey::from_bytes(bytes).ok())
        .ok_or_else(|| Refusal::bad("public_key is an Ed25519 public key in 64 hexadecimal digits"))
}
