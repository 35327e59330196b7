// Of its whole package.json the client reads the version, for a line of its log.
exports.version = '5';
