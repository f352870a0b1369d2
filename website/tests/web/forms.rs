//! What managers do with the forms, and what they then see.

use crate::{on_both, scene, stage::Stage};
use protocol::{Digest, message::Probe};

on_both!(
    a_store_is_added_and_opens,
    a_store_says_what_a_visit_is_worth,
    a_customer_is_renamed_flagged_and_given_points,
    a_removal_is_confirmed_and_followed,
    an_edge_is_added_and_revoked,
    in_sync_is_said_only_of_an_equal_digest,
    a_form_that_is_no_good_is_refused_in_words,
);

const ADA: &str = "/stores/oslo/customers/face_1";

fn a_store_is_added_and_opens(stage: &Stage) {
    let browser = stage.sign_in();
    browser.get("/").expect(200).says("No store yet");
    browser.get("/stores/new").expect(200).says("<option>Europe/Oslo</option>").says("unlawful");
    let page = browser.submit("/stores", "name=Main+Street&time_zone=Europe%2FOslo&enrol=approve");
    page.says("The store is there").says("No edge yet");
    browser.get("/").expect(200).says("Main Street").says("new faces wait for a manager").says("no edge yet");
}

fn a_store_says_what_a_visit_is_worth(stage: &Stage) {
    scene::location(stage, "Oslo");
    let browser = stage.sign_in();
    browser.get("/stores/oslo/customers").expect(200).says("/stores/oslo/settings");
    browser.get("/stores/oslo/settings").expect(200).says("name=\"points_per_visit\" value=\"0\"");
    let page = browser.submit("/stores/oslo/settings/points", "points_per_visit=5");
    page.says("The settings are stored").says("name=\"points_per_visit\" value=\"5\"");
    for form in
        ["points_per_visit=10001", "points_per_visit=-1", "points_per_visit=", "points_per_visit=many"]
    {
        let answer = browser.post("/stores/oslo/settings/points", form).expect(400);
        answer.says("A visit is worth a whole number of points from 0 to 10000.");
    }
    browser.get("/stores/oslo/settings").expect(200).says("value=\"5\"");
    browser
        .post("/stores/none/settings/points", "points_per_visit=5")
        .expect(404)
        .says("There is no location none");
}

fn a_customer_is_renamed_flagged_and_given_points(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    scene::customer(stage, &oslo, "face_1", "", 1);
    let door = scene::edge(stage, &oslo, "Door");
    let browser = stage.sign_in();
    browser.get("/stores/oslo/customers").expect(200).says("no name yet");

    let page = browser.submit(&format!("{ADA}/name"), "name=Ada+L%C3%B8v");
    let page =
        page.says("The new name is stored").says("Ada Løv").says("0 of 1 edges have it").says("not yet");
    page.says("http-equiv=\"refresh\"");
    scene::report(stage, &oslo, &door, None);
    let done = browser.get("/stores/oslo/changes/2").expect(200);
    done.says("The edge of this store has it").says(" ms after the commit").does_not_say("http-equiv");

    let page = browser.submit(&format!("{ADA}/flag"), "flag=red");
    page.says("The new flag is stored").says("New flag");
    browser.submit(&format!("{ADA}/flag"), "flag=red").says("it was so already");
    browser.submit(&format!("{ADA}/points"), "add=50").says("The points are stored");
    let page = browser.submit(&format!("{ADA}/points"), "add=-20").says("There are 30 now");
    page.says("value=\"red\" checked").says("5 Mar 2026, 15:05");
    let list = browser.get("/stores/oslo/customers?q=l%C3%B8v").expect(200);
    list.says("Ada Løv").says("flag-red\">red<").says(">30<").says("Europe/Oslo");
}

fn a_removal_is_confirmed_and_followed(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    let face = scene::customer(stage, &oslo, "face_1", "Ada", 1);
    let (door, till) = (scene::edge(stage, &oslo, "Door"), scene::edge(stage, &oslo, "Till"));
    scene::visit(stage, &oslo, &door, 1, Some(&face), scene::SEEN);
    let browser = stage.sign_in();
    let ask = browser.get(&format!("{ADA}/remove")).expect(200);
    ask.says("this person is a new visitor at the next visit").says("cannot be undone").says("72 hours");
    browser.get(ADA).expect(200).says("Ada");

    let page = browser.submit(&format!("{ADA}/remove"), "");
    let page = page.says("wiped from the website").says("0 of 2 edges have it");
    page.does_not_say("Ada");
    for (edge, probe) in [(&door, Probe::Gone), (&till, Probe::StillFound)] {
        scene::report(stage, &oslo, edge, None);
        scene::receipt(stage, &oslo, edge, &face, 2, probe);
    }
    let page = browser.get("/stores/oslo/changes/2").expect(200);
    page.says("forgotten, and checked").says("still finds this face");
    browser.get(ADA).expect(404).says("Customer face_1 has been removed.");
    browser.get("/stores/oslo/customers").expect(200).does_not_say("Ada");
    browser
        .get("/stores/oslo/visits")
        .expect(200)
        .says("5 Mar 2026, 15:05")
        .says("2 h later")
        .does_not_say("Ada");
}

