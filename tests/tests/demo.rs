//! The demo's script, played as anybody can play it.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use tests::run;

#[test]
fn the_scripted_demo_finds_everything_right() {
    let output = run("demo", ["--scripted", "--json"]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((&report["simulated"], &report["enrolled"]), (&true.into(), &200.into()));
    assert_eq!((&report["digests_equal"], &report["right"]), (&true.into(), &true.into()));
    assert_eq!(report["removal_to_forgotten"].as_object().unwrap().len(), 3, "one figure for each edge");
    assert!(report["catch_up_ms"].as_f64().unwrap() > 0.0);
}
