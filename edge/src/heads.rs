//! Heads are checked on a task of their own. A check takes as long as dozens of messages, and a removal behind a head must not
//! wait for it: the changes go on to the rules task meanwhile, and the head follows when it is proved. A head that comes
//! after newer changes is compared with what the rows were at its seq. But the head of another epoch decides what the messages
//! behind it mean: these wait for it.

use crate::{inbound::Refusal, input::Input, sync::Event};
use protocol::{Epoch, LocationId, PublicKey, message::SignedHead};
use rumqttc::ManualAck;
use tokio::{sync::mpsc, task::JoinHandle};

/// Heads that wait to be checked at most; beyond it the session waits.
const WAITING_MAX: usize = 64;

/// What checks the heads of one connection.
#[derive(Debug)]
pub struct Heads {
    check: Check,
    waiting: mpsc::Sender<(SignedHead, Option<ManualAck>)>,
    task: JoinHandle<()>,
    /// The epoch of the head that came last.
    epoch: Option<Epoch>,
}

/// With what a head is checked, and where it goes then.
#[derive(Debug, Clone)]
pub struct Check {
    /// The edge's location.
    pub location: LocationId,
    /// The key of the website.
    pub site_key: PublicKey,
    /// Where proved heads go.
    pub inputs: mpsc::Sender<Input>,
    /// Which connection they come on.
    pub link: u64,
}

/// The rules task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RulesEnded;

impl Heads {
    /// Waits for the heads of one connection, until it is dropped.
    pub fn begin(check: Check) -> Self {
        let (waiting, mut heads) = mpsc::channel(WAITING_MAX);
        let here = check.clone();
        let task = tokio::spawn(async move {
            while let Some((head, ack)) = heads.recv().await {
                if here.check(head, ack).await.is_err() {
                    return;
                }
            }
        });
        Self { check, waiting, task, epoch: None }
    }

    /// Takes a head in; it reaches the rules task when it is proved.
    ///
    /// # Errors
    /// When that has ended.
    pub async fn take(&mut self, head: SignedHead, ack: Option<ManualAck>) -> Result<(), RulesEnded> {
        let epoch = Some(head.epoch_named());
        if std::mem::replace(&mut self.epoch, epoch) == epoch {
            self.waiting.send((head, ack)).await.map_err(|_| RulesEnded)
        } else {
            self.check.check(head, ack).await
        }
    }
}

impl Drop for Heads {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Check {
    async fn check(&self, head: SignedHead, ack: Option<ManualAck>) -> Result<(), RulesEnded> {
        let proved = head.verify(&self.location, &self.site_key);
        let event = proved.map(Event::Head).map_err(|_| Refusal::BadSignature);
        let input = Input::Message { event, ack, link: self.link };
        self.inputs.send(input).await.map_err(|_| RulesEnded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{
        Digest, Seq, SigningKey, UnixMs,
        message::{EnrolPolicy, Head},
    };

    fn head(epoch: u64, seq: u64) -> Head {
        Head {
            epoch: Epoch(epoch),
            seq: Seq(seq),
            count: 0,
            digest: Digest::default(),
            last_removal: Seq(0),
            issued_at: UnixMs(1),
            lease_s: 60,
            enrol: EnrolPolicy::Off,
            backed_up_at: None,
        }
    }

    #[tokio::test]
    async fn what_comes_behind_a_head_waits_for_it_only_where_an_epoch_begins() {
        let key = SigningKey::from_seed([1; 32]);
        let location: LocationId = "oslo".parse().unwrap();
        let (inputs, mut taken) = mpsc::channel(16);
        let check = Check { location: location.clone(), site_key: key.public(), inputs, link: 1 };
        let mut heads = Heads::begin(check.clone());
        for (epoch, seq) in [(1, 1), (1, 2), (2, 3), (2, 4)] {
            heads.take(SignedHead::sign(head(epoch, seq), &location, &key), None).await.unwrap();
            let event = Ok(Event::Cleared);
            check.inputs.send(Input::Message { event, ack: None, link: 1 }).await.unwrap();
            if seq == 2 {
                // The first one waits for nothing else.
                while taken.len() < 4 {
                    tokio::task::yield_now().await;
                }
            }
        }
        let mut order = Vec::new();
        while order.len() < 8 {
            let Some(Input::Message { event, .. }) = taken.recv().await else { panic!("a message") };
            order.push(if let Event::Head(head) = event.unwrap() { head.seq.0 } else { 0 });
        }
        assert_eq!(order, [1, 0, 0, 2, 3, 0, 0, 4]);
    }

    #[tokio::test]
    async fn a_head_of_somebody_else_is_refused() {
        let key = SigningKey::from_seed([1; 32]);
        let location: LocationId = "oslo".parse().unwrap();
        let (inputs, mut taken) = mpsc::channel(4);
        let mut heads = Heads::begin(Check { location, site_key: key.public(), inputs, link: 1 });
        for place in ["oslo", "bergen"] {
            let forger = SigningKey::from_seed([2; 32]);
            let signer = if place == "oslo" { &forger } else { &key };
            heads.take(SignedHead::sign(head(1, 1), &place.parse().unwrap(), signer), None).await.unwrap();
            let Some(Input::Message { event, .. }) = taken.recv().await else { panic!("a message") };
            assert_eq!(event, Err(Refusal::BadSignature), "{place}");
        }
    }
}
