//! One sample of every kind of message, shared by the tests of this folder.
#![allow(dead_code, clippy::unwrap_used)]

use protocol::{message::*, *};

pub fn location() -> LocationId {
    "oslo-1".parse().unwrap()
}

pub fn edge() -> EdgeId {
    "edge_A".parse().unwrap()
}

pub fn face(n: u32) -> FaceId {
    format!("visitor_{n}").parse().unwrap()
}

pub fn embedding() -> Embedding {
    Embedding::from_f32(&[1.0, -2.0, 3.0, -4.0]).unwrap()
}

pub fn customer() -> Customer {
    Customer {
        name: "Åse".parse().unwrap(),
        flag: Flag::Red,
        space: "toy-4d".parse().unwrap(),
        embedding: embedding(),
    }
}

pub fn live() -> Change {
    Change { epoch: Epoch(0xE), face_id: face(5), seq: Seq(300), state: CustomerState::Live(customer()) }
}

pub fn merged() -> Change {
    let state = CustomerState::Removed { merged_into: Some(face(5)) };
    Change { epoch: Epoch(0xE), face_id: face(6), seq: Seq(301), state }
}

pub fn head() -> Head {
    Head {
        epoch: Epoch(0xE),
        seq: Seq(301),
        count: 1,
        digest: Digest::of([DigestKey::from_bytes([3; 32]).hash(&face(5), Seq(300), &customer())]),
        last_removal: Seq(299),
        issued_at: UnixMs(1_800_000_000_000),
        lease_s: 259_200,
        enrol: EnrolPolicy::Approve,
        backed_up_at: Some(UnixMs(1_799_999_000_000)),
    }
}

pub fn website_key() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

pub fn edge_key() -> SigningKey {
    SigningKey::from_seed([2; 32])
}

pub fn applied() -> Applied {
    Applied {
        epoch: Epoch(0xE),
        verified: Seq(301),
        digest: head().digest,
        count: 1,
        state: SyncState::Verified,
        start: Start { count: 7, nonce: Nonce(9) },
        space: "toy-4d".parse().unwrap(),
        at: UnixMs(1_800_000_000_500),
        lease_until: UnixMs(1_800_259_200_000),
        queued: 2,
        refused: 0,
        repairs: RepairCounts { missed: 1, ..RepairCounts::default() },
        receipts: vec![Receipt {
            key: receipt_key(),
            removed_at: UnixMs(1_800_000_000_400),
            probe: Probe::Gone,
        }],
    }
}

pub fn receipt_key() -> ReceiptKey {
    ReceiptKey { face_id: face(6), epoch: Epoch(0xE), seq: Seq(301) }
}

pub fn visit(seen: Seen) -> Visit {
    Visit {
        stream: StreamId(11),
        n: 4,
        first_unsettled: 2,
        at: UnixMs(1_800_000_000_100),
        sent_at: UnixMs(1_800_000_000_600),
        seen,
        basis: Basis { epoch: Epoch(0xE), verified: Seq(301), staleness_s: 12 },
    }
}

pub fn visits() -> [Visit; 3] {
    let similarity = Similarity::from_cosine(0.6712);
    [
        visit(Seen::Known { face_id: face(5), similarity }),
        visit(Seen::New { face_id: face(8), space: "toy-4d".parse().unwrap(), embedding: embedding() }),
        visit(Seen::Anonymous),
    ]
}

pub fn inboxes() -> [Inbox; 5] {
    let row = RosterRow { face_id: face(5), seq: Seq(300), hash: 0x0102_0304_0506_0708 };
    let buckets =
        vec![BucketRoster { bucket: 0, rows: vec![] }, BucketRoster { bucket: 1023, rows: vec![row] }];
    let (epoch, round) = (Epoch(0xE), Round(77));
    [
        Inbox::Roster(Roster { epoch, round, as_of_seq: Seq(301), page: 0, pages: 1, buckets }),
        Inbox::Change { round, change: live() },
        Inbox::Settled(Settled {
            epoch,
            seq: Seq(301),
            stream: StreamId(11),
            from: 2,
            through: 4,
            at: UnixMs(1_800_000_000_700),
        }),
        Inbox::ReceiptsStored(ReceiptsStored { receipts: vec![receipt_key()] }),
        Inbox::Command(Command::Repair),
    ]
}

pub fn reports() -> [Report; 3] {
    let buckets = BucketDigests::of([(&face(5), RowHash(5))]);
    [
        Report::Applied(Box::new(SignedApplied::sign(applied(), &location(), &edge(), &edge_key()))),
        Report::Repair(Repair { epoch: Epoch(0xE), round: Round(77), buckets }),
        Report::Want(Want { epoch: Epoch(0xE), round: Round(77), faces: vec![face(5), face(6)] }),
    ]
}

pub fn signed_head() -> SignedHead {
    SignedHead::sign(head(), &location(), &website_key())
}
