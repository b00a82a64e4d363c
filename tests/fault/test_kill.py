#!/usr/bin/python3
"""Kill -9 of every process under load, at random and at named points between each pair of steps: nothing acknowledged
is lost, every HSM signature is accounted for, no serial twice, one live certificate per idempotency key, the log
verifies. With one and with two ca. CHANCERY_TEST_KILLS and CHANCERY_TEST_SEED choose how many and which."""
import contextlib
import glob
import os
import random
import re
import signal
import sys
import threading
import time
import unittest

import grpc
from cryptography import x509

import accounting
from test_bundle_kill import POINTS as BUNDLE_POINTS
from stack import PROCESSES, SOURCE, Load, Stack, make_csr

SEED = int(os.environ.get("CHANCERY_TEST_SEED", str(int(time.time()))))
KILLS = int(os.environ.get("CHANCERY_TEST_KILLS", "100"))
PATIENCE_S = 90  # for anything that must happen; a slow machine is no failure
REPLAYS = 300    # idempotency keys that are asked for again at the end

# Every point of the services (the test compares): docs/ISSUANCE.md says what recovery does after each.
POINTS = [
    "registration.recorded", "registration.stated", "registration.issued", "registration.stored",
    "ca.built", "ca.permitted", "ca.reserved", "ca.signed", "ca.stored",
    "ca.crl_checked", "ca.crl_permitted", "ca.crl_signed", "ca.crl_stored",
    "policy.judged", "policy.signed",
    "signer.permit_checked", "signer.intent_logged", "signer.signed", "signer.result_logged",
    "audit.queued", "audit.committed", "audit.signed", "audit.second_written", "audit.tiles_written",
    "revocation.logged", "revocation.stored", "revocation.crl_built", "revocation.crl_signed",
]
ISSUER = "issuing-1"


class Revoker(threading.Thread):
    """Revokes a certificate now and then, so that revocations and CRLs are on their way when processes die."""

    def __init__(self, stack, load, rng):
        super().__init__(daemon=True)
        self.load, self.rng = load, random.Random(rng.random())
        self.messages, self.stub = stack.stub("registration")
        self.stopping = threading.Event()
        self.acknowledged = []

    def run(self):
        done = 0
        while not self.stopping.wait(0.3):
            with self.load.lock:
                fresh = self.load.acknowledged[done:]
                done += len(fresh)
            if fresh:
                self.revoke(x509.load_der_x509_certificate(self.rng.choice(fresh)[1]))

    def revoke(self, certificate):
        serial = accounting.serial_hex(certificate)
        request = self.messages.RevokeRequest(issuer_id=ISSUER, serial=bytes.fromhex(serial), reason="superseded")
        while not self.stopping.is_set():
            try:
                self.stub.Revoke(request, timeout=10, wait_for_ready=True)
                self.acknowledged.append((ISSUER, serial))
                return
            except grpc.RpcError:
                self.stopping.wait(0.1)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join(30)


class Killer:
    """Counts kills; arms points and waits until their process is gone."""

    def __init__(self, test, stack, load, rng):
        self.test, self.stack, self.load, self.rng = test, stack, load, rng
        self.services = stack.services()
        self.done = 0
        self.reached = set()

    def await_that(self, what, condition):
        until = time.monotonic() + PATIENCE_S
        while not condition():
            self.test.assertLess(time.monotonic(), until, f"{what} after {self.done} kills; clients saw {self.load.details}")
            time.sleep(0.01)

    def at_random(self, service):
        """Kills a service at a moment of its own."""
        time.sleep(self.rng.uniform(0.0, 0.2))
        self.await_that(f"{service} does not run", lambda: self.stack.kill(service))
        self.done += 1

    def at_point(self, point, also):
        """Has a service kill itself at the point; `also`: kills another at random while it is on its way there."""
        service = self.rng.choice([s for s in self.services if s.split("-")[0] == point.split(".")[0]])
        self.await_that(f"{service} does not run", lambda: self.stack.pid(service) is not None)
        pid = self.stack.pid(service)
        self.stack.arm_failpoint(service, point)
        if also:
            others = [s for s in self.services if s.split("-")[0] != service.split("-")[0]]
            self.at_random(self.rng.choice(others + ["postgresql"]))
        # The process removes its order before it obeys.
        order = self.stack.path("run", "failpoint", service)
        self.await_that(f"{point} was not reached", lambda: not os.path.exists(order) and self.stack.pid(service) != pid)
        self.reached.add(point)
        self.done += 1


