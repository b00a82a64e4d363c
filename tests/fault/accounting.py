"""Invariants I3 and I4 checked from outside: what clients got, what the HSM signed (p11proxy), what the log says, what
the database holds."""
import collections
import hashlib
import os
import time

from cryptography import x509


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


def settle(stack, seconds=60):
    """Waits until no reservation is open."""
    until = time.monotonic() + seconds
    while True:
        rows = stack.sql("SELECT count(*) FROM ca.issuance WHERE state = 1")
        if rows == [["0"]]:
            return
        if time.monotonic() > until:
            raise AssertionError(f"{rows[0][0]} reservations are still open after {seconds} s")
        time.sleep(0.5)


def check(test, stack, acknowledged):
    """Asserts the whole accounting; returns counts for the report."""
    # CRLs go on being signed: lines that are older than the entries, and lines that are newer.
    lines = hsm_signatures(stack)
    entries = stack.log_entries()
    later = set(hsm_signatures(stack))
    intents = collections.defaultdict(list)
    results = collections.defaultdict(list)
    for index, leaf in entries:
        f = leaf["f"]
        if leaf["action"] == "intent":
            intents[f["tbs"]].append(index)
        elif leaf["action"] == "result":
            results[f["tbs"]].append((index, f["outcome"]))
    signed = collections.Counter(lines)

    for digest, count in signed.items():
        test.assertEqual(len(intents[digest]), 1, f"{digest}: {len(intents[digest])} INTENT entries for an HSM signature")
        test.assertEqual(count, 1, f"{digest} was signed {count} times")
    for digest, found in results.items():
        test.assertLessEqual(len([1 for _, o in found if o in ("signed", "failed")]), 1, f"{digest}: several RESULTs")
        if any(outcome == "signed" for _, outcome in found):
            test.assertIn(digest, later, f"{digest}: RESULT without an HSM signature")
    voided = {row[0] for row in stack.sql("SELECT encode(tbs_sha256,'hex') FROM ca.issuance WHERE state IN (3, 4)")}
    crls = {leaf["f"]["tbs"] for _, leaf in entries if leaf["action"] == "intent" and leaf["f"].get("purpose") == "crl"}
    for digest in signed:
        if digest not in results and digest not in crls:
            test.assertIn(digest, voided, f"{digest}: signed, no RESULT, and not settled as unknown")

    stored = {row[0]: row[1] for row in stack.sql(
        "SELECT encode(c.tbs_sha256,'hex'), encode(sha256(c.der),'hex') FROM ca.certificate c JOIN ca.issuance i "
        "USING (issuer_id, serial)")}
    serials = collections.Counter()
    for name, der in acknowledged:
        certificate = x509.load_der_x509_certificate(der)
        digest = hashlib.sha256(certificate.tbs_certificate_bytes).hexdigest()
        serials[(certificate.issuer, certificate.serial_number)] += 1
        test.assertEqual(stored.get(digest), hashlib.sha256(der).hexdigest(), f"{name}: acknowledged, not in the database")
        test.assertTrue(any(o == "signed" for _, o in results[digest]), f"{name}: acknowledged, no RESULT in the log")
    test.assertEqual([s for s, n in serials.items() if n > 1], [], "a serial was acknowledged twice")
    verified = stack.verify_log()
    test.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
    return {"acknowledged": len(acknowledged), "hsm_signatures": len(lines), "intents": sum(map(len, intents.values())),
            "results": sum(map(len, results.values())), "voided": len(voided)}


def proxy_module():
    build = os.environ["CHANCERY_BUILD"]
    for folder, _, names in os.walk(build):
        if "libp11proxy.so" in names:
            return os.path.join(folder, "libp11proxy.so")
    raise AssertionError("libp11proxy.so is not built")
