//! An edge reduced to its words: what a test needs to speak as one, and to hear what one hears.

use crate::Website;
use edge::Identity;
use protocol::{codec::Message, message::*, *};
use rumqttc::{Client, Connection, Event, MqttOptions, NetworkOptions, Packet, PublishOptions, QoS};
use serde_json::json;
use std::time::{Duration, Instant};

/// An edge that has joined and holds its credentials.
pub struct Joined {
    /// Its id.
    pub edge: EdgeId,
    /// Its location.
    pub location: LocationId,
    /// Its login token.
    pub token: String,
    key: SigningKey,
    site_key: PublicKey,
    digest_key: DigestKey,
    broker: (String, u16),
}

/// The space of the vectors in [`crate::person`].
pub(crate) const SPACE: &str = "simulated-512";

impl Joined {
    /// Joins `location` as an edge whose model makes simulated vectors.
    #[track_caller]
    pub fn join(website: &Website, location: &str, name: &str) -> Self {
        let seed = name.bytes().fold([7; 32], |mut seed: [u8; 32], byte| {
            seed.rotate_left(1);
            seed[0] ^= byte;
            seed
        });
        let key = SigningKey::from_seed(seed);
        let body = json!({
            "code": website.join_code(location, name),
            "public_key": key.public().to_string(),
            "space": { "id": SPACE, "dimension": 512, "match": 0.55, "new": 0.45 },
        });
        let answer = website.call("POST", "/api/edge/join", &body).ok();
        let text = |field: &str| answer[field].as_str().unwrap().to_owned();
        Self {
            edge: text("edge").parse().unwrap(),
            location: text("location").parse().unwrap(),
            token: text("token"),
            key,
            site_key: text("site_key").parse().unwrap(),
            digest_key: DigestKey::from_bytes(hex::decode(text("digest_key")).unwrap().try_into().unwrap()),
            broker: ("127.0.0.1".to_owned(), website.mqtt.port()),
        }
    }

    /// Opens its MQTT session.
    pub fn connect(&self) -> (Client, Connection) {
        let mut options = MqttOptions::new(self.edge.as_str(), self.broker.clone());
        options.set_credentials(self.edge.as_str(), self.token.clone());
        options.set_clean_session(false);
        options.set_max_packet_size(256 * 1024, 256 * 1024);
        let (client, mut connection) = Client::builder(options).capacity(1024).build();
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        connection.eventloop.set_network_options(network);
        (client, connection)
    }

    /// Checks a head's signature.
    pub fn verify(&self, head: SignedHead) -> Result<Head, BadSignature> {
        head.verify(&self.location, &self.site_key)
    }

    /// The head that the broker holds now.
    pub fn head(&self) -> Head {
        let (client, mut connection) = self.connect();
        let topic = Topic::Head(self.location.clone()).to_string();
        client.subscribe(&topic, QoS::AtLeastOnce).unwrap();
        let payload = receive(&mut connection, |t| t == topic);
        client.disconnect().unwrap();
        while let Ok(Ok(_)) = connection.recv() {}
        self.verify(SignedHead::decode(&payload).unwrap()).unwrap()
    }

    /// Enrols these faces as one edge that saw them all, and waits until the website has settled them.
    pub fn enrol(&self, faces: &[(FaceId, Vec<f32>)]) {
        let head = self.head();
        let basis = Basis { epoch: head.epoch, verified: head.seq, staleness_s: 0 };
        let (client, mut connection) = self.connect();
        client.subscribe(filters::inbox(&self.location, &self.edge), QoS::AtLeastOnce).unwrap();
        let topic = Topic::Visits(self.location.clone(), self.edge.clone()).to_string();
        let stream = StreamId(faces.len() as u64);
        let visits: Vec<_> = (1..)
            .zip(faces)
            .map(|(n, (face_id, vector))| Visit {
                stream,
                n,
                first_unsettled: 1,
                at: UnixMs(1_800_000_000_000),
                sent_at: UnixMs(1_800_000_000_000),
                seen: Seen::New {
                    face_id: face_id.clone(),
                    space: SPACE.parse().unwrap(),
                    embedding: Embedding::from_f32(vector).unwrap(),
                },
                basis,
            })
            .collect();
        let sender = client.clone();
        std::thread::spawn(move || {
            let options = || PublishOptions::new(QoS::AtLeastOnce);
            visits.iter().for_each(|v| sender.publish(&topic, v.encode(), options()).unwrap());
        });
        let last = faces.len() as u64;
        loop {
            let payload = receive(&mut connection, |topic| topic.ends_with("/inbox"));
            if matches!(Inbox::decode(&payload), Ok(Inbox::Settled(s)) if s.stream == stream && s.through == last)
            {
                break;
            }
        }
        client.disconnect().unwrap();
        while let Ok(Ok(_)) = connection.recv() {}
    }

    /// The same as the edge's own program keeps it.
    pub fn identity(self) -> Identity {
        let (host, port) = self.broker;
        Identity {
            edge: self.edge,
            location: self.location.clone(),
            location_name: self.location.to_string(),
            host,
            port,
            encryption: edge::Encryption::None,
            token: self.token,
            key: self.key,
            site_key: self.site_key,
            digest_key: self.digest_key,
        }
    }
}

/// The payload of the next message on a topic that `wanted` says yes to; at most a minute.
fn receive(connection: &mut Connection, wanted: impl Fn(&str) -> bool) -> Vec<u8> {
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        match connection.recv_timeout(Duration::from_secs(1)) {
            Ok(Ok(Event::Incoming(Packet::Publish(publish)))) => {
                let topic = String::from_utf8_lossy(publish.topic.as_ref()).into_owned();
                if wanted(&topic) {
                    return publish.payload.to_vec();
                }
            }
            Ok(Err(error)) => panic!("the connection ended: {error}"),
            Ok(_) | Err(_) => {}
        }
    }
    panic!("nothing came within a minute");
}
