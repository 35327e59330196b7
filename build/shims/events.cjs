// Node's EventEmitter as far as mqtt and mqtt-packet reach it. It is mixed into the client, which never calls its constructor.
class EventEmitter {
  on(event, listener) {
    this._listeners ??= new Map();
    // Never changed in place: who listens may change while they are told.
    this._listeners.set(event, [...(this._listeners.get(event) ?? []), listener]);
    return this;
  }
  once(event, listener) {
    const first = (...values) => {
      this.removeListener(event, first);
      listener.apply(this, values);
    };
    first.listener = listener;
    return this.on(event, first);
  }
  removeListener(event, listener) {
    const left = (this._listeners?.get(event) ?? []).filter((one) => one !== listener && one.listener !== listener);
    this._listeners?.set(event, left);
    return this;
  }
  emit(event, ...values) {
    const listeners = this._listeners?.get(event) ?? [];
    if (event === 'error' && listeners.length === 0) throw values[0];
    for (const listener of listeners) listener.apply(this, values);
    return listeners.length > 0;
  }
}
module.exports = EventEmitter;
module.exports.EventEmitter = EventEmitter;
