// `process.nextTick` takes arguments on every host of ours.
module.exports = process;
