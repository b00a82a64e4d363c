#!/usr/bin/python3
"""HSM faults under load (error, delay, hang, session loss, wrong signature) in each process that has a token: nothing
wrong or unlogged leaves, and the service resumes within 5 s of the fault's end, for every client."""
import base64
import glob
import json
import sys
import time
import unittest
import urllib.error
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509 import ocsp

import accounting
from stack import Load, Stack

RESUME_S = 5.0
NOTICE_S = 9.0  # the watchdog gives a call 5 s; a client waits 10 s
HUNG_EXIT = 75


def verify(signer, signature, message, algorithm):
    """Raises InvalidSignature unless the certificate's key signed the message."""
    key = signer.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, message, ec.ECDSA(algorithm))
    else:
        key.verify(signature, message, padding.PKCS1v15(), algorithm)


class HsmFaults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(["--module", accounting.proxy_module(), "--failpoints"])
        cls.stack.__enter__()
        with open(cls.stack.path("trust", "trust.json"), encoding="utf-8") as f:
            issuers = [x509.load_der_x509_certificate(base64.b64decode(i["certificate"])) for i in json.load(f)["issuers"]]
        cls.issuers = {i.subject: i for i in issuers}

    @classmethod
    def tearDownClass(cls):
        cls.stack.__exit__(None)

    def setUp(self):
        self.stack.wait_ready()

    def control(self, process, text):
        with open(self.stack.path("p11proxy", process + ".control"), "w", encoding="ascii") as f:
            f.write(text + "\n")

    def events(self, process, name):
        """Lines of a process's log that report an event."""
        found = []
        for path in sorted(glob.glob(self.stack.path("log", process, "*"))):
            with open(path, encoding="utf-8", errors="replace") as f:
                found += [line for line in f if f'"event":"{name}"' in line]
        return found

    def fault(self, process, text, seconds=1.5, stops=True, meanwhile=lambda: None):
        """`stops`: issuing cannot go on during the fault. `meanwhile` runs while it lasts."""
        with Load(self.stack) as load:
            self.assertIsNotNone(load.wait_for_each(60), f"no load before the fault: {load.failures}")
            self.control(process, text)
            try:
                if stops:
                    started = time.monotonic()
                    self.assertTrue(load.wait_for_failure("UNAVAILABLE", NOTICE_S), f"no client noticed: {load.failures}")
                    print(f"{process}: {text}: clients were told after {time.monotonic() - started:.2f} s", flush=True)
                meanwhile()
                time.sleep(seconds)
            finally:
                self.control(process, "none")
            resumed = load.wait_for_each(30)
        what = f"{process}: {text}"
        self.assertIsNotNone(resumed, f"{what}: did not resume: {load.failures} {load.details}")
        self.stack.wait_ready()
        accounting.settle(self.stack)
        counts = accounting.check(self, self.stack, load.acknowledged)
        self.check_signatures(load)
        print(f"{what}: every client resumed {resumed:.2f} s after its end; {counts}; clients saw {load.failures}", flush=True)
        self.assertEqual(set(load.failures) - {"UNAVAILABLE"}, set(), f"{what}: {load.failures} {load.details}")
        self.assertLessEqual(resumed, RESUME_S, f"{what}: resumed after {resumed:.1f} s")
        return load

    def check_signatures(self, load):
        """Every certificate that left and every CRL that is published bears its issuer's true signature."""
        for name, der in load.acknowledged:
            certificate = x509.load_der_x509_certificate(der)
            verify(self.issuers[certificate.issuer], certificate.signature, certificate.tbs_certificate_bytes,
                   certificate.signature_hash_algorithm)
        paths = glob.glob(self.stack.path("revocation", "www", "**", "*.crl"), recursive=True)
        self.assertTrue(paths)
        for path in paths:
            with open(path, "rb") as f:
                crl = x509.load_der_x509_crl(f.read())
            self.assertTrue(crl.is_signature_valid(self.issuers[crl.issuer].public_key()), path)

    # ---- the issuer keys ----

    def test_signer_error(self):
        self.fault("signer", "error 0x30")

    def test_signer_error_at_start(self):
        """A signer that starts while its token fails must not come up with what it found, and comes up when it can."""
        self.fault("signer", "error 0x30", seconds=3, meanwhile=lambda: self.stack.kill("signer"))

    def test_signer_delay(self):
        self.fault("signer", "delay 200", stops=False)

    def test_signer_session_loss(self):
        lost = len(self.events("signer", "hsm.lost"))
        self.fault("signer", "session_loss", stops=False)
        self.assertGreater(len(self.events("signer", "hsm.lost")), lost, "the fault was not injected")

    def test_signer_wrong_signature(self):
        self.fault("signer", "wrong_signature")
        self.assertTrue(self.events("signer", "hsm.key_stopped"))

    def test_signer_hang(self):
        """The watchdog ends the process with 75, runit restarts it; it comes up only when the token answers."""
        before = self.stack.pid("signer")
        self.fault("signer", "hang")
        self.assertTrue(self.events("signer", "hsm.hung"), "the watchdog did not speak")
        ended = [json.loads(line[line.index("{"):]) for line in self.events("signer", "process.ended")]
        self.assertIn(HUNG_EXIT, [e["exit"] for e in ended], "the process did not end by its watchdog")
        self.assertNotEqual(self.stack.pid("signer"), before, "the supervisor did not restart it")

    # ---- permit and statement keys: without them nothing is issued ----

    def test_policy(self):
        for text in ("error 0x30", "wrong_signature"):
            self.fault("policy", text, seconds=0.5)
        self.fault("policy", "session_loss", seconds=0.5, stops=False)

    def test_registration(self):
        for text in ("error 0x30", "wrong_signature"):
            self.fault("registration", text, seconds=0.5)
        self.fault("registration", "session_loss", seconds=0.5, stops=False)

    def test_policy_hang(self):
        before = self.stack.pid("policy")
        self.fault("policy", "hang", seconds=0.5)
        self.assertTrue(self.events("policy", "hsm.hung"))
        self.assertNotEqual(self.stack.pid("policy"), before)

    # ---- checkpoint keys: entries are durable without them; the published log waits ----

    def test_audit(self):
        for text in ("error 0x30", "wrong_signature", "session_loss"):
            self.fault("audit", text, seconds=0.5, stops=False)

    # ---- responder keys ----

    def ocsp_answer(self, certificate):
        """The response to a fresh question, None when the responder says to try later."""
        issuer = self.issuers[certificate.issuer]
        request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1()).build()
        url = f"http://127.0.0.1:{self.stack.http_port()}/ocsp"
        http = urllib.request.Request(url, request.public_bytes(serialization.Encoding.DER),
                                      {"Content-Type": "application/ocsp-request"})
        try:
            with urllib.request.urlopen(http, timeout=15) as answer:
                response = ocsp.load_der_ocsp_response(answer.read())
        except urllib.error.HTTPError as e:
            self.assertIn(e.code, (500, 503))
            return None
        if response.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL:
            self.assertIn(response.response_status, (ocsp.OCSPResponseStatus.TRY_LATER, ocsp.OCSPResponseStatus.INTERNAL_ERROR))
            return None
        responder = response.certificates[0]
        verify(issuer, responder.signature, responder.tbs_certificate_bytes, responder.signature_hash_algorithm)
        verify(responder, response.signature, response.tbs_response_bytes, response.signature_hash_algorithm)
        return response

    def test_revocation(self):
        with Load(self.stack) as load:
            self.assertIsNotNone(load.wait_for_each(60), f"no load: {load.failures}")
            self.assertIsNotNone(load.wait_for_each(60), f"no load: {load.failures}")
        fresh = [x509.load_der_x509_certificate(der) for _, der in load.acknowledged]
        for text in ("error 0x30", "wrong_signature", "session_loss"):
            self.assertIsNotNone(self.ocsp_answer(fresh.pop()))
            self.control("revocation", text)
            asked = [self.ocsp_answer(fresh.pop()) for _ in range(3)]
            if text != "session_loss":
                self.assertEqual(asked[1:], [None, None], "the fault was not injected")
            self.control("revocation", "none")
            started, certificate, answer = time.monotonic(), fresh.pop(), None
            while answer is None and time.monotonic() - started < 30:
                answer = self.ocsp_answer(certificate)
                time.sleep(0.05)
            resumed = time.monotonic() - started
            print(f"revocation: {text}: answers resumed {resumed:.2f} s after its end", flush=True)
            self.assertLessEqual(resumed, RESUME_S, text)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
