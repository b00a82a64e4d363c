"""The signed formats of docs/ISSUANCE.md written a second time, from the document alone, for tests that play a
compromised process."""
import hashlib
import struct
import time


def sha256(data):
    return hashlib.sha256(data).digest()


def field(data):
    return struct.pack(">I", len(data)) + data


def request_digest(r):
    """Digest of a chancery.common.v1.Request message."""
    e = r.evidence
    evidence = sha256(b"chancery/evidence/v1\n" + b"".join(field(x) for x in (
        e.protocol.encode(), e.caller.encode(), e.client_cert_sha256, e.proof.encode(), e.proof_sha256)))
    data = b"chancery/request/v1\n" + r.request_id
    data += b"".join(field(x.encode()) for x in (r.tenant, r.profile, r.requester))
    data += r.spki_sha256 + field(r.subject_der)
    data += struct.pack(">I", len(r.sans)) + b"".join(bytes([s.type]) + field(s.value) for s in r.sans)
    data += struct.pack(">I", len(r.extensions)) + b"".join(field(x.oid) + bytes([x.critical]) + field(x.value) for x in r.extensions)
    return sha256(data + struct.pack(">I", r.max_validity_s) + evidence)


def statement(digests, instance="registration-1", life=300):
    now = int(time.time())
    return (b"chancery/statement/v1\n" + field(instance.encode()) + struct.pack(">qqI", now, now + life, len(digests)) + b"".join(digests))


def read_item(item):
    head = b"chancery/permit-item/v1\n"
    assert item.startswith(head)
    body = item[len(head):]
    names = ("issuer", "tbs", "request", "rules")
    out = {"purpose": body[0], "verdict": body[1]}
    for i, name in enumerate(names):
        out[name] = body[2 + 32 * i:34 + 32 * i]
    return out


def tree_root(items):
    if len(items) == 1:
        return sha256(b"\0" + items[0])
    k = 1
    while k * 2 < len(items):
        k *= 2
    return sha256(b"\1" + tree_root(items[:k]) + tree_root(items[k:]))
