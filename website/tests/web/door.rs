//! Coming in: links, sessions, origins.

use crate::{on_both, scene, stage::Stage};
use website::web;

on_both!(
    a_link_opens_one_session_and_looking_does_not_use_it,
    an_expired_link_opens_nothing,
    the_first_link_is_made_until_somebody_has_come_in,
    without_a_session_every_page_leads_to_the_way_in,
    a_session_ends_by_idling_and_by_signing_out,
    a_change_from_another_site_is_refused,
    a_token_is_needed_for_the_api,
);

fn a_link_opens_one_session_and_looking_does_not_use_it(stage: &Stage) {
    let link = stage.run(web::login::new_link(&stage.app.db)).unwrap();
    let origin = stage.origin();
    for _ in 0..3 {
        stage.send("GET", &link, &[], "").expect(200).says("Sign in</button>");
    }
    stage.send("POST", &link, &[], "").expect(403);
    stage.send("POST", &link, &[("origin", "http://elsewhere.example")], "").expect(403);
    let answer = stage.send("POST", &link, &[("origin", &origin)], "").expect(303);
    assert_eq!(answer.header("location"), "/");
    let cookie = answer.header("set-cookie").to_owned();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "the stage is plain http");
    let cookie = cookie.split(';').next().unwrap();
    stage.send("GET", "/", &[("cookie", cookie)], "").expect(200).says("Stores");

    stage.send("GET", &link, &[], "").expect(410).says("used already").says("website admin link");
    stage.send("POST", &link, &[("origin", &origin)], "").expect(410);
    let never = format!("/login/{}", "0".repeat(64));
    for link in [never.as_str(), "/login/nonsense"] {
        stage.send("GET", link, &[], "").expect(410);
        stage.send("POST", link, &[("origin", &origin)], "").expect(410);
    }

    let behind_https = stage.run(web::login::new_link(&stage.app.db)).unwrap();
    let headers = [("sec-fetch-site", "same-origin"), ("origin", "https://shop.example")];
    let answer = stage.send("POST", &behind_https, &headers, "").expect(303);
    assert!(answer.header("set-cookie").ends_with("; Secure"));
}

fn an_expired_link_opens_nothing(stage: &Stage) {
    let link = stage.run(web::login::new_link(&stage.app.db)).unwrap();
    let origin = stage.origin();
    stage.sql("UPDATE login_links SET expires_at = expires_at - 86400000");
    stage.send("GET", &link, &[], "").expect(410);
    stage.send("POST", &link, &[("origin", &origin)], "").expect(410);
    let link = stage.run(web::login::new_link(&stage.app.db)).unwrap();
    stage.sql("UPDATE login_links SET expires_at = expires_at - 86000000");
    stage.send("POST", &link, &[("origin", &origin)], "").expect(303);
}

fn the_first_link_is_made_until_somebody_has_come_in(stage: &Stage) {
    let first = || stage.run(web::login::first_link(&stage.app.db)).unwrap();
    let (missed, taken) = (first().unwrap(), first().unwrap());
    assert_ne!(missed, taken);
    let origin = stage.origin();
    let cookie = stage.send("POST", &taken, &[("origin", &origin)], "").expect(303);
    assert_eq!(first(), None);
    let cookie = cookie.header("set-cookie").split(';').next().unwrap();
    stage.send("POST", "/logout", &[("origin", &origin), ("cookie", cookie)], "").expect(303);
    assert_eq!(first(), None);
}

