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
        e.protocol.encode(), e.caller.encode(), e.client_cert_sha256, e.proof.encode(), e.proof_sha256))
        + struct.pack(">I", len(e.authentication)) + b"".join(field(x.encode()) for x in e.authentication)
        + struct.pack(">I", len(e.claims)) + b"".join(field(x.encode()) for c in e.claims for x in (c.name, c.value)))
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


def write_item(**fields):
    """A permit item; missing fields are those of an allowed certificate."""
    f = {"purpose": 1, "verdict": 2, "rules": bytes(32), "shard": 0, "number": 0, "this_update": 0, **fields}
    return (b"chancery/permit-item/v1\n" + bytes([f["purpose"], f["verdict"]]) + f["issuer"] + f["tbs"] + f["request"] + f["rules"]
            + struct.pack(">IQq", f["shard"], f["number"], f["this_update"]))


def write_permit(items, bundle, life=60):
    return b"chancery/permit/v1\n" + bundle + struct.pack(">qI", int(time.time()) + life, len(items)) + tree_root(items)


def tree_root(items):
    if len(items) == 1:
        return sha256(b"\0" + items[0])
    k = 1
    while k * 2 < len(items):
        k *= 2
    return sha256(b"\1" + tree_root(items[:k]) + tree_root(items[k:]))


def der(tag, *content):
    """One DER value."""
    body = b"".join(content)
    size = len(body)
    length = bytes([size]) if size < 128 else bytes([0x80 | (size.bit_length() + 7) // 8]) + size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + length + body


def rsa_csr(n, e, host, private=None):
    """PKCS#10 for an RSA key of any numbers, signed sha256WithRSAEncryption with the private exponent (default: e itself, which is
    right for e = 1)."""
    integer = lambda v: der(0x02, v.to_bytes(v.bit_length() // 8 + 1, "big"))
    oid = lambda text: der(0x06, bytes.fromhex(text))
    key = der(0x30, integer(n), integer(e))
    spki = der(0x30, der(0x30, oid("2a864886f70d010101"), der(0x05)), der(0x03, b"\0" + key))
    name = der(0x30, der(0x31, der(0x30, oid("550403"), der(0x0C, host.encode()))))
    san = der(0x30, oid("551d11"), der(0x04, der(0x30, der(0x82, host.encode()))))
    attributes = der(0xA0, der(0x30, oid("2a864886f70d01090e"), der(0x31, der(0x30, san))))
    info = der(0x30, der(0x02, b"\0"), name, spki, attributes)
    digest_info = bytes.fromhex("3031300d060960864801650304020105000420") + sha256(info)
    size = (n.bit_length() + 7) // 8
    padded = b"\0\1" + b"\xff" * (size - 3 - len(digest_info)) + b"\0" + digest_info
    signature = pow(int.from_bytes(padded, "big"), e if private is None else private, n).to_bytes(size, "big")
    return der(0x30, info, der(0x30, oid("2a864886f70d01010b"), der(0x05)), der(0x03, b"\0" + signature))


def approval(subject, step, spki, decision=1, purpose=1, issued=None, life=3600):
    """chancery/approval/v1: what an officer signs."""
    issued = int(time.time()) if issued is None else issued
    return (b"chancery/approval/v1\n" + bytes([purpose]) + subject + field(step.encode()) + bytes([decision])
            + struct.pack(">qq", issued, issued + life) + sha256(spki))


def bundle_hash(files):
    """chancery/bundle/v1 of {path: content}."""
    listed = sorted((path.encode(), content) for path, content in files.items())
    return sha256(b"chancery/bundle/v1\n" + struct.pack(">I", len(listed)) + b"".join(field(path) + sha256(content) for path, content in listed))


def promotion_digest(first, sequence, predecessor, bundle, author):
    """Digest of chancery/promotion/v1: the subject of approvals of a bundle."""
    return sha256(b"chancery/promotion/v1\n" + first + struct.pack(">Q", sequence) + predecessor + bundle + field(author.encode()))
