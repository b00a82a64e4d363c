"""Invariants I3 and I4 checked from outside: what clients got, what the HSM signed (p11proxy), what the log says, what
the database holds. One request leads to one certificate that lives; whatever else may have been signed ends revoked."""
import collections
import glob
import hashlib
import os
import time

from cryptography import x509

RESERVED, STORED, VOIDED, DISCARDED, UNSIGNED = range(1, 6)


def probe_digest(key_id_hex):
    return hashlib.sha256(b"chancery/probe/v1" + bytes.fromhex(key_id_hex)).hexdigest()


def hsm_signatures(stack):
    """Digests signed by the `ca` partition, probes apart, in order."""
    lines = []
    with open(stack.path("p11proxy", "signer.log"), encoding="ascii") as f:
        for line in f:
            key_id, digest = line.split()[:2]
            if digest != probe_digest(key_id):
                lines.append(digest)
    return lines


def serial_hex(certificate):
    """The serial as the database has it: without sign octet."""
    number = certificate.serial_number
    return number.to_bytes((number.bit_length() + 7) // 8, "big").hex()


def await_none(stack, what, query, seconds):
    """Waits until a counting query says 0."""
    until = time.monotonic() + seconds
    while True:
        rows = stack.sql(query)
        if rows == [["0"]]:
            return
        if time.monotonic() > until:
            raise AssertionError(f"{rows[0][0]} {what} after {seconds} s")
        time.sleep(0.25)


def settle(stack, seconds=90):
    """Waits until no reservation is open and all that may have been signed and was not stored is revoked."""
    await_none(stack, "reservations are still open", "SELECT count(*) FROM ca.issuance WHERE state = 1", seconds)
    await_none(stack, "voided or discarded certificates are not revoked",
               "SELECT count(*) FROM ca.issuance i WHERE state IN (3, 4) AND NOT EXISTS "
               "(SELECT 1 FROM revocation.status s WHERE s.issuer_id = i.issuer_id AND s.serial = i.serial)", seconds)


class Log:
    """The log's entries by action and by the digest of what was to be signed."""

    def __init__(self, stack):
        self.by_index = dict(stack.log_entries())
        self.intents = {}
        self.results = {}
        self.settled = {}  # digest -> outcomes
        self.revoked = set()
        for index, leaf in self.by_index.items():
            f = leaf["f"]
            if leaf["action"] == "intent":
                self.intents.setdefault(f["tbs"], []).append((index, f))
            elif leaf["action"] == "result":
                self.results.setdefault(f["tbs"], []).append((index, f))
            elif leaf["action"] == "settlement":
                self.settled.setdefault(f["tbs"], set()).add(f["outcome"])
            elif leaf["action"] == "revocation":
                self.revoked.add((f["issuer"], f["serial"]))

    def outcomes(self, digest):
        return [f["outcome"] for _, f in self.results.get(digest, ())]

    def with_purpose(self, purpose):
        return {digest for digest, found in self.intents.items() if found[0][1]["purpose"] == purpose}


class Rows:
    """What the database holds."""

    def __init__(self, stack):
        self.state = {}    # digest -> state of its reservation
        self.serial = {}   # digest -> (issuer, serial)
        for tbs, state, issuer, serial in stack.sql(
                "SELECT encode(tbs_sha256,'hex'), state, issuer_id, encode(serial,'hex') FROM ca.issuance"):
            self.state[tbs] = int(state)
            self.serial[tbs] = (issuer, serial)
        self.der = {}      # digest -> certificate
        self.requests = collections.Counter()
        for tbs, der, request in stack.sql(
                "SELECT encode(tbs_sha256,'hex'), encode(der,'hex'), encode(request_id,'hex') FROM ca.certificate"):
            self.der[tbs] = bytes.fromhex(der)
            self.requests[request] += 1
        self.revoked = {tuple(r) for r in stack.sql("SELECT issuer_id, encode(serial,'hex') FROM revocation.status")}
        self.crls = {r[0] for r in stack.sql("SELECT encode(tbs_sha256,'hex') FROM ca.crl")}
        self.keys = collections.Counter(tuple(r) for r in stack.sql(
            "SELECT caller, idempotency_key FROM registration.request q JOIN ca.certificate c USING (request_id) "
            "WHERE idempotency_key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM revocation.status s "
            "WHERE s.issuer_id = c.issuer_id AND s.serial = c.serial)"))


def check_hsm(test, log, before, after):
    """Each signature of the device has one INTENT; each RESULT with a signature was made by the device."""
    for digest, count in collections.Counter(before).items():
        test.assertEqual(len(log.intents.get(digest, ())), 1, f"{digest}: INTENT entries for an HSM signature")
        test.assertEqual(count, 1, f"{digest}: times signed")
    made = set(after)
    items = collections.Counter(f["permit_item"] for found in log.intents.values() for _, f in found)
    test.assertEqual([i for i, n in items.items() if n > 1], [], "a permit item was used twice")
    for digest, found in log.results.items():
        outcomes = log.outcomes(digest)
        test.assertEqual(len(outcomes), 1, f"{digest}: RESULTs")
        if outcomes[0] == "signed":
            test.assertIn(digest, made, f"{digest}: RESULT without an HSM signature")
        for _, f in found:
            intent = log.by_index[f["intent"]]
            test.assertEqual((intent["action"], intent["f"]["tbs"], intent["f"]["key"]), ("intent", digest, f["key"]))


def check_unknown(test, log, rows, before):
    """What has an INTENT is stored, or settled as possibly signed and revoked. What has no RESULT is never stored."""
    for digest in log.with_purpose("certificate"):
        state = rows.state.get(digest)
        test.assertIn(state, (STORED, VOIDED, DISCARDED), f"{digest}: state of a reservation with INTENT")
        if state == STORED:
            test.assertIn("signed", log.outcomes(digest), f"{digest}: stored without RESULT")
        else:
            outcome = "discarded" if state == DISCARDED else "unknown, treated as issued"
            test.assertIn(outcome, log.settled.get(digest, ()), f"{digest}: settled, the log does not say so")
            test.assertIn(rows.serial[digest], rows.revoked, f"{digest}: may have been signed, not revoked")
            test.assertIn(rows.serial[digest], log.revoked, f"{digest}: revoked, not in the log")
    for digest in before:
        if digest not in log.results:
            test.assertNotIn(digest, rows.crls, "a CRL without RESULT was stored")
            test.assertTrue(digest in log.settled or digest in log.with_purpose("crl"), f"{digest}: signed, no RESULT, not settled")
    for digest, state in rows.state.items():
        if state == UNSIGNED:
            test.assertNotIn(digest, log.intents, f"{digest}: recorded as unsigned, has an INTENT")
        if state != STORED:
            test.assertNotIn(digest, rows.der, f"{digest}: not stored, has a certificate")


def check_acknowledged(test, log, rows, acknowledged):
    """What a client got is in the database and in the log, octet by octet. No serial, and no key, twice."""
    serials = collections.Counter()
    for name, der in acknowledged:
        certificate = x509.load_der_x509_certificate(der)
        digest = hashlib.sha256(certificate.tbs_certificate_bytes).hexdigest()
        signature = hashlib.sha256(certificate.signature).hexdigest()
        serials[serial_hex(certificate)] += 1
        test.assertEqual(rows.der.get(digest), der, f"{name}: acknowledged, not in the database")
        test.assertEqual(rows.serial[digest][1], serial_hex(certificate))
        test.assertIn(signature, [f.get("signature") for _, f in log.results.get(digest, ()) if f["outcome"] == "signed"],
                      f"{name}: acknowledged, its signature is not in the log")
    test.assertEqual([s for s, n in serials.items() if n > 1], [], "a serial was acknowledged twice")
    test.assertEqual([s for s, n in collections.Counter(rows.serial.values()).items() if n > 1], [], "a serial was reserved twice")
    test.assertEqual([r for r, n in rows.requests.items() if n > 1], [], "a request has several certificates")
    test.assertEqual([k for k, n in rows.keys.items() if n > 1], [], "an idempotency key has several live certificates")


def check_revoked(test, log, rows, revocations):
    """What a client was told is revoked is so, in the database and in the log."""
    for order in revocations:
        test.assertIn(order, rows.revoked, "a revocation was acknowledged and is not in the database")
        test.assertIn(order, log.revoked, "a revocation was acknowledged and is not in the log")


def check_crls(test, stack, seconds=60):
    """Every revocation is in a published CRL, and its issuer signed that."""
    await_none(stack, "CRLs lag behind", "SELECT count(*) FROM revocation.dirty WHERE covered < changed", seconds)
    listed = set()
    issuers = {}
    for name, der in stack.sql("SELECT issuer_id, encode(certificate_der,'hex') FROM ca.issuer"):
        issuers[name] = x509.load_der_x509_certificate(bytes.fromhex(der))
    for name, issuer in issuers.items():
        for path in glob.glob(stack.path("revocation", "www", name, "*.crl")):
            with open(path, "rb") as f:
                crl = x509.load_der_x509_crl(f.read())
            test.assertTrue(crl.is_signature_valid(issuer.public_key()), path)
            listed |= {(name, serial_hex(entry)) for entry in crl}
    missing = {tuple(r) for r in stack.sql("SELECT issuer_id, encode(serial,'hex') FROM revocation.status")} - listed
    test.assertEqual(missing, set(), "revoked, not in a CRL")
    return len(listed)


def check(test, stack, acknowledged, revocations=()):
    """Asserts the whole accounting; returns counts for the report. CRLs may still be signed meanwhile: the database is
    read before the log, and the device's lines before and after it."""
    for _ in range(5):
        settle(stack)
        rows = Rows(stack)
        before = hsm_signatures(stack)
        log = Log(stack)
        after = hsm_signatures(stack)
        # An attempt whose client has long had its answer from another one may have come since.
        if all(rows.state.get(d, RESERVED) != RESERVED for d in log.with_purpose("certificate")):
            break
    check_hsm(test, log, before, after)
    check_unknown(test, log, rows, before)
    check_acknowledged(test, log, rows, acknowledged)
    check_revoked(test, log, rows, revocations)
    verified = stack.verify_log()
    test.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
    states = collections.Counter(rows.state.values())
    return {"acknowledged": len(acknowledged), "stored": states[STORED], "hsm_signatures": len(before),
            "intents": sum(map(len, log.intents.values())), "results": sum(map(len, log.results.values())),
            "without_result": sum(1 for d in before if d not in log.results), "voided": states[VOIDED],
            "discarded": states[DISCARDED], "unsigned": states[UNSIGNED], "revoked": len(rows.revoked)}


def proxy_module():
    build = os.environ["CHANCERY_BUILD"]
    for folder, _, names in os.walk(build):
        if "libp11proxy.so" in names:
            return os.path.join(folder, "libp11proxy.so")
    raise AssertionError("libp11proxy.so is not built")
