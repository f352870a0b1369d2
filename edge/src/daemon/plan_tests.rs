use super::*;
use crate::{
    daemon::batch::After,
    store::{CountedVisit, NewVisit, OwnFace},
    sync::{Core, Diagnosis, Fate, Loaded, Now, Provisional, Put, Ran, VisitKey},
};
use protocol::{
    Embedding, Epoch, FaceId, RowHash, Seq, StreamId, UnixMs,
    message::{Basis, Customer, Flag, ReceiptKey, Seen},
};

const EPOCH: Epoch = Epoch(7);

fn face() -> FaceId {
    "ada".parse().unwrap()
}

fn put() -> Command {
    let customer = Customer {
        name: "Ada".parse().unwrap(),
        flag: Flag::None,
        space: "s".parse().unwrap(),
        embedding: Embedding::from_f32(&[1.0, 0.0]).unwrap(),
    };
    let (epoch, seq, hash) = (EPOCH, Seq(9), RowHash(1));
    Command::Put(Box::new(Put { face_id: face(), epoch, seq, hash, customer }))
}

fn key() -> ReceiptKey {
    ReceiptKey { face_id: face(), epoch: EPOCH, seq: Seq(9) }
}

fn remove() -> Command {
    Command::Remove { key: key(), merged_into: None }
}

fn visit(seen: Seen) -> CountedVisit {
    let own = matches!(seen, Seen::New { .. }).then(|| OwnFace {
        rule: Provisional { basis: (EPOCH, Seq(1)), settled: None },
        space: "s".parse().unwrap(),
        embedding: Embedding::from_f32(&[1.0, 0.0]).unwrap(),
    });
    let basis = Basis { epoch: EPOCH, verified: Seq(1), staleness_s: 0 };
    let visit = NewVisit { key: VisitKey { stream: StreamId(1), n: 1 }, at: UnixMs(0), seen, basis };
    CountedVisit { visit, lost: vec![], own }
}

fn new_face() -> Seen {
    let embedding = Embedding::from_f32(&[1.0, 0.0]).unwrap();
    Seen::New { face_id: face(), space: "s".parse().unwrap(), embedding }
}

fn on_disk() -> OnDisk {
    let standing = Standing { epoch: Some(EPOCH), floor: Seq(5), ..Standing::default() };
    let lease = Lease { issued_at: UnixMs(50), lease_s: 60 };
    OnDisk { standing, lease: Some((lease, EnrolPolicy::Auto)) }
}

/// A batch after which the files hold what `after` says.
fn batch(commands: Vec<Command>, visits: Vec<CountedVisit>, after: OnDisk) -> Batch {
    let now = Now { wall: UnixMs(0), ran: Ran(0) };
    let claim = Core::load(Loaded::default(), StreamId(1), now).claim(now);
    let after = After { standing: after.standing, lease: after.lease, claim };
    Batch { number: 1, inputs: 1, commands, visits, after }
}

fn on_files(mut steps: Vec<Step>) -> Vec<Step> {
    let after = steps.split_off(steps.len() - AFTER.len());
    assert_eq!(after, AFTER, "whatever is stored, the same follows");
    assert!(steps.iter().all(|step| step.is_on_disk()) && !AFTER.iter().any(|step| step.is_on_disk()));
    steps
}

