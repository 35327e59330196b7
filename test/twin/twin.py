#!/usr/bin/python3
"""A second implementation of "What is signed" in docs/PROTOCOL.md, written from that page and the RFCs it names, over Debian's python3-cbor2
and python3-cryptography. It shares nothing with the first one; where the two disagree, one of them or the page is wrong.

Reads a list of jobs as JSON on stdin and writes the list of their answers on stdout. Bytes are in hex."""

import hashlib
import io
import json
import re
import sys

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Refused(Exception):
    """The message is none of ours: where, and why."""


def need(condition, where, why):
    if not condition:
        raise Refused(f"{where}: {why}")


# ── Deterministic CBOR (RFC 8949, 4.2.1) ────────────────────────────────────────────────────────────────────────────────────────────

def encode(value):
    if isinstance(value, dict):
        entries = sorted((encode(key), encode(inner)) for key, inner in value.items())
        return head(5, len(entries)) + b"".join(key + inner for key, inner in entries)
    if isinstance(value, (list, tuple)):
        return head(4, len(value)) + b"".join(encode(inner) for inner in value)
    return cbor2.dumps(value)


def head(major, n):
    coded = bytearray(cbor2.dumps(n))
    coded[0] |= major << 5
    return bytes(coded)


def is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def plain(value, where, depth=0):
    """Only what the page names: no floats, tags, other simple values; map keys whole numbers of 64 bits."""
    need(depth <= 16, where, "too deep")
    if isinstance(value, dict):
        for key, inner in value.items():
            need(is_int(key), where, "a key that is no whole number")
            plain(key, where, depth + 1)
            plain(inner, where, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            plain(inner, where, depth + 1)
    elif is_int(value):
        need(-(2**64) <= value < 2**64, where, "past 64 bits")
    else:
        need(value is None or isinstance(value, (bool, str, bytes)), where, f"a {type(value).__name__}")


def decode(data, where):
    """A value has one encoding, so whatever is written otherwise is not what encoding it again gives: longer forms, keys unsorted or twice,
    lengths left open, trailing bytes."""
    try:
        value = cbor2.load(io.BytesIO(data))
    except Exception as why:  # cbor2 raises many kinds; each says that these bytes are no CBOR.
        raise Refused(f"{where}: {type(why).__name__}") from why
    plain(value, where)
    need(encode(value) == data, where, "not deterministic")
    return value


# ── The fields, as the page's CDDL has them ─────────────────────────────────────────────────────────────────────────────────────────

def uint(most, least=0):
    def check(value, where):
        need(is_int(value) and least <= value <= most, where, f"expected {least} to {most}")
    return check


def bstr(*sizes):
    def check(value, where):
        need(isinstance(value, bytes) and len(value) in sizes, where, f"expected {sizes} bytes")
    return check


def some_bytes(least, most):
    return bstr(*range(least, most + 1))


def text(pattern):
    def check(value, where):
        need(isinstance(value, str) and re.fullmatch(pattern, value, re.S), where, "expected text")
    return check


def short(most):
    return text(rf"[^\0]{{0,{most}}}")


def truth(value, where):
    need(isinstance(value, bool), where, "expected true or false")


def null(value, where):
    need(value is None, where, "expected null")


def either(*checks):
    def check(value, where):
        for one in checks:
            try:
                return one(value, where)
            except Refused:
                continue
        raise Refused(f"{where}: none of the choices")
    return check


def array(*checks):
    def check(value, where):
        need(isinstance(value, list) and len(value) == len(checks), where, f"expected {len(checks)} items")
        for i, (one, inner) in enumerate(zip(checks, value)):
            one(inner, f"{where}[{i}]")
    return check


def many(least, most, one):
    def check(value, where):
        need(isinstance(value, list) and least <= len(value) <= most, where, f"expected {least} to {most} items")
        for i, inner in enumerate(value):
            one(inner, f"{where}[{i}]")
    return check


def fields(must=None, may=None):
    """Keys below zero are notes."""
    must, may = must or {}, may or {}
    def check(value, where):
        need(isinstance(value, dict), where, "expected a map")
        for key in value:
            need(key < 0 or key in must or key in may, where, f"no field {key}")
        for key, one in must.items():
            need(key in value, where, f"field {key} is missing")
        for key, one in {**must, **may}.items():
            if key in value:
                one(value[key], f"{where}.{key}")
    return check


def kinds(choices):
    def check(value, where):
        need(isinstance(value, list) and len(value) == 2 and is_int(value[0]) and value[0] in choices, where, "no such kind")
        choices[value[0]](value[1], where)
    return check


KEY_ID = bstr(10)
KEY = PEER = DIGEST = bstr(32)
GRANT_ID = SESSION = NONCE = bstr(16)
BOOT = bstr(8)
ADDRESS = bstr(4, 16)
COUNT = uint(2**63 - 1)
SECONDS = uint(2**40)
SEQUENCE = uint(2**53 - 1, 1)
UINT32 = uint(2**32 - 1)
SERIAL = uint(2**32 - 1, 1)
TERM = uint(2**40, 1)
PORT = uint(65535, 1)
PROTOCOL = uint(1)
WALL = array(SECONDS, uint(2))
MILLIS = uint(2**48)


def both(one):
    return array(one, one)


QUOTA = either(COUNT, both(COUNT))
PRICE = array(UINT32, text(r"[A-Z][A-Z0-9]{2,7}"))
EGRESS = kinds({
    0: fields(),
    1: fields({1: ADDRESS, 2: PROTOCOL, 3: PORT}),
    2: fields({1: many(1, 32, array(ADDRESS, uint(128), PROTOCOL, PORT, PORT))}),
})
GRANT_FIELDS = fields(
    {1: KEY_ID, 2: NONCE, 3: PEER, 5: QUOTA, 6: both(COUNT), 8: EGRESS, 9: TERM, 12: uint(2), 16: UINT32},
    {4: KEY, 7: both(COUNT), 10: SECONDS, 11: TERM, 13: COUNT, 14: PRICE, 15: SESSION},
)


def grant(value, where):
    GRANT_FIELDS(value, where)
    need((15 in value) == (value[16] > 0), where, "revision 0 is the first grant's alone")
    need(value[12] == 0 or 4 in value, where, "nobody could countersign")
    need(value[12] != 2 or 13 in value, where, "no credit")


def bytes_of_grant(value, where):
    fields({1: some_bytes(1, 2048)})(value, where)


ORDER = kinds({
    1: bytes_of_grant,
    2: bytes_of_grant,
    3: bytes_of_grant,
    4: fields({1: SESSION}),
    5: fields({}, {1: SESSION}),
    6: fields({3: truth}, {1: both(COUNT), 2: uint(65535)}),
    7: fields({1: SESSION, 2: SEQUENCE}),
    8: fields({1: many(0, 32, array(SESSION, SEQUENCE, DIGEST))}, {2: array(SEQUENCE, DIGEST)}),
    9: fields({1: PROTOCOL, 2: ADDRESS, 3: PORT, 4: uint(100, 1), 5: uint(1200)}),
    10: fields({1: truth}),
    11: fields(),
    12: fields({1: many(1, 4, array(text(r"[A-Za-z0-9._:-]{1,253}"), PORT, either(bstr(32), null)))}),
    13: fields(),
})
REFUSED = fields({1: text(r"[A-Za-z0-9-]{1,32}"), 2: short(128), 3: short(256)})
OUTCOME = kinds({
    0: fields(),
    1: REFUSED,
    2: fields({1: SESSION, 2: ADDRESS, 3: ADDRESS}),
    3: fields({1: many(0, 32, array(SESSION, GRANT_ID, uint(5), both(COUNT), uint(2**53 - 1))), 2: truth}),
    4: fields({1: uint(100), 2: uint(100)}, {3: array(UINT32, UINT32, UINT32)}),
})
BODIES = {
    "certificate": fields({1: KEY, 2: SERIAL, 3: SERIAL, 4: SECONDS, 5: many(1, 2, uint(1))}),
    "grant": grant,
    "command": fields({1: KEY_ID, 2: NONCE, 3: SEQUENCE, 5: ORDER}, {4: SECONDS}),
    "reply": fields({1: NONCE, 2: KEY_ID, 3: SEQUENCE, 4: OUTCOME}),
    "birth": fields(
        {1: KEY, 2: short(64), 3: uint(2), 4: NONCE, 6: SEQUENCE, 7: BOOT, 8: SECONDS, 9: WALL},
        {5: SEQUENCE, 10: fields({1: PEER, 2: PORT, 3: many(0, 8, ADDRESS)})},
    ),
    "receipt": fields(
        {1: SESSION, 2: SEQUENCE, 3: DIGEST, 5: BOOT, 6: MILLIS, 7: WALL, 8: both(COUNT), 9: both(COUNT), 10: UINT32, 11: both(COUNT), 13: QUOTA},
        {4: GRANT_ID, 12: both(COUNT), 14: array(COUNT, PRICE), 15: SEQUENCE, 16: uint(7)},
    ),
    "root": fields({1: SEQUENCE, 3: NONCE, 4: BOOT, 5: MILLIS, 6: WALL, 7: uint(65535), 8: DIGEST}, {2: DIGEST}),
    "dispute": fields({1: SESSION, 2: SEQUENCE, 3: DIGEST, 4: uint(3)}, {5: both(COUNT)}),
    "voucher": fields({1: SESSION, 2: both(COUNT)}),
    "enrol": fields({1: KEY, 2: NONCE, 3: SEQUENCE, 4: KEY_ID, 5: text(r"[a-z2-7]{4}"), 6: DIGEST}),
    "enrolled": fields({1: KEY_ID, 2: NONCE, 3: kinds({0: fields(), 1: REFUSED})}),
}


# ── Ed25519, strictly (RFC 8032, 5.1) ───────────────────────────────────────────────────────────────────────────────────────────────

P = 2**255 - 19
D = -121665 * pow(121666, P - 2, P) % P
L = 2**252 + 27742317777372353535851937790883648493


def is_good_key(key):
    """Canonical, on the curve, and not of small order: three doublings do not lead to the neutral point."""
    y = int.from_bytes(key, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return False
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square or (x == 0 and sign == 1):
        return False
    for _ in range(3):
        t = D * x * x * y * y
        x, y = 2 * x * y * pow(1 + t, P - 2, P) % P, (y * y + x * x) * pow(1 - t, P - 2, P) % P
    return (x, y) != (0, 1)


def holds(key, signature, signed):
    # OpenSSL compares R by its bytes, without the cofactor; range of S and the key are looked at here.
    if not is_good_key(key) or int.from_bytes(signature[32:], "little") >= L:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
        return True
    except InvalidSignature:
        return False


def public(secret):
    return secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


# ── COSE_Sign1 (RFC 9052) and countersignature 2, abbreviated (RFC 9338) ────────────────────────────────────────────────────────────

def key_id(key):
    return hashlib.sha256(key).digest()[:10]


def protected(kind, key):
    return encode({1: -8, 3: f"application/x.weir.{kind}", 4: key_id(key)})


def to_be_signed(header, payload):
    return encode(["Signature1", header, b"", payload])


def to_be_countersigned(header, payload, signature):
    return encode(["CounterSignature0V2", header, b"", payload, [signature]])


def sign(kind, body, secret, consumer=None):
    header, payload = protected(kind, public(secret)), encode(body)
    signature = secret.sign(to_be_signed(header, payload))
    opened = {} if consumer is None else {12: consumer.sign(to_be_countersigned(header, payload, signature))}
    return encode([header, opened, payload, signature])


def digest(message):
    header, _, payload, signature = cbor2.loads(message)
    return hashlib.sha256(encode([header, {}, payload, signature])).digest()


def verify(message, key, consumer):
    need(len(message) <= 4096, "message", "more than 4,096 bytes")
    parts = decode(message, "message")
    need(isinstance(parts, list) and len(parts) == 4, "message", "no COSE_Sign1")
    header, opened, payload, signature = parts
    need(isinstance(header, bytes) and isinstance(opened, dict) and isinstance(payload, bytes), "message", "no COSE_Sign1")
    bstr(64)(signature, "signature")
    named = decode(header, "protected")
    need(isinstance(named, dict) and set(named) == {1, 3, 4}, "protected", "other labels than 1, 3, 4")
    need(named[1] == -8 and is_int(named[1]), "protected", "not EdDSA")
    KEY_ID(named[4], "protected.4")
    kind = next((k for k in BODIES if named[3] == f"application/x.weir.{k}"), None)
    need(kind is not None, "protected", "no kind of ours")
    need(not opened or (kind == "receipt" and set(opened) == {12}), "unprotected", "a label that is not for this kind")
    if opened:
        bstr(64)(opened[12], "unprotected.12")
    body = decode(payload, "payload")
    need(named[4] == key_id(key), "signature", "another key")
    need(holds(key, signature, to_be_signed(header, payload)), "signature", "does not hold")
    BODIES[kind](body, kind)
    if kind == "birth":
        need(body[1] == key, "birth", "brings another key")
    witnessed = None
    if opened:
        need(consumer is not None, "unprotected.12", "nobody to have countersigned")
        need(holds(consumer, opened[12], to_be_countersigned(header, payload, signature)), "unprotected.12", "does not hold")
        witnessed = True
    return {"kind": kind, "digest": digest(message).hex(), "witnessed": witnessed}


# ── Merkle trees (RFC 9162, 2.1) ────────────────────────────────────────────────────────────────────────────────────────────────────

def leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def split(n):
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def tree(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(tree(leaves[:k]), tree(leaves[k:]))


def path(leaves, at):
    if len(leaves) <= 1:
        return []
    k = split(len(leaves))
    return path(leaves[:k], at) + [tree(leaves[k:])] if at < k else path(leaves[k:], at - k) + [tree(leaves[:k])]


def is_included(entry, proof, root):
    """RFC 9162, 2.1.3.2."""
    at, last, found = proof[1], proof[2] - 1, leaf(entry)
    if at > last:
        return False
    for beside in proof[3]:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node(beside, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node(found, beside)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


PROOF = fields({1: uint(65534), 2: uint(65535, 1), 3: many(0, 16, bstr(32))})


def check_proof(entry, proof, root):
    value = decode(proof, "proof")
    PROOF(value, "proof")
    head_of = decode(entry, "head")
    array(SESSION, SEQUENCE, DIGEST)(head_of, "head")
    need(is_included(entry, value, root), "proof", "leads to another root")
    return {}


# ── A story of its own ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

def story(seed):
    """One message of every kind at least, by keys drawn from the seed, with values of its own."""
    def draw(name, size=32):
        return hashlib.sha256(f"{seed} {name}".encode()).digest()[:size]

    names = ["root", "coordinator", "node", "consumer"]
    secrets = {name: Ed25519PrivateKey.from_private_bytes(draw(name)) for name in names}
    keys = {name: public(secret) for name, secret in secrets.items()}
    made = []

    def tell(kind, body, by, consumer=None):
        message = sign(kind, body, secrets[by], consumer)
        made.append({"kind": kind, "by": by, "message": message.hex()})
        return message

    epoch, boot, node_id = draw("epoch", 16), draw("boot", 8), key_id(keys["node"])
    wall = [1800000000, 2]
    tell("certificate", {1: keys["coordinator"], 2: 3, 3: 1, 4: 2**40, 5: [0, 1]}, "root")
    tunnel = {1: draw("tunnel"), 2: 51820, 3: [bytes([203, 0, 113, 7]), draw("address", 16)]}
    tell("birth", {1: keys["node"], 2: "9.9.9", 3: 0, 4: epoch, 5: 2**53 - 1, 6: 1, 7: boot, 8: 0, 9: wall, 10: tunnel, -1: "a note"}, "node")
    first = {
        1: node_id, 2: draw("nonce", 16), 3: draw("peer"), 4: keys["consumer"], 5: [2**62, 2**63 - 1], 6: [1, 2**40], 7: [0, 64000],
        8: [2, {1: [[bytes([8, 8, 8, 0]), 24, 1, 53, 53], [draw("net", 16), 128, 0, 1, 65535]]}],
        9: 1, 10: 2**40, 11: 2**40, 12: 2, 13: 0, 14: [2**32 - 1, "SATS1234"], 16: 0,
    }
    granted = tell("grant", first, "coordinator")
    session = digest(granted)[:16]
    second = tell("grant", {**first, 2: draw("nonce 2", 16), 5: 7, 15: session, 16: 2**32 - 1}, "coordinator")
    tell("grant", {1: node_id, 2: draw("nonce 3", 16), 3: draw("friend"), 5: 0, 6: [0, 0], 8: [1, {1: bytes([1, 1, 1, 1]), 2: 0, 3: 1}],
                   9: 2**40, 12: 0, 16: 0}, "node")
    orders = [
        [1, {1: granted}], [2, {1: second}], [3, {1: second}], [4, {1: session}], [5, {}], [5, {1: session}], [6, {3: True}],
        [6, {1: [0, 2**63 - 1], 2: 0, 3: False}], [7, {1: session, 2: 1}], [8, {1: []}],
        [8, {1: [[session, n + 1, draw(str(n))] for n in range(32)], 2: [9, draw("acknowledged")]}],
        [9, {1: 0, 2: draw("probed", 16), 3: 65535, 4: 100, 5: 1200}], [10, {1: False}], [11, {}],
        [12, {1: [["broker.example", 8883, None], ["2001:db8::1", 1, draw("pin")]]}], [13, {}],
    ]
    for n, order in enumerate(orders):
        tell("command", {1: node_id, 2: epoch, 3: n + 1, 5: order, **({4: n} if n % 2 else {})}, "coordinator")
    outcomes = [
        [0, {}], [1, {1: "denied", 2: "", 3: "été"}], [2, {1: session, 2: bytes([10, 0, 0, 1]), 3: draw("six", 16)}],
        [3, {1: [[session, digest(second)[:16], 5, [0, 2**63 - 1], 0]], 2: True}], [4, {1: 100, 2: 0}], [4, {1: 1, 2: 1, 3: [0, 1, 2**32 - 1]}],
    ]
    for n, outcome in enumerate(outcomes):
        tell("reply", {1: epoch, 2: key_id(keys["coordinator"]), 3: n + 1, 4: outcome}, "node")
    before, heads = digest(granted), []
    for n, (up, down) in enumerate([(0, 0), (5 << 20, 9 << 30), (2**50, 2**50)]):
        body = {1: session, 2: n + 1, 3: before, 5: boot, 6: 1000 * n, 7: [0, 0], 8: [up, down], 9: [up // 900, down // 900], 10: n, 11: [up, down],
                13: [0, 2**63 - 1], 14: [(up + down) * (2**32 - 1) // 2**20, [2**32 - 1, "SATS1234"]]}
        more = [{}, {15: 1, 12: [3, 4]}, {4: digest(second)[:16], 15: 2, 16: 7, -5: [None, True, {-1: b""}]}][n]
        receipt = tell("receipt", {**body, **more}, "node", secrets["consumer"] if n < 2 else None)
        before = digest(receipt)
    heads = sorted([[session, 3, before]] + [[draw(f"session {n}", 16), n + 1, draw(f"head {n}")] for n in range(6)])
    leaves = [leaf(encode(one)) for one in heads]
    tell("root", {1: 1, 3: epoch, 4: boot, 5: 2**48, 6: wall, 7: len(heads), 8: tree(leaves)}, "node")
    tell("root", {1: 2, 2: draw("root"), 3: epoch, 4: boot, 5: 0, 6: wall, 7: 0, 8: tree([])}, "node")
    tell("dispute", {1: session, 2: 3, 3: before, 4: 0, 5: [1, 2]}, "consumer")
    tell("dispute", {1: session, 2: 2**53 - 1, 3: before, 4: 3}, "consumer")
    tell("voucher", {1: session, 2: [0, 2**63 - 1]}, "consumer")
    asked = [keys["node"], epoch, 2**53 - 1, key_id(keys["root"])]
    proof = hashlib.sha256(encode(["weir enrol", "abcd" + "x" * 16, *asked])).digest()
    tell("enrol", {**dict(enumerate(asked, 1)), 5: "abcd", 6: proof}, "node")
    tell("enrolled", {1: node_id, 2: epoch, 3: [0, {}]}, "coordinator")
    tell("enrolled", {1: node_id, 2: epoch, 3: [1, {1: "denied", 2: "code", 3: "is another's"}]}, "coordinator")
    proofs = [{"entry": encode(one).hex(), "proof": encode({1: i, 2: len(heads), 3: path(leaves, i)}).hex()} for i, one in enumerate(heads)]
    return {"keys": {name: key.hex() for name, key in keys.items()}, "messages": made, "proofs": proofs, "root": tree(leaves).hex()}


# ── Jobs ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

def attempt(act, *args):
    try:
        return {"ok": True, **act(*args)}
    except Refused as why:
        return {"ok": False, "why": str(why)}


def tampered(message, key, consumer):
    """Where a byte can be another one without being noticed."""
    return [at for at in range(len(message)) if attempt(verify, message[:at] + bytes([message[at] ^ 1]) + message[at + 1:], key, consumer)["ok"]]


def work(job):
    unhex = {name: bytes.fromhex(value) for name, value in job.items() if name not in ("do", "seed")}
    if job["do"] == "verify":
        return attempt(verify, unhex["message"], unhex["key"], unhex.get("consumer"))
    if job["do"] == "prove":
        return attempt(check_proof, unhex["entry"], unhex["proof"], unhex["root"])
    if job["do"] == "tamper":
        return tampered(unhex["message"], unhex["key"], unhex.get("consumer"))
    return story(job["seed"])


json.dump([work(job) for job in json.load(sys.stdin)], sys.stdout)
