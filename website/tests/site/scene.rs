//! Where most tests begin.

use crate::{
    edge::FakeEdge,
    stage::{self, Stage, add_location, join, location},
};
use protocol::message::{EnrolPolicy, Head};
use website::Website;

/// A running website with people 0 to `people` as customers, one edge, and the head that this edge has verified.
pub async fn scene(stage: &Stage, enrol: EnrolPolicy, people: u32) -> (Website, FakeEdge, Head) {
    let website = stage.start().await;
    add_location(&website.app, &location(), enrol).await;
    let edge = FakeEdge::connect(&website, join(&website.app, &location(), "door", 1).await).await;
    if people > 0 {
        stage::enrol(&website.app, &location(), 0..people).await;
    }
    let head = edge.until_verified(u64::from(people)).await;
    (website, edge, head)
}
