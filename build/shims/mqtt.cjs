// The package's client without its ways to connect (ws, socks, tls, net): the link brings the stream.
exports.MqttClient = require('mqtt/lib/client').default;
exports.ReasonCodes = require('mqtt/lib/handlers/ack').ReasonCodes;
