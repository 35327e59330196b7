// The copy of a packet that goes into the package's store: its payload is not changed by anybody, so it may be shared.
module.exports = (packet) => ({ ...packet });
