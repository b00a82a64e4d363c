#!/usr/bin/python3
"""Limits on a whole stack with two chancery-policy and two chancery-ca: never more than the limit, whichever instance is
asked and whoever is killed; a rate refuses for now, other limits until a place is free; the log frees places."""
import os
import shutil
import sys
import tempfile
import threading
import time
import unittest
import uuid

import grpc
from cryptography.hazmat.primitives import serialization

from stack import SOURCE, Stack, error_detail, make_csr

stack = None
bundle = None

LIMITS = {
    "rated": "{requester: {rate: 6/1d}}",
    "loose": "{profile: {rate: 600/1m, burst: 100}}",  # leased in blocks of 12
    "counted": "{requester: {active: 3}}",
    "single": "{duplicates: refuse, renewal_window: 1d, key_reuse: refuse}",
}


def setUpModule():
    global stack, bundle
    bundle = tempfile.mkdtemp(prefix="chancery-bundle-", dir="/var/tmp")
    made = os.path.join(bundle, "limited")
    shutil.copytree(os.path.join(SOURCE, "policy", "bundles", "default"), made)
    shutil.rmtree(os.path.join(made, "tests"), ignore_errors=True)
    with open(os.path.join(made, "profiles", "web.yaml"), encoding="utf-8") as f:
        web = f.read()
    for name, limits in LIMITS.items():
        with open(os.path.join(made, "profiles", name + ".yaml"), "w", encoding="utf-8") as f:
            f.write(web.replace("name: web", "name: " + name, 1) + f"limits: {limits}\n")
    stack = Stack(["--bundle", made, "--policy-instances", "2", "--ca-instances", "2"])
    stack.__enter__()


def tearDownModule():
    stack.__exit__(None)
    shutil.rmtree(bundle, ignore_errors=True)


class Limits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.messages, cls.registration = stack.stub("registration")

    def enrol(self, profile, csr=None, key=None, timeout=20):
        csr = csr or make_csr(f"{uuid.uuid4().hex[:12]}.example.test")[1]
        return self.registration.Enroll(self.messages.EnrollRequest(
            profile=profile, idempotency_key=key or str(uuid.uuid4()), pkcs10=csr), timeout=timeout).certificate

    def refused(self, profile, code, rule, **kw):
        with self.assertRaises(grpc.RpcError) as caught:
            self.enrol(profile, **kw)
        detail = error_detail(caught.exception)
        self.assertEqual((detail.code, detail.rule), (code, rule), caught.exception.details())
        return detail

    def issued(self, profile):
        return int(stack.sql(f"SELECT count(*) FROM ca.certificate WHERE profile = '{profile}'")[0][0])

    def crowd(self, profile, threads, each):
        """Asks from several threads; the names of errors, with the number of each."""
        outcomes, lock = {}, threading.Lock()

        def run():
            for _ in range(each):
                try:
                    self.enrol(profile)
                    outcome = "OK"
                except grpc.RpcError as e:
                    detail = error_detail(e)
                    outcome = f"{detail.code} {detail.rule}" if detail else e.details()
                with lock:
                    outcomes[outcome] = outcomes.get(outcome, 0) + 1

        all_threads = [threading.Thread(target=run) for _ in range(threads)]
        for t in all_threads:
            t.start()
        for t in all_threads:
            t.join()
        return outcomes

    def test_a_rate_refuses_for_now_and_the_same_key_may_ask_again(self):
        outcomes = self.crowd("rated", 5, 4)
        self.assertEqual(outcomes, {"OK": 6, "BUSY limit.requester.rate": 14})
        self.assertEqual(self.issued("rated"), 6)
        key, csr = str(uuid.uuid4()), make_csr("again.example.test")[1]
        detail = self.refused("rated", "BUSY", "limit.requester.rate", csr=csr, key=key)
        self.assertTrue(14000 < detail.retry_after_s <= 14400, detail)  # a day for six
        self.assertIsNotNone(stack.log_has("refusal", rule="limit.requester.rate", profile="rated"))
        # As if that time had passed.
        stack.sql("UPDATE policy.limit_scope SET full_at_ns = full_at_ns - 14400000000000")
        first = self.enrol("rated", csr=csr, key=key)
        self.assertEqual(self.enrol("rated", csr=csr, key=key).serial, first.serial)
        self.refused("rated", "BUSY", "limit.requester.rate")

    def test_a_killed_policy_grants_no_more(self):
        stopping = threading.Event()
        began = time.monotonic()

        def killer():
            names = ["policy", "policy-2"]
            while not stopping.wait(0.7):
                names.reverse()
                stack.kill(names[0])

        thread = threading.Thread(target=killer)
        thread.start()
        try:
            outcomes = self.crowd("loose", 6, 40)
        finally:
            stopping.set()
            thread.join()
        most = 100 + (time.monotonic() - began) * 10 + 1
        self.assertLessEqual(self.issued("loose"), most, outcomes)
        self.assertGreaterEqual(self.issued("loose"), 40, outcomes)
        stack.wait_ready(60)

    def test_a_place_is_free_when_a_certificate_is_revoked(self):
        outcomes = self.crowd("counted", 5, 2)
        self.assertEqual(outcomes, {"OK": 3, "REFUSED limit.requester.active": 7})
        serial = stack.sql("SELECT encode(serial, 'hex'), issuer_id FROM ca.certificate WHERE profile = 'counted' LIMIT 1")[0]
        self.registration.Revoke(self.messages.RevokeRequest(
            issuer_id=serial[1], serial=bytes.fromhex(serial[0]), reason="superseded"), timeout=10)
        until, certificate = time.monotonic() + 30, None
        while certificate is None:
            try:
                certificate = self.enrol("counted")
            except grpc.RpcError as e:
                self.assertEqual(error_detail(e).rule, "limit.requester.active")
                self.assertLess(time.monotonic(), until, "the place was not freed")
        self.assertEqual(self.issued("counted"), 4)
        self.assertEqual(len(self.crowd("counted", 2, 2)), 1)
        active = int(stack.sql("SELECT active FROM policy.limit_scope WHERE key LIKE E'requester\\ncounted\\n%'")[0][0])
        self.assertEqual(active, 3)

    def test_names_and_keys_are_issued_once(self):
        key, csr = make_csr("single.example.test")
        self.enrol("single", csr=csr)
        other = make_csr("single.example.test")[1]
        self.refused("single", "REFUSED", "limit.duplicate", csr=other)
        same_key = make_csr("other.example.test", key=key)[1]
        self.refused("single", "REFUSED", "limit.key_reuse", csr=same_key)
        self.assertEqual(self.issued("single"), 1)

    def test_a_dry_run_shows_limits_and_takes_nothing(self):
        from cryptography import x509
        path = stack.path("dry.csr")
        csr = x509.load_der_x509_csr(make_csr("dry.example.test")[1])
        with open(path, "wb") as f:
            f.write(csr.public_bytes(serialization.Encoding.PEM))
        before = stack.sql("SELECT * FROM policy.limit_scope ORDER BY key")
        for _ in range(3):
            done = stack.cli_json("policy", "explain", "--profile", "loose", "--csr", path)
            rules = {r["rule"]: r for r in done["explanations"][0]["rules"]}
            self.assertIn("limit.profile.rate", rules)
            self.assertIn("per 60 s, burst 100", rules["limit.profile.rate"]["required"])
        self.assertEqual(stack.sql("SELECT * FROM policy.limit_scope ORDER BY key"), before)


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv)
