"""paho-mqtt, of either generation of its interface. PORT VERSION publish TOPIC TEXT RETAIN
or PORT VERSION listen FILTER COUNT KEEPS_ITS_SESSION ID, see kinds.rs."""
import sys
import threading
import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

port, version, verb, topic, *rest = sys.argv[1:]
five = version == "5"
keeps = verb == "listen" and rest[1] == "1"
settings = {"client_id": rest[2] if verb == "listen" else "publisher", "protocol": int(version)}
if not five:
    settings["clean_session"] = not keeps
if hasattr(mqtt, "CallbackAPIVersion"):
    settings["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION2
client = mqtt.Client(**settings)
client.username_pw_set("website", "secret")

connected, done, got = threading.Event(), threading.Event(), []
wanted = int(rest[0]) if verb == "listen" else 0
present = []


def on_connect(client, data, flags, *_):
    known = flags["session present"] if isinstance(flags, dict) else flags.session_present
    present.append(known)
    connected.set()


def on_message(client, data, message):
    got.append(f"{message.topic} {message.payload.decode()} {int(message.retain)}")
    if len(got) >= wanted:
        done.set()


def on_subscribe(*_):
    if wanted == 0:
        done.set()


client.on_connect, client.on_message, client.on_subscribe = on_connect, on_message, on_subscribe
options = {}
if five:
    options["clean_start"] = not keeps
    options["properties"] = Properties(PacketTypes.CONNECT)
    if keeps:
        options["properties"].SessionExpiryInterval = 3600
client.connect("127.0.0.1", int(port), **options)
client.loop_start()
assert connected.wait(20), "no CONNACK"
if verb == "publish":
    published = client.publish(topic, rest[0], qos=1, retain=rest[1] == "1")
    published.wait_for_publish(20)
    assert published.is_published(), "no PUBACK"
else:
    # A session that is known needs no new subscription.
    if not present[0]:
        client.subscribe(topic, 1)
    assert done.wait(20), f"only {len(got)} of {wanted}"
    for line in got:
        print(line)
client.disconnect()
client.loop_stop()
