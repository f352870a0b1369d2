//! What holds for every page.

use crate::{answer::Answer, on_both, scene, stage::Stage};
use protocol::message::Probe;
use std::collections::BTreeSet;

on_both!(every_page_keeps_the_rules, what_people_type_is_only_text, what_is_not_there_is_said_so_in_words);

/// Every page that links and forms lead to from the overview on, each once.
fn walk(stage: &Stage) -> Vec<(String, Answer)> {
    let browser = stage.sign_in();
    let (mut open, mut seen, mut pages) = (vec!["/".to_owned()], BTreeSet::new(), Vec::new());
    open.extend(["/login".to_owned(), "/nothing".to_owned(), "/stores/oslo/changes/3".to_owned()]);
    while let Some(path) = open.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let page = browser.get(&path);
        let links = page.attributes("href").into_iter().filter(|link| !link.starts_with('#'));
        open.extend(links.filter(|link| !link.starts_with("/assets/")));
        pages.push((path, page));
    }
    pages
}

fn furnished(stage: &Stage, name: &str) {
    let oslo = scene::location(stage, "Oslo");
    let ada = scene::customer(stage, &oslo, "face_1", name, 1);
    let gone = scene::customer(stage, &oslo, "face_2", "Bo", 2);
    for n in 3..60 {
        scene::customer(stage, &oslo, &format!("face_{n}"), "", n);
    }
    let door = scene::edge(stage, &oslo, "Door");
    scene::visit(stage, &oslo, &door, 1, Some(&ada), scene::SEEN);
    scene::visit(stage, &oslo, &door, 2, None, scene::SEEN);
    stage.api("DELETE", "/locations/oslo/customers/face_2", "").expect(200);
    scene::report(stage, &oslo, &door, None);
    scene::receipt(stage, &oslo, &door, &gone, 60, Probe::Gone);
    stage.api("POST", "/locations/oslo/edges", r#"{"name":"Till"}"#).expect(201);
}

fn every_page_keeps_the_rules(stage: &Stage) {
    furnished(stage, "Ada");
    let pages = walk(stage);
    assert!(pages.len() > 60, "{} pages", pages.len());
    for wanted in
        ["/", "/stores/new", "/stores/oslo/customers?q=&offset=50", "/stores/oslo/customers/face_1/remove"]
    {
        assert!(pages.iter().any(|(path, _)| path == wanted), "no link leads to {wanted}");
    }
    for (path, page) in &pages {
        assert_eq!(page.status, if path == "/nothing" { 404 } else { 200 }, "{path}: {}", page.body);
        let policy = page.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(!policy.contains("script") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        for word in ["://", "<script", "javascript:", " style=", " onclick=", "embedding", "vector("] {
            assert!(!page.body.contains(word), "{path} holds {word}");
        }
        for attribute in ["href", "src", "action"] {
            for place in page.attributes(attribute) {
                let ours = place.starts_with('#') || (place.starts_with('/') && !place.starts_with("//"));
                assert!(ours, "{path} leads to {place}");
            }
        }
        for id in page.attributes("for") {
            assert!(page.attributes("id").contains(&id), "{path} has a label for nothing: {id}");
        }
    }
    let assets: BTreeSet<String> = pages
        .iter()
        .flat_map(|(_, page)| {
            let places = [page.attributes("href"), page.attributes("src")].concat();
            places.into_iter().filter(|place| place.starts_with("/assets/"))
        })
        .collect();
    assert_eq!(assets.len(), 2, "{assets:?}");
    for asset in assets {
        let answer = stage.send("GET", &asset, &[], "").expect(200);
        assert!(answer.header("cache-control").contains("immutable"));
        let namespace = "xmlns=\"http://www.w3.org/2000/svg\"";
        let text = answer.body.replace(namespace, "");
        assert!(!text.contains("://") && !text.contains("@import"), "{asset} names another host");
    }
    stage.send("GET", "/assets/0000/style.css", &[], "").expect(404);
}

fn what_people_type_is_only_text(stage: &Stage) {
    let evil = "<script>alert('x')</script>\"><img src=x onerror=y>";
    furnished(stage, evil);
    let browser = stage.sign_in();
    browser
        .post("/stores/oslo/edges", "name=%3Cscript%3E&place=%22%3E%3Cimg%3E")
        .expect(200)
        .does_not_say("<script");
    let mut shown = 0;
    for (path, page) in walk(stage) {
        assert!(!page.body.contains("<script") && !page.body.contains("<img src=x"), "{path}");
        shown += usize::from(page.body.contains("&#60;script&#62;") || page.body.contains("&lt;script&gt;"));
    }
    assert_eq!(shown, 8, "the name stands on the pages, as text");
    let search = browser.get("/stores/oslo/customers?q=%22%3E%3Cscript%3E").expect(200);
    search.does_not_say("<script").says("Nobody found");
    browser.get("/stores/oslo/customers?said=%3Cscript%3E").expect(200).does_not_say("<script");
}

fn what_is_not_there_is_said_so_in_words(stage: &Stage) {
    scene::location(stage, "Oslo");
    let browser = stage.sign_in();
    for path in [
        "/nothing",
        "/stores/none/customers",
        "/stores/a%20b/edges",
        "/stores/oslo/customers/none",
        "/stores/oslo/changes/7",
        "/stores/oslo/changes/x",
        "/stores/oslo/edges/none/revoke",
    ] {
        let page = browser.get(path).expect(404).says("<h1>Not here</h1>");
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
    }
    browser.post("/stores/oslo/visits", "").expect(405).says("use its buttons");
    stage.run(stage.app.db.close());
    let page = browser
        .get("/")
        .expect(500)
        .says("Something went wrong")
        .says("Its log says why".to_lowercase().as_str());
    page.does_not_say("Pool").does_not_say("sqlx");
}