/// What it is, what was ruled, the visits, what the files hold, and the steps that follow.
type Case = (&'static str, Vec<Command>, Vec<CountedVisit>, OnDisk, Vec<Step>);

#[test]
fn every_kind_of_batch_has_its_order() {
    use Flush::{AtCommit, Later};
    use Step::*;
    let same = on_disk();
    let floor = OnDisk { standing: Standing { floor: Seq(9), ..same.standing }, ..same };
    let epoch = OnDisk { standing: Standing { epoch: Some(Epoch(8)), ..floor.standing }, ..floor };
    let lease = Lease { issued_at: UnixMs(60), lease_s: 60 };
    let renewed = OnDisk { lease: Some((lease, EnrolPolicy::Auto)), ..same };
    let given_up = OnDisk { lease: None, ..same };
    let why = Diagnosis { at: UnixMs(1), epoch: EPOCH, as_of: Seq(1), rows: 1, faces: vec![] };
    let end = |fate| Command::EndProvisional(face(), fate);
    let keys = vec![VisitKey { stream: StreamId(1), n: 1 }];
    let erased = |at: Flush| vec![WriteCache(Later), EmptyCacheLog, WriteOutbox(at), EmptyOutboxLog];
    let probed = |at: Flush| [vec![Probe], erased(at)].concat();
    let table: Vec<Case> = vec![
        ("nothing", vec![], vec![], same, vec![]),
        ("only words", vec![Command::ReadAgain], vec![], same, vec![]),
        ("a change", vec![put()], vec![], same, vec![WriteCache(AtCommit)]),
        ("a change and its head", vec![put()], vec![], floor, vec![WriteCache(AtCommit), WriteOutbox(Later)]),
        ("a head that says nothing else", vec![], vec![], floor, vec![WriteOutbox(AtCommit)]),
        ("a lease", vec![], vec![], renewed, vec![WriteCache(AtCommit)]),
        ("an epoch", vec![], vec![], epoch, vec![WriteOutbox(AtCommit)]),
        (
            "an epoch, and rows",
            vec![put()],
            vec![],
            epoch,
            vec![FlushOutbox, WriteCache(AtCommit), WriteOutbox(AtCommit)],
        ),
        ("a removal", vec![put(), remove()], vec![], floor, probed(Later)),
        (
            "a removal and an epoch",
            vec![remove()],
            vec![],
            epoch,
            [vec![FlushOutbox], probed(AtCommit)].concat(),
        ),
        ("a drop", vec![Command::Drop { face_id: face(), as_of: Seq(9) }], vec![], same, erased(Later)),
        ("rows given up", vec![Command::GiveUp(why)], vec![], given_up, erased(Later)),
        ("a face declined", vec![end(Fate::Declined)], vec![], same, erased(Later)),
        ("a face that is a customer", vec![end(Fate::Customer)], vec![], same, vec![WriteCache(AtCommit)]),
        (
            "visits settled",
            vec![Command::MarkSettled(keys, UnixMs(1))],
            vec![],
            same,
            vec![WriteOutbox(AtCommit)],
        ),
        (
            "receipts stored",
            vec![Command::ForgetReceipts(vec![key()])],
            vec![],
            same,
            vec![WriteCache(Later), WriteOutbox(AtCommit)],
        ),
        ("a visit", vec![], vec![visit(Seen::Anonymous)], same, vec![StoreVisits]),
        ("a new face", vec![], vec![visit(new_face())], same, vec![StoreVisits, StoreFaces]),
        (
            "a head, then a visit on it",
            vec![],
            vec![visit(Seen::Anonymous)],
            floor,
            vec![WriteOutbox(AtCommit), StoreVisits],
        ),
    ];
    for (what, commands, visits, after, expected) in table {
        let batch = batch(commands, visits, after);
        let steps = plan(&batch, &on_disk());
        assert_eq!(on_disk().after(&steps, &batch).standing, after.standing, "{what}");
        assert_eq!(on_files(steps), expected, "{what}");
    }
}

#[test]
fn a_start_finishes_what_a_kill_has_kept_back_and_makes_the_rest_durable() {
    use Step::*;
    let later = Standing { floor: Seq(9), ..on_disk().standing };
    let [all, nothing] = [true, false].map(|writes| {
        let mut steps = vec![EmptyCacheLog, WriteOutbox(Flush::AtCommit), EmptyOutboxLog];
        steps.retain(|step| writes || !matches!(step, WriteOutbox(_)));
        steps
    });
    for (commands, after, expected) in [
        (vec![], on_disk(), nothing),
        (vec![remove()], on_disk(), all.clone()),
        (vec![], OnDisk { standing: later, ..on_disk() }, all),
    ] {
        assert_eq!(on_files(plan_of_start(&batch(commands, vec![], after), &on_disk())), expected);
    }
}

#[test]
fn every_point_is_one_at_which_a_test_can_kill() {
    use Step::*;
    let both = [Flush::AtCommit, Flush::Later];
    let writes = both.into_iter().flat_map(|flush| [WriteCache(flush), WriteOutbox(flush)]);
    let others = [FlushOutbox, Probe, EmptyCacheLog, EmptyOutboxLog, StoreVisits, StoreFaces];
    let mut points = 0;
    for point in writes.chain(others).chain(AFTER).filter_map(Step::point) {
        assert!(crash_point::EDGE.contains(&point), "{point}");
        points += 1;
    }
    assert_eq!(points, 10);
}
