#!/usr/bin/python3
"""HSM faults under load (error, delay, hang, session loss, wrong signature): nothing wrong or unlogged leaves, and the service
resumes within 5 s of the fault's end."""
import sys
import time
import unittest

import accounting
from stack import Load, Stack

RESUME_S = 5.0


class HsmFaults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(["--module", accounting.proxy_module(), "--failpoints"])
        cls.stack.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.stack.__exit__(None)

    def control(self, text):
        path = self.stack.path("p11proxy", "signer.control")
        with open(path, "w", encoding="ascii") as f:
            f.write(text + "\n")

    def fault(self, text, seconds=2.0):
        with Load(self.stack) as load:
            self.assertIsNotNone(load.wait_for_more(20, 60), f"no load before the fault: {load.failures}")
            self.control(text)
            time.sleep(seconds)
            self.control("none")
            resumed = load.wait_for_more(20, 30)
        self.assertIsNotNone(resumed, f"{text}: did not resume: {load.failures}")
        self.assertLessEqual(resumed, RESUME_S, f"{text}: resumed after {resumed:.1f} s")
        self.stack.wait_ready()
        accounting.settle(self.stack)
        counts = accounting.check(self, self.stack, load.acknowledged)
        print(f"{text}: resumed {resumed:.2f} s after its end; {counts}; clients saw {load.failures}", flush=True)
        return load

    def test_error(self):
        load = self.fault("error 0x30")
        self.assertTrue(load.failures, "no client noticed: the fault was not injected")

    def test_delay(self):
        self.fault("delay 200")

    def test_hang(self):
        load = self.fault("hang", seconds=7.0)
        self.assertTrue(load.failures, "no client noticed: the fault was not injected")

    def test_session_loss(self):
        self.fault("session_loss")

    def test_wrong_signature(self):
        load = self.fault("wrong_signature")
        self.assertTrue(load.failures, "no client noticed: the fault was not injected")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