class Kill(unittest.TestCase):
    def points(self, rng):
        """Every point in turn, in a new order each time."""
        while True:
            yield from rng.sample(POINTS, len(POINTS))

    def run_kills(self, kills, options):
        rng = random.Random(SEED)
        print(f"seed {SEED}, {kills} kills {options}", flush=True)
        with Stack(["--module", accounting.proxy_module(), "--failpoints", *options]) as stack:
            with Load(stack, threads=12) as load, Revoker(stack, load, rng) as revoker:
                self.assertIsNotNone(load.wait_for_more(20, PATIENCE_S), f"no load: {load.details}")
                killer, started = Killer(self, stack, load, rng), time.monotonic()
                for point in self.points(rng):
                    if killer.done >= kills:
                        break
                    killer.at_point(point, also=killer.done + 2 <= kills)
                    if rng.random() < 0.3:
                        # Let it breathe, so that kills meet real work.
                        self.assertIsNotNone(load.wait_for_more(10, PATIENCE_S), f"stalled after {killer.done} kills: {load.details}")
                seconds = time.monotonic() - started
                self.assertIsNotNone(load.wait_for_each(PATIENCE_S), f"did not resume: {load.details}")
            self.verdict(stack, load, revoker, killer, kills, seconds)

    def verdict(self, stack, load, revoker, killer, kills, seconds):
        stack.wait_ready(PATIENCE_S)
        replayed = self.replay(stack, load)
        counts = accounting.check(self, stack, load.acknowledged, revoker.acknowledged)
        listed = accounting.check_crls(self, stack)
        print(f"{killer.done} kills in {seconds:.0f} s, {len(killer.reached)} points reached; {counts}; {replayed} keys replayed, "
              f"{listed} CRL entries; clients saw {load.failures}", flush=True)
        if kills >= 2 * len(POINTS):
            self.assertEqual(killer.reached, set(POINTS))

    def replay(self, stack, load):
        """The same key gives the same certificate, whatever happened meanwhile."""
        messages, stub = stack.stub("registration")
        names = random.Random(SEED).sample(load.acknowledged, min(REPLAYS, len(load.acknowledged)))
        for name, der in names:
            request = messages.EnrollRequest(profile=load.profile, idempotency_key=name, pkcs10=load.csr_of(name))
            answer = stub.Enroll(request, timeout=30, wait_for_ready=True)
            self.assertEqual(answer.certificate.der, der, f"{name}: another certificate for the same key")
            self.assertTrue(answer.replayed, name)
        return len(names)

    def test_points_are_those_of_the_code(self):
        found = set()
        for process in PROCESSES:
            for path in glob.glob(os.path.join(SOURCE, "services", process, "*.c")):
                with open(path, encoding="utf-8") as f:
                    found |= set(re.findall(r'OS_FAILPOINT\("([^"]+)"\)', f.read()))
        self.assertEqual(found, set(POINTS) | set(BUNDLE_POINTS))

    def test_one_ca(self):
        self.run_kills(KILLS, [])

    def test_two_ca(self):
        self.run_kills(max(KILLS // 2, 2 * len(POINTS)) if KILLS >= 100 else max(KILLS // 2, 4), ["--ca-instances", "2"])

    # ---- races that kills at random do not reach ----

    def test_retry_beside_slow_attempt(self):
        """registration dies while an attempt is being signed, and the client's retry runs beside it: the attempt that
        comes first counts, the other's signature is discarded and revoked."""
        self.until_discarded(self.retry_beside, [])

    def test_paused_ca(self):
        """A ca that holds its breath for longer than its lease is fenced by the other one and what it reserved is voided
        and revoked; when it goes on, it stores nothing."""
        self.until_discarded(self.pause_ca, ["--ca-instances", "2"])

    def until_discarded(self, race, options):
        """Runs a race that a slow machine may win; the books are in order each time."""
        with Stack(["--module", accounting.proxy_module(), *options]) as stack:
            acknowledged = []
            for number in range(10):
                race(stack, f"race-{number}", acknowledged)
                counts = accounting.check(self, stack, acknowledged)
                if counts["discarded"] > 0:
                    print(counts, flush=True)
                    return
            self.fail(f"nothing was ever discarded: {counts}")

    def retry_beside(self, stack, key, acknowledged):
        stub, request = self.begin(stack, key, "delay 3000")
        first = stub.Enroll.future(request, timeout=60)
        self.await_attempt(stack, key, {"1"})
        stack.kill("registration")
        self.assertIsInstance(first.exception(), grpc.RpcError)
        self.end(stack, stub, request, acknowledged)

    def pause_ca(self, stack, key, acknowledged):
        stub, request = self.begin(stack, key, "delay 2000")
        first = stub.Enroll.future(request, timeout=60)
        service = {"ca-1": "ca", "ca-2": "ca-2"}[self.await_attempt(stack, key, {"1"})]
        stack.kill(service, signal.SIGSTOP)
        try:
            self.await_attempt(stack, key, {"2", "3"})
        finally:
            stack.kill(service, signal.SIGCONT)
        first.exception()  # comes after ca has thrown the signature away
        self.end(stack, stub, request, acknowledged)

    def begin(self, stack, key, fault):
        """A request, and a device that is slow to sign it."""
        messages, stub = stack.stub("registration")
        request = messages.EnrollRequest(profile="web", idempotency_key=key, pkcs10=make_csr(f"{key}.example.test")[1])
        self.control(stack, fault)
        return stub, request

    def await_attempt(self, stack, key, states):
        """Waits until the first attempt at a key has one of the states; returns the ca that made it."""
        query = ("SELECT i.state, i.instance FROM ca.issuance i JOIN registration.request r USING (request_id) "
                 f"WHERE r.idempotency_key = '{key}' ORDER BY i.attempt LIMIT 1")
        until = time.monotonic() + PATIENCE_S
        rows = []
        while not rows or rows[0][0] not in states:
            self.assertLess(time.monotonic(), until, f"{key}: {rows}, not {states}")
            rows = stack.sql(query)
        return rows[0][1]

    def end(self, stack, stub, request, acknowledged):
        """Asks until there is an answer."""
        until = time.monotonic() + PATIENCE_S
        answer = None
        while answer is None:
            self.assertLess(time.monotonic(), until)
            with contextlib.suppress(grpc.RpcError):
                answer = stub.Enroll(request, timeout=30, wait_for_ready=True)
        self.control(stack, "none")
        acknowledged.append((request.idempotency_key, answer.certificate.der))

    def control(self, stack, command):
        with open(stack.path("p11proxy", "signer.control"), "w", encoding="ascii") as f:
            f.write(command + "\n")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