fn an_edge_is_added_and_revoked(stage: &Stage) {
    scene::location(stage, "Oslo");
    let browser = stage.sign_in();
    let page = browser.post("/stores/oslo/edges", "name=Front+door&place=left").expect(200);
    let page = page.says(&format!("edge join {} ", stage.origin()));
    let code = page.body.split("class=\"code\">").nth(1).unwrap()[..8].to_owned();
    page.says(&format!("edge join {} {code}", stage.origin()));
    let list = browser.get("/stores/oslo/edges").expect(200).says("waiting to join").does_not_say(&code);
    let action = |page: &crate::answer::Answer, end: &str| {
        let mut all = page.attributes("href");
        all.extend(page.attributes("action"));
        all.into_iter().find(|path| path.ends_with(end)).unwrap()
    };
    let again = browser.post(&action(&list, "/code"), "").expect(200);
    again.says("Front door is waiting to join").does_not_say(&code);
    let revoke = action(&list, "/revoke");
    browser.get(&revoke).expect(200).says("Revoke Front door?");
    browser.submit(&revoke, "").says("The edge is revoked").says(">revoked<");
}

fn in_sync_is_said_only_of_an_equal_digest(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    scene::customer(stage, &oslo, "face_1", "Ada", 1);
    let door = scene::edge(stage, &oslo, "Door");
    let browser = stage.sign_in();
    for (digest, expected, never) in
        [(Some(Digest::EMPTY), ">differs<", ">in sync<"), (None, ">in sync<", ">differs<")]
    {
        scene::report(stage, &oslo, &door, digest);
        browser.get("/stores/oslo/edges").expect(200).says(expected).does_not_say(never);
    }
    browser.get("/").expect(200).says(">in sync, 1 offline<");
    scene::report(stage, &oslo, &door, Some(Digest::EMPTY));
    browser.get("/").expect(200).says("0 of 1 edges in sync");
}

fn a_form_that_is_no_good_is_refused_in_words(stage: &Stage) {
    let oslo = scene::location(stage, "Oslo");
    scene::customer(stage, &oslo, "face_1", "Ada", 1);
    let browser = stage.sign_in();
    let long = format!("name={}", "x".repeat(121));
    for (path, form, status, words) in [
        (format!("{ADA}/name"), long.as_str(), 400, "A name has at most 120 characters, this one has 121."),
        (format!("{ADA}/name"), "", 400, "missing field"),
        (format!("{ADA}/flag"), "flag=purple", 400, "A flag is one of none, green, amber, red."),
        (format!("{ADA}/points"), "add=many", 400, "The form cannot be read"),
        (format!("{ADA}/points"), "add=99999999999", 400, "Points are a number from"),
        ("/stores/oslo/customers/none/name".to_owned(), "name=Eve", 404, "There is no customer none"),
        ("/stores/none/customers/none/name".to_owned(), "name=Eve", 404, "There is no location none"),
        ("/stores".to_owned(), "name=&time_zone=UTC&enrol=off", 400, "No id can be made from this name"),
        ("/stores".to_owned(), "name=Oslo&time_zone=UTC&enrol=off", 409, "There is a location oslo already"),
        ("/stores".to_owned(), "name=Bergen&time_zone=&enrol=off", 400, "is no time zone"),
        ("/stores/oslo/edges".to_owned(), "name=", 400, "1 to 120 characters"),
        ("/stores/oslo/edges/none/revoke".to_owned(), "", 404, "There is no edge none"),
    ] {
        let answer = browser.post(&path, form).expect(status);
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
        assert!(answer.body.contains(words), "{path} {form}: {}", answer.body);
    }
    browser.get(ADA).expect(200).says("Ada");
}
