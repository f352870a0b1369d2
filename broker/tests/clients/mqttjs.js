// mqtt.js over WebSocket. PORT VERSION publish TOPIC TEXT RETAIN or PORT VERSION listen FILTER COUNT
// KEEPS_ITS_SESSION ID, see kinds.rs.
const mqtt = require("mqtt");

const [port, version, verb, topic, ...rest] = process.argv.slice(1);
const five = version === "5";
const keeps = verb === "listen" && rest[1] === "1";
const options = {
  protocolVersion: Number(version),
  clientId: verb === "listen" ? rest[2] : "publisher",
  username: "website",
  password: "secret",
  clean: !keeps,
  reconnectPeriod: 0,
};
if (five && keeps) options.properties = { sessionExpiryInterval: 3600 };
const client = mqtt.connect(`ws://127.0.0.1:${port}/mqtt`, options);
const fail = (why) => {
  console.error(String(why));
  process.exit(2);
};
setTimeout(() => fail("not in time"), 20000).unref();
client.on("error", fail);

let left = verb === "listen" ? Number(rest[0]) : 0;
client.on("message", (topic, payload, packet) => {
  console.log(topic, payload.toString(), packet.retain ? 1 : 0);
  left -= 1;
  if (left === 0) client.end();
});
client.on("connect", (connack) => {
  if (verb === "publish") {
    client.publish(topic, rest[0], { qos: 1, retain: rest[1] === "1" }, (error) => (error ? fail(error) : client.end()));
  } else if (!connack.sessionPresent) {
    client.subscribe(topic, { qos: 1 }, (error) => (error ? fail(error) : left === 0 && client.end()));
  }
});