fn without_a_session_every_page_leads_to_the_way_in(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    let face = scene::customer(stage, &oslo, "face_1", "Ada", 1);
    let customer = format!("/stores/oslo/customers/{face}");
    let origin = stage.origin();
    let rows = [
        ("GET", "/".to_owned()),
        ("GET", "/stores/new".to_owned()),
        ("GET", "/stores/oslo".to_owned()),
        ("GET", "/stores/oslo/customers".to_owned()),
        ("GET", customer.clone()),
        ("GET", format!("{customer}/remove")),
        ("GET", "/stores/oslo/edges".to_owned()),
        ("GET", "/stores/oslo/visits".to_owned()),
        ("GET", "/stores/oslo/changes/1".to_owned()),
        ("GET", "/stores/oslo/edges/x/revoke".to_owned()),
        ("POST", "/stores".to_owned()),
        ("POST", format!("{customer}/name")),
        ("POST", format!("{customer}/flag")),
        ("POST", format!("{customer}/points")),
        ("POST", format!("{customer}/remove")),
        ("POST", "/stores/oslo/edges".to_owned()),
        ("POST", "/stores/oslo/edges/x/code".to_owned()),
        ("POST", "/stores/oslo/edges/x/revoke".to_owned()),
    ];
    let stranger = format!("regulars_session={}", "0".repeat(64));
    for (method, path) in rows {
        for cookie in ["", &stranger] {
            let form = ("content-type", "application/x-www-form-urlencoded");
            let headers = [("origin", origin.as_str()), ("cookie", cookie), form];
            let answer = stage.send(method, &path, &headers, "name=Eve&flag=red&add=1").expect(303);
            assert_eq!(answer.header("location"), "/login", "{method} {path}");
        }
    }
    stage.api("GET", "/locations/oslo/customers/face_1", "").expect(200).says("\"name\":\"Ada\"");
    stage.send("GET", "/login", &[], "").expect(200).says("website admin link");
}

fn a_session_ends_by_idling_and_by_signing_out(stage: &Stage) {
    let (idle, leaving) = (stage.sign_in(), stage.sign_in());
    stage.sql("UPDATE sessions SET last_used_at = last_used_at - 604700000");
    idle.get("/").expect(200);
    let answer = leaving.post("/logout", "").expect(303);
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    leaving.get("/").expect(303);
    idle.get("/").expect(200);
    stage.sql("UPDATE sessions SET last_used_at = last_used_at - 604800000");
    let answer = idle.get("/").expect(303);
    assert_eq!(answer.header("location"), "/login");
}

fn a_change_from_another_site_is_refused(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    scene::customer(stage, &oslo, "face_1", "Ada", 1);
    let browser = stage.sign_in();
    let path = "/stores/oslo/customers/face_1";
    for origin in ["http://elsewhere.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", ""] {
        let answer = browser.post_from(origin, &format!("{path}/name"), "name=Eve").expect(403);
        answer.says("did not come from a page of this website");
        browser.post_from(origin, &format!("{path}/remove"), "").expect(403);
        browser.post_from(origin, "/logout", "").expect(403);
    }
    let session = [("cookie", browser.cookie.as_str())];
    stage.send("POST", &format!("{path}/remove"), &session, "").expect(403);
    browser.get(path).expect(200).says("Ada");
}

fn a_token_is_needed_for_the_api(stage: &Stage) {
    scene::location(stage, "Oslo");
    let token = stage.run(web::token::create(&stage.app.db, "till")).unwrap();
    let good = format!("Bearer {token}");
    stage.send("GET", "/api/v1/locations", &[("authorization", &good)], "").expect(200);
    let (start, secret) = token.rsplit_once('_').unwrap();
    let other = stage.run(web::token::create(&stage.app.db, "other")).unwrap();
    let browser = stage.sign_in();
    for wrong in [
        String::new(),
        "Bearer".to_owned(),
        token.clone(),
        format!("Basic {token}"),
        format!("Bearer {start}_{}", "0".repeat(64)),
        format!("Bearer {start}_{}", other.rsplit_once('_').unwrap().1),
        format!("Bearer regulars_ffffffffffff_{secret}"),
    ] {
        let headers = [("authorization", wrong.as_str()), ("cookie", &browser.cookie)];
        let answer = stage.send("GET", "/api/v1/locations", &headers, "").expect(401);
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        answer.says("website token create NAME");
    }
    let error = stage.run(web::token::create(&stage.app.db, "till")).unwrap_err();
    assert_eq!(error.to_string(), "there is already a token of that name, choose another");
    for name in ["", "a\nb", &"x".repeat(65)] {
        stage.run(web::token::create(&stage.app.db, name)).unwrap_err();
    }
}
