#!/usr/bin/python3
"""policy dies between any two steps of a bundle's life: what was acknowledged stands, what was not has either happened
whole or not at all, doing it again is right, every row is in the log, and the chain verifies."""
import sys
import time
import unittest

import grpc

from lifecycle import Bundles
from stack import Stack

PATIENCE_S = 60
POINTS = ["policy.submit_logged", "policy.submit_stored", "policy.approve_logged", "policy.approve_stored",
          "policy.promote_logged", "policy.promote_stored"]


class Kills(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(["--failpoints"])
        cls.enterClassContext(cls.stack)
        cls.bundles = Bundles(cls.stack)

    def until_done(self, step, accept=()):
        """A step as a person does it: again while policy is away; a refusal in `accept` says that it was done."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return step()
            except grpc.RpcError as e:
                detail = dict(e.trailing_metadata() or ())
                if any(rule.encode() in detail.get("chancery-error-bin", b"") for rule in accept):
                    return None
                self.assertIn(e.code().name, ("UNAVAILABLE", "UNKNOWN", "ABORTED", "CANCELLED"), e.details())
                self.assertLess(time.monotonic(), until, e.details())
                time.sleep(0.1)

    def armed(self, point, step, accept=()):
        """Runs a step during which policy dies at a point, and does it again."""
        pid = self.stack.pid("policy")
        self.stack.arm_failpoint("policy", point)
        with self.assertRaises(grpc.RpcError):
            step()
        until = time.monotonic() + PATIENCE_S
        while self.stack.pid("policy") in (pid, None):
            self.assertLess(time.monotonic(), until, f"policy did not die at {point}")
            time.sleep(0.02)
        return self.until_done(step, accept)

    def test_each_step(self):
        number = 0
        for point in POINTS:
            with self.subTest(point=point):
                number += 1
                self.one_life(point, number)
        self.check_log()

    def one_life(self, point, number):
        b, files = self.bundles, self.bundles.variant(f"kill {number}")
        before = b.in_force()
        run = lambda name, step, accept=(): (self.armed if point.startswith("policy." + name) else
                                             lambda _, s, a=(): self.until_done(s, a))(point, step, accept)
        bundle = run("submit", lambda: b.submit(files))
        run("approve", lambda: b.approve(bundle))
        self.assertEqual(b.in_force(), before)
        run("promote", lambda: b.promote(bundle, predecessor_sha256=before), ("bundle.predecessor", "bundle.same"))
        self.assertTrue(b.wait_in_force(bundle, PATIENCE_S), point)
        self.stack.wait_ready(PATIENCE_S)

    def check_log(self):
        """Every row has its entry; numbers have no gap; nothing was refused by whoever verifies the chain."""
        leaves = [leaf for _, leaf in self.stack.log_entries()]
        submitted = {leaf["f"]["bundle"] for leaf in leaves if leaf["action"] == "bundle.submitted"}
        promoted = {(int(leaf["f"]["sequence"]), leaf["f"]["bundle"]) for leaf in leaves if leaf["action"] == "bundle.promoted"}
        approved = {leaf["f"]["subject"] for leaf in leaves if leaf["action"] == "bundle.approved"}
        for (sha256,) in self.stack.sql("SELECT encode(sha256, 'hex') FROM policy.bundle WHERE author <> 'ceremony'"):
            self.assertIn(sha256, submitted)
        for (subject,) in self.stack.sql("SELECT encode(subject, 'hex') FROM policy.approval"):
            self.assertIn(subject, approved)
        rows = self.stack.sql("SELECT sequence, encode(bundle_sha256, 'hex') FROM policy.promotion ORDER BY sequence")
        self.assertEqual([int(s) for s, _ in rows], list(range(1, len(POINTS) + 1)))
        for sequence, bundle in rows:
            self.assertIn((int(sequence), bundle), promoted)
        self.assertEqual([leaf for leaf in leaves if leaf["action"] == "bundle.refused" and leaf["f"]["step"] == "chain"], [])
        self.assertEqual(self.stack.verify_log().returncode, 0)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
