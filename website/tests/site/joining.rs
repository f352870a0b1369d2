//! A code makes one box an edge, once, for a quarter of an hour.

use crate::stage::{Stage, actor, add_location, join, join_with, location, space, sql};
use protocol::{
    SigningKey,
    message::{EnrolPolicy, Similarity},
};
use std::net::IpAddr;
use website::{
    decide::fleet::Standing,
    edges::{self, EdgeError, JoinError, JoinRequest},
};

crate::on_both!(
    a_code_is_good_once,
    a_bad_code_says_why,
    a_space_is_what_it_was_registered_as,
    edges_are_listed
);

async fn a_code_is_good_once(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    let added = edges::add(&app, &location(), "door", "left", &actor()).await.unwrap();
    assert_eq!(added.code.len(), 8);
    let key = SigningKey::from_seed([1; 32]);
    let spelt = format!(" {}-{} ", &added.code[..4].to_lowercase(), &added.code[4..]);
    let joined = join_with(&app, &spelt, key.public()).await.unwrap();
    assert_eq!(
        (&joined.edge, &joined.location, joined.location_name.as_str()),
        (&added.edge, &location(), "Berlin")
    );
    assert_eq!((joined.mqtt.host, joined.mqtt.port), (None, 1883));
    assert_eq!(joined.site_key, app.key.public());
    assert!(matches!(join_with(&app, &added.code, key.public()).await, Err(JoinError::UnknownCode)));

    let again = edges::new_code(&app, &location(), &added.edge, &actor()).await.unwrap();
    assert_eq!(join_with(&app, &again.code, key.public()).await.unwrap().edge, added.edge);
    edges::revoke(&app, &location(), &added.edge, &actor()).await.unwrap();
    let refused = edges::new_code(&app, &location(), &added.edge, &actor()).await.unwrap_err();
    assert!(matches!(refused, EdgeError::Revoked(_)));
}

async fn a_bad_code_says_why(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    let key = SigningKey::from_seed([1; 32]).public();
    let expired = edges::add(&app, &location(), "late", "", &actor()).await.unwrap();
    sql(&app, "UPDATE join_codes SET expires_at = 1").await;
    assert!(matches!(join_with(&app, &expired.code, key).await, Err(JoinError::Expired)));
    let revoked = edges::add(&app, &location(), "revoked", "", &actor()).await.unwrap();
    edges::revoke(&app, &location(), &revoked.edge, &actor()).await.unwrap();
    assert!(matches!(join_with(&app, &revoked.code, key).await, Err(JoinError::UnknownCode)));
    let good = edges::add(&app, &location(), "good", "", &actor()).await.unwrap();
    for _ in 0..8 {
        assert!(matches!(join_with(&app, "AAAAAAAA", key).await, Err(JoinError::UnknownCode)));
    }
    assert!(matches!(join_with(&app, &good.code, key).await, Err(JoinError::Throttled)), "ten were wrong");
    let request = JoinRequest { code: good.code, public_key: key, space: space() };
    edges::join(&app, &request, IpAddr::from([10, 0, 0, 9])).await.expect("another address may");
}

async fn a_space_is_what_it_was_registered_as(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    join(&app, &location(), "first", 1).await;
    let second = edges::add(&app, &location(), "second", "", &actor()).await.unwrap();
    let mut request = JoinRequest {
        code: second.code,
        public_key: SigningKey::from_seed([2; 32]).public(),
        space: space(),
    };
    let peer = IpAddr::from([127, 0, 0, 1]);
    request.space.match_at = Similarity(9000);
    assert!(matches!(edges::join(&app, &request, peer).await, Err(JoinError::SpaceDiffers(_))));
    for (dimension, new_below, match_at) in
        [(0, 6000, 8000), (4096, 6000, 8000), (64, 0, 8000), (64, 9000, 8000), (64, 6000, 10_001)]
    {
        request.space.dimension = dimension;
        (request.space.new_below, request.space.match_at) = (Similarity(new_below), Similarity(match_at));
        assert!(matches!(edges::join(&app, &request, peer).await, Err(JoinError::BadSpace)));
    }
    request.space = space();
    edges::join(&app, &request, peer).await.expect("the code was not used up by any of that");
}

async fn edges_are_listed(stage: Stage) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    let (joined, _) = join(&app, &location(), "b", 1).await;
    edges::add(&app, &location(), "c", "", &actor()).await.unwrap();
    let gone = edges::add(&app, &location(), "a", "", &actor()).await.unwrap();
    edges::revoke(&app, &location(), &gone.edge, &actor()).await.unwrap();
    let list = edges::list(&app, &location()).await.unwrap();
    let seen: Vec<(&str, &Standing)> =
        list.iter().map(|status| (status.edge.name.as_str(), &status.standing)).collect();
    assert_eq!(seen, [("b", &Standing::Silent), ("c", &Standing::WaitsToJoin), ("a", &Standing::Revoked)]);
    assert!(matches!(
        edges::add(&app, &location(), "b", "", &actor()).await,
        Err(EdgeError::NameTaken(name)) if name == "b"
    ));
    let elsewhere = "paris".parse().unwrap();
    assert!(matches!(edges::list(&app, &elsewhere).await, Err(EdgeError::UnknownLocation(_))));
    assert!(matches!(
        edges::revoke(&app, &elsewhere, &joined.edge, &actor()).await,
        Err(EdgeError::Unknown(_))
    ));
}
