#!/usr/bin/python3
"""The public API by a foreign gRPC client: enrol, read, revoke, idempotency, allow-lists, and every kind of bad input as a
typed error with field and rule, audited, nothing issued."""
import os
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

import formats
from stack import SOURCE, Stack, error_detail, make_csr, stubs

stack = None


def setUpModule():
    global stack
    stack = Stack()
    stack.__enter__()


def tearDownModule():
    stack.__exit__(None)


def csr_of(key, host, subject=None, sans=None):
    names = [x509.DNSName(host)] if sans is None else sans
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, host)] if subject is None else subject
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.messages, cls.registration = stack.stub("registration")

    def enrol(self, csr, profile="web", key=None, timeout=15, **kw):
        request = self.messages.EnrollRequest(profile=profile, idempotency_key=key or str(uuid.uuid4()), pkcs10=csr, **kw)
        return self.registration.Enroll(request, timeout=timeout)

    def issued(self):
        return int(stack.sql("SELECT count(*) FROM ca.certificate")[0][0])

    def refused(self, call, code, rule=None, field=None):
        before = self.issued()
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        error = caught.exception
        self.assertEqual(error.code().name, code, error.details())
        detail = error_detail(error)
        self.assertIsNotNone(detail, f"no error detail with {error.code().name}: {error.details()}")
        self.assertTrue(detail.message, detail)
        if rule is not None:
            self.assertIn(rule, detail.rule, f"{detail}")
        if field is not None:
            self.assertIn(field, detail.field, f"{detail}")
        self.assertEqual(self.issued(), before, "something was issued")
        return detail

    # ---- the good path ----

    def test_enrol_read_revoke(self):
        key, csr = make_csr("api.example.test")
        answer = self.enrol(csr)
        certificate = x509.load_der_x509_certificate(answer.certificate.der)
        self.assertEqual(certificate.public_key().public_numbers(), key.public_key().public_numbers())
        self.assertEqual(len(answer.certificate.serial), 16)
        proof = stack.cli("audit", "proof", str(answer.certificate.log_index)).stdout
        self.assertIn("c2sp.org/tlog-proof@v1", proof)

        got = self.registration.GetCertificate(self.messages.GetCertificateRequest(
            issuer_id=answer.certificate.issuer_id, serial=answer.certificate.serial), timeout=10)
        self.assertEqual(got.certificate.der, answer.certificate.der)
        self.assertEqual(got.certificate.status, "good")
        listed = self.registration.ListCertificates(self.messages.ListCertificatesRequest(name="api.example.test"), timeout=10)
        self.assertIn(answer.certificate.der, [c.der for c in listed.certificates])

        revoked = self.registration.Revoke(self.messages.RevokeRequest(
            issuer_id=answer.certificate.issuer_id, serial=answer.certificate.serial, reason="keyCompromise"), timeout=10)
        self.assertFalse(revoked.already_revoked)
        again = self.registration.Revoke(self.messages.RevokeRequest(
            issuer_id=answer.certificate.issuer_id, serial=answer.certificate.serial, reason="superseded"), timeout=10)
        self.assertTrue(again.already_revoked)
        self.assertEqual(again.revoked_at_s, revoked.revoked_at_s)
        got = self.registration.GetCertificate(self.messages.GetCertificateRequest(
            issuer_id=answer.certificate.issuer_id, serial=answer.certificate.serial), timeout=10)
        self.assertEqual((got.certificate.status, got.certificate.revocation_reason), ("revoked", "keyCompromise"))

    def test_the_python_client_enrols_and_revokes(self):
        with tempfile.NamedTemporaryFile("w", suffix=".csr") as csr:
            der = make_csr("python.example.test")[1]
            csr.write(x509.load_der_x509_csr(der).public_bytes(serialization.Encoding.PEM).decode())
            csr.flush()
            done = subprocess.run(["/usr/bin/python3", "-B", os.path.join(SOURCE, "tests", "interop", "python_client.py"),
                                   stack.identity_dir("operator"), f"localhost:{stack.port('registration')}", csr.name],
                                  env=dict(os.environ, PYTHONPATH=stubs()), capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        certificate = x509.load_pem_x509_certificate(done.stdout.encode())
        shown = stack.cli_json("cert", "show", f"{certificate.serial_number:032x}")
        self.assertEqual(shown["status"], "revoked")

    def test_batch_answers_per_item(self):
        items = []
        for i in range(5):
            csr = make_csr(f"batch-{i}.example.test")[1] if i != 2 else b"\x30\x00garbage"
            items.append(self.messages.EnrollRequest(profile="web", pkcs10=csr, idempotency_key=str(uuid.uuid4())))
        answer = self.registration.EnrollBatch(self.messages.EnrollBatchRequest(items=items), timeout=20)
        self.assertEqual([bool(i.error.code) for i in answer.items], [False, False, True, False, False])
        self.assertEqual(len({i.response.certificate.serial for i in answer.items if not i.error.code}), 4)

    def test_listing_pages_without_gap(self):
        for i in range(5):
            self.enrol(make_csr(f"page-{i}.example.test")[1])
        seen, cursor = [], ""
        while True:
            page = self.registration.ListCertificates(self.messages.ListCertificatesRequest(page_size=2, cursor=cursor), timeout=10)
            seen += [c.serial for c in page.certificates]
            cursor = page.next_cursor
            if not cursor:
                break
        self.assertEqual(len(seen), len(set(seen)))
        self.assertGreaterEqual(len(seen), 5)

    def test_rsa_and_p384_keys(self):
        for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())):
            answer = self.enrol(csr_of(key, "kinds.example.test"))
            self.assertTrue(answer.certificate.der)

    # ---- idempotency ----

    def test_same_key_same_body_gives_the_first_outcome(self):
        _, csr = make_csr("idem.example.test")
        first = self.enrol(csr, key="idem-1")
        second = self.enrol(csr, key="idem-1")
        self.assertTrue(second.replayed)
        self.assertEqual(first.certificate.der, second.certificate.der)

    def test_same_key_other_body_is_already_exists(self):
        self.enrol(make_csr("idem-a.example.test")[1], key="idem-2")
        self.refused(lambda: self.enrol(make_csr("idem-b.example.test")[1], key="idem-2"), "ALREADY_EXISTS", rule="idempotency")

    # ---- who may ----

    def test_caller_outside_the_allow_list_is_denied_and_audited(self):
        messages, ca = stack.stub("ca", identity="operator")
        with self.assertRaises(grpc.RpcError) as caught:
            ca.IssueBatch(messages.IssueBatchRequest(), timeout=10)
        self.assertEqual(caught.exception.code().name, "PERMISSION_DENIED")
        found = [leaf for _, leaf in stack.log_entries() if leaf["producer"].endswith("/chancery/ca") and
                 "IssueBatch" in str(leaf["f"]) and "operator" in str(leaf["f"])]
        self.assertTrue(found, "the refusal is not in the log")

    def test_revoking_anothers_certificate_is_denied(self):
        answer = self.enrol(make_csr("mine.example.test")[1])
        messages, stub = stack.stub("registration", identity="mallory")
        with self.assertRaises(grpc.RpcError) as caught:
            stub.Revoke(messages.RevokeRequest(issuer_id=answer.certificate.issuer_id, serial=answer.certificate.serial), timeout=10)
        self.assertEqual(caught.exception.code().name, "PERMISSION_DENIED")

    def test_anothers_certificate_is_not_shown(self):
        mine = self.enrol(make_csr("seen.example.test")[1]).certificate
        messages, stub = stack.stub("registration", identity="mallory")
        for query in (messages.GetCertificateRequest(issuer_id=mine.issuer_id, serial=mine.serial),
                      messages.GetCertificateRequest(serial=mine.serial), messages.GetCertificateRequest(request_id=mine.request_id)):
            with self.assertRaises(grpc.RpcError) as caught:
                stub.GetCertificate(query, timeout=10)
            self.assertEqual(caught.exception.code().name, "NOT_FOUND")  # as if there were none
        with self.assertRaises(grpc.RpcError) as caught:
            stub.ListCertificates(messages.ListCertificatesRequest(requester=mine.requester), timeout=10)
        self.assertEqual(error_detail(caught.exception).rule, "certificate.reader")
        own = stub.Enroll(messages.EnrollRequest(profile="web", pkcs10=make_csr("own.example.test")[1]), timeout=20).certificate
        for query in (messages.ListCertificatesRequest(), messages.ListCertificatesRequest(requester=own.requester)):
            self.assertEqual([c.serial for c in stub.ListCertificates(query, timeout=10).certificates], [own.serial])
        self.assertEqual(stub.GetCertificate(messages.GetCertificateRequest(serial=own.serial), timeout=10).certificate.der, own.der)
        # Who may revoke anything sees it.
        self.assertEqual(self.registration.GetCertificate(messages.GetCertificateRequest(serial=own.serial), timeout=10).certificate.der, own.der)

    def test_unknown_profile(self):
        self.refused(lambda: self.enrol(make_csr("x.example.test")[1], profile="nope"), "NOT_FOUND", rule="profile")

    def test_expired_deadline_issues_nothing_unaccounted(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.enrol(make_csr("late.example.test")[1], timeout=0.0005)
        self.assertEqual(caught.exception.code().name, "DEADLINE_EXCEEDED")

    # ---- bad requests: code, rule; nothing is issued; the refusal is audited ----

    def assert_audited(self, detail):
        found = stack.log_has("refusal", rule=detail.rule)
        self.assertIsNotNone(found, f"no refusal with rule {detail.rule} in the log")

    def test_malformed_requests(self):
        _, good = make_csr("bad.example.test")
        flipped = bytearray(good)
        flipped[-1] ^= 1
        cases = {
            "empty": b"",
            "garbage": b"\x30\x03abc",
            "truncated": good[:-10],
            "trailing": good + b"\0",
            "indefinite length": b"\x30\x80" + good[4:] + b"\0\0",
            "oversized": good[:4] + b"\0" * 70000,
        }
        for name, der in cases.items():
            with self.subTest(name):
                detail = self.refused(lambda der=der: self.enrol(der), "INVALID_ARGUMENT")
                self.assert_audited(detail)
        with self.subTest("wrong signature"):
            detail = self.refused(lambda: self.enrol(bytes(flipped)), "INVALID_ARGUMENT", rule="csr.")
            self.assert_audited(detail)

    def test_weak_keys(self):
        numbers = rsa.generate_private_key(65537, 2048).private_numbers()
        control = formats.rsa_csr(numbers.public_numbers.n, 65537, "weak.example.test", numbers.d)
        self.assertTrue(self.enrol(control).certificate.der)
        cases = {
            "small rsa": (csr_of(rsa.generate_private_key(65537, 1024), "weak.example.test"), "key.type"),
            "exponent 3": (csr_of(rsa.generate_private_key(3, 2048), "weak.example.test"), "rsa."),
            "even modulus": (formats.rsa_csr(numbers.public_numbers.n - 1, 65537, "weak.example.test"), "rsa.modulus.even"),
            # With exponent 1 anyone signs: the proof of possession is right.
            "exponent 1": (formats.rsa_csr(numbers.public_numbers.n, 1, "weak.example.test"), "rsa.exponent.small"),
            "even exponent": (formats.rsa_csr(numbers.public_numbers.n, 65538, "weak.example.test"), "rsa.exponent.even"),
            "unsupported curve": (csr_of(ec.generate_private_key(ec.SECP256K1()), "weak.example.test"), ""),
        }
        for name, (der, rule) in cases.items():
            with self.subTest(name):
                before = self.issued()
                with self.assertRaises(grpc.RpcError) as caught:
                    self.enrol(der)
                self.assertIn(caught.exception.code().name, ("INVALID_ARGUMENT", "FAILED_PRECONDITION"))
                detail = error_detail(caught.exception)
                self.assertIn(rule, detail.rule)
                self.assertEqual(self.issued(), before)
                self.assert_audited(detail)

    def test_the_issuers_own_key_is_refused(self):
        issuer = next(i for i in self.registration.GetIssuer(self.messages.GetIssuerRequest(), timeout=10).issuers
                      if i.shards > 0)
        spki = x509.load_der_x509_certificate(issuer.certificate_der).public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        _, good = make_csr("own.example.test")
        other = x509.load_der_x509_csr(good).public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.assertEqual(len(spki), len(other))
        # Possession cannot be proven for that key, whatever the policy says.
        self.refused(lambda: self.enrol(good.replace(other, spki)), "INVALID_ARGUMENT")

    def test_bad_names(self):
        key = ec.generate_private_key(ec.SECP256R1())
        def san(value):
            return csr_of(key, "n.example.test", subject=[], sans=[x509.DNSName._init_without_validation(value)])
        cases = {
            "nul in SAN": san("a\0b.example.test"),
            "bidi in CN": csr_of(key, "n.example.test", subject=[x509.NameAttribute(NameOID.COMMON_NAME, "n\u202eexample.test")]),
            "bad A-label": san("xn--a-ecp.ru--\x7f.example.test"),
            "A-label that does not decode": san("xn--99999999.example.test"),
            "A-label of a bidirectional override": san("xn--host-yd7a.example.test"),
            "U-label": san("b\u00fccher.example.test".encode().decode("latin-1")),
            "empty label": san("a..example.test"),
            "leading dot": san(".example.test"),
            "space": san("a b.example.test"),
            "outside the profile": san("host.not-ours.invalid"),
            "wildcard in the middle": san("a.*.example.test"),
            "service trust domain": csr_of(key, "n.example.test", subject=[], sans=[x509.UniformResourceIdentifier("spiffe://chancery.test/chancery/ca")]),
            "no names": csr_of(key, "n", subject=[], sans=[]),
        }
        for name, der in cases.items():
            with self.subTest(name):
                before = self.issued()
                with self.assertRaises(grpc.RpcError) as caught:
                    self.enrol(der)
                self.assertIn(caught.exception.code().name, ("INVALID_ARGUMENT", "FAILED_PRECONDITION"), caught.exception.details())
                detail = error_detail(caught.exception)
                self.assertTrue(detail.rule, detail)
                self.assertEqual(self.issued(), before)
                self.assert_audited(detail)

    # ---- revocation as relying parties see it ----

    def test_openssl_sees_good_then_revoked(self):
        _, csr = make_csr("ocsp.example.test")
        certificate = self.enrol(csr).certificate
        with tempfile.TemporaryDirectory() as folder:
            def write(name, der, label="CERTIFICATE"):
                path = os.path.join(folder, name)
                kind = ["x509"] if label == "CERTIFICATE" else ["crl"]
                subprocess.run(["openssl", *kind, "-inform", "DER", "-out", path], input=der, check=True)
                return path
            leaf = write("leaf.pem", certificate.der)
            issuer = write("issuer.pem", certificate.chain_der[0])
            root_der = next(i for i in self.registration.GetIssuer(self.messages.GetIssuerRequest(), timeout=10).issuers
                            if i.issuer_id == certificate.issuer_id).chain_der[-1]
            root = write("root.pem", root_der)
            url = f"http://127.0.0.1:{stack.http_port()}"

            def ocsp():
                done = subprocess.run(["openssl", "ocsp", "-issuer", issuer, "-cert", leaf, "-url", url + "/ocsp", "-CAfile", root,
                                       "-no_nonce"], capture_output=True, text=True, timeout=20)
                self.assertIn("Response verify OK", done.stdout + done.stderr)
                return done.stdout

            def chain_check():
                shard = self.fetch_cdp(certificate.der)
                crls = os.path.join(folder, "crls.pem")
                with open(crls, "wb") as f:
                    for der in (shard, self.fetch_cdp(certificate.chain_der[0])):
                        f.write(subprocess.run(["openssl", "crl", "-inform", "DER"], input=der, check=True, capture_output=True).stdout)
                return subprocess.run(["openssl", "verify", "-crl_check_all", "-CAfile", root, "-untrusted", issuer, "-CRLfile", crls, leaf],
                                      capture_output=True, text=True, timeout=20)

            self.assertIn(": good", ocsp())
            good = chain_check()
            self.assertEqual(good.returncode, 0, good.stdout + good.stderr)
            started = time.monotonic()
            self.registration.Revoke(self.messages.RevokeRequest(issuer_id=certificate.issuer_id, serial=certificate.serial,
                                                                 reason="superseded"), timeout=10)
            self.assertIn(": revoked", ocsp())
            while True:
                bad = chain_check()
                if bad.returncode != 0 and "revoked" in bad.stdout + bad.stderr:
                    break
                self.assertLess(time.monotonic() - started, 10, "not in the CRL after 10 s: " + bad.stdout + bad.stderr)
                time.sleep(0.2)

    def fetch_cdp(self, der):
        import urllib.request
        points = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        with urllib.request.urlopen(points[0].full_name[0].value, timeout=10) as answer:
            self.assertEqual(answer.headers["Content-Type"], "application/pkix-crl")
            return answer.read()


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
