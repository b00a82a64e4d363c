#!/usr/bin/python3
"""Kill -9 of every process under load, at random and at named points between each pair of steps: nothing acknowledged
is lost, every HSM signature is accounted for, no serial twice, the log verifies. With one and with two ca."""
import os
import random
import sys
import time
import unittest

import accounting
from stack import Load, Stack

SEED = int(os.environ.get("CHANCERY_TEST_SEED", str(int(time.time()))))
KILLS = int(os.environ.get("CHANCERY_TEST_KILLS", "100"))

POINTS = [
    ("registration", "registration.recorded"), ("registration", "registration.stated"), ("registration", "registration.issued"),
    ("registration", "registration.stored"),
    ("ca", "ca.built"), ("ca", "ca.permitted"), ("ca", "ca.reserved"), ("ca", "ca.signed"), ("ca", "ca.stored"),
    ("policy", "policy.judged"), ("policy", "policy.signed"),
    ("signer", "signer.permit_checked"), ("signer", "signer.intent_logged"), ("signer", "signer.signed"),
    ("signer", "signer.result_logged"),
    ("audit", "audit.queued"), ("audit", "audit.committed"), ("audit", "audit.tiles_written"),
]


class Kill(unittest.TestCase):
    def wait_gone(self, stack, service, pid, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if stack.pid(service) != pid:
                return True
            time.sleep(0.02)
        return False

    def run_kills(self, kills, options):
        rng = random.Random(SEED)
        print(f"seed {SEED}, {kills} kills", flush=True)
        module = accounting.proxy_module()
        with Stack(["--module", module, "--failpoints", *options]) as stack:
            services = stack.services()
            reached = set()
            with Load(stack) as load:
                self.assertIsNotNone(load.wait_for_more(20, 60), f"no load: {load.failures}")
                done = 0
                while done < kills:
                    if done % 2 == 0:
                        service = rng.choice(services)
                        if stack.kill(service):
                            done += 1
                        time.sleep(rng.uniform(0.0, 0.4))
                    else:
                        process, point = POINTS[(done // 2) % len(POINTS)]
                        service = rng.choice([s for s in services if s.split("-")[0] == process])
                        pid = stack.pid(service)
                        if pid is None:
                            time.sleep(0.05)
                            continue
                        stack.arm_failpoint(service, point)
                        if self.wait_gone(stack, service, pid, 20):
                            reached.add(point)
                        else:
                            self.fail(f"{point} was not reached within 20 s; failures so far: {load.failures}")
                        done += 1
                    if rng.random() < 0.3:
                        # Let it breathe, so that each kill meets real work.
                        self.assertIsNotNone(load.wait_for_more(5, 60), f"stalled after {done} kills: {load.failures}")
                self.assertIsNotNone(load.wait_for_more(50, 60), f"did not resume: {load.failures}")
            stack.wait_ready()
            accounting.settle(stack)
            print(accounting.check(self, stack, load.acknowledged), "failures seen by clients:", load.failures, flush=True)
            if kills >= 2 * len(POINTS):
                self.assertEqual(reached, {p for _, p in POINTS})

    def test_one_ca(self):
        self.run_kills(KILLS, [])

    def test_two_ca(self):
        self.run_kills(max(KILLS // 2, 4), ["--ca-instances", "2"])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
