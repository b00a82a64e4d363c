#!/usr/bin/python3
"""policy, audit or PostgreSQL away: issuing stops with UNAVAILABLE, resumes by itself within 2 s of their return, nothing is
lost."""
import sys
import time
import unittest

import accounting
from stack import Load, Stack

RESUME_S = 2.0


class Outage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(["--module", accounting.proxy_module(), "--failpoints"])
        cls.stack.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.stack.__exit__(None)

    def outage(self, service):
        with Load(self.stack) as load:
            self.assertIsNotNone(load.wait_for_more(20, 60), f"no load: {load.failures}")
            self.stack.sv("down", service)
            self.stack.sv("force-stop", service) if service != "postgresql" else time.sleep(1.5)
            before = load.count()
            load.failures.clear()
            time.sleep(1.5)
            self.assertLessEqual(load.count() - before, 8, f"certificates were issued without {service}")
            self.assertEqual(set(load.failures) - {"UNAVAILABLE", "DEADLINE_EXCEEDED"}, set(), load.failures)
            self.assertGreater(load.failures.get("UNAVAILABLE", 0), 0)
            self.stack.sv("up", service)
            self.wait_listening(service)
            resumed = load.wait_for_more(8, 30)
        self.assertIsNotNone(resumed, f"{service}: did not resume: {load.failures} {getattr(load, 'last_failure', '')}")
        self.stack.wait_ready()
        accounting.settle(self.stack)
        counts = accounting.check(self, self.stack, load.acknowledged)
        print(f"{service}: resumed {resumed:.2f} s after its return; {counts}; clients saw {load.failures}", flush=True)
        self.assertLessEqual(resumed, RESUME_S, f"{service}: resumed after {resumed:.1f} s")

    def wait_listening(self, service):
        """Returns when the service answers again: that is its return."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            if service == "postgresql":
                try:
                    self.stack.sql("SELECT 1")
                    return
                except Exception:
                    time.sleep(0.05)
            else:
                import socket
                try:
                    socket.create_connection(("127.0.0.1", self.stack.port(service)), 0.2).close()
                    return
                except OSError:
                    time.sleep(0.05)
        self.fail(f"{service} did not return")

    def test_policy(self):
        self.outage("policy")

    def test_audit(self):
        self.outage("audit")

    def test_postgresql(self):
        self.outage("postgresql")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
