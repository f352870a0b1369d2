use crate::support::{Bystander, DEADLINE, start};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use test_kit::mqtt::v3::{Hello as HelloFour, packet, text};
use test_kit::mqtt::v5::{Hello, Property, byte, long, number, publish, string, user};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const NAMES: [&str; 9] = [
    "store/A/visits/e1",
    "store/A/customers/#",
    "store/A/edges/e1/inbox",
    "$share/g/store/A/customers/#",
    "view/A/edges/e1",
    "store/B/customers/f1",
    "",
    "é/+",
    "#",
];

fn name() -> impl Strategy<Value = &'static str> {
    (0..NAMES.len()).prop_map(|at| NAMES[at])
}

fn property() -> impl Strategy<Value = Property> {
    prop_oneof![
        (0..3_u8).prop_map(|value| byte(0x01, value)),
        (0..3_u32).prop_map(|value| long(0x02, value)),
        (0..40_u16).prop_map(|value| number(0x23, value)),
        (0..3_u8).prop_map(|value| (0x0b, vec![value])),
        name().prop_map(|value| string(0x08, value)),
        name().prop_map(|value| user("n", value)),
    ]
}

/// Packets as a client might send them, few of them right; those of MQTT 3.1.1 have no properties.
fn any_packet(five: bool) -> impl Strategy<Value = Vec<u8>> {
    let section = |properties: &[Property]| test_kit::mqtt::v5::section(properties);
    let none = move || if five { vec![0] } else { vec![] };
    prop_oneof![
        4 => (name(), 0..16_u8, 0..4_u16, prop::collection::vec(property(), 0..3)).prop_map(
            move |(topic, flags, id, properties)| {
                if five {
                    return publish(topic, "x", flags, id, &properties);
                }
                test_kit::mqtt::v3::publish(topic, b"x", flags, (flags & 6 != 0).then_some(id))
            }
        ),
        3 => (name(), 0..64_u8, 0..4_u16, prop::collection::vec(property(), 0..2)).prop_map(
            move |(filter, options, id, properties)| {
                let properties = if five { section(&properties) } else { vec![] };
                packet(0x82, &[&id.to_be_bytes()[..], &properties, &text(filter), &[options]].concat())
            }
        ),
        1 => (name(), 0..4_u16).prop_map(move |(filter, id)| {
            packet(0xa2, &[&id.to_be_bytes()[..], &none(), &text(filter)].concat())
        }),
        3 => (4..8_u8, 0..4_u16, prop::option::of(any::<u8>())).prop_map(|(kind, id, reason)| {
            let flags = if kind == 6 { 2 } else { 0 };
            let reason = reason.map_or(vec![], |reason| vec![reason]);
            packet(kind << 4 | flags, &[&id.to_be_bytes()[..], &reason].concat())
        }),
        1 => prop::collection::vec(any::<u8>(), 0..12),
        1 => Just(vec![0xc0, 0]),
        1 => (0..5_u8).prop_map(|reason| packet(0xe0, &[reason])),
    ]
}

/// Whatever a connected client sends, in whatever order: it is answered or disconnected, its next
/// connection is accepted, and no other client notices.
#[test]
fn any_sequence_of_packets_harms_only_its_sender() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (broker, mut bystander) = runtime.block_on(async {
        let broker = start().await;
        let bystander = Bystander::new(&broker).await;
        (broker, bystander)
    });
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let sequences =
        any::<bool>().prop_flat_map(|five| (Just(five), prop::collection::vec(any_packet(five), 0..16)));
    let attacked = runner.run(&sequences, |(five, packets)| {
        let hello = if five {
            Hello { clean: false, ..Hello::lasting("e1") }.bytes()
        } else {
            HelloFour { clean: false, ..HelloFour::of("e1") }.bytes()
        };
        let attack = async {
            let mut stream = TcpStream::connect(broker.address()).await.unwrap();
            stream.write_all(&hello).await.unwrap();
            let mut answer = [0; 4];
            stream.read_exact(&mut answer).await.unwrap();
            // It may have been thrown out before it has said everything.
            let _ = stream.write_all(&packets.concat()).await;
            let _ = stream.shutdown().await;
            // A reset is as good as an end.
            let _ = stream.read_to_end(&mut Vec::new()).await;
            answer
        };
        let answer = runtime.block_on(async { tokio::time::timeout(DEADLINE, attack).await });
        let code = answer.expect("neither answered nor thrown out")[3];
        prop_assert_eq!(code, 0, "not accepted");
        Ok(())
    });
    attacked.unwrap();
    runtime.block_on(bystander.is_well(&broker));
}
