#!/usr/bin/python3
"""A process or PostgreSQL away: issuing stops with UNAVAILABLE and never another code for a well-formed request,
resumes by itself within 2 s of the return, nothing is lost. A disk that takes no more of the log's files: entries go
on, the files follow when there is room."""
import glob
import os
import signal
import socket
import subprocess
import sys
import time
import unittest
import urllib.request

import grpc
from cryptography import x509

import accounting
from stack import Load, Stack, make_csr

RESUME_S = 2.0
NOTICE_S = 8.0  # what was in flight has an answer by then
AWAY_S = 1.5    # further time without the service
FINE = {"OK", "UNAVAILABLE"}


class Outage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(["--module", accounting.proxy_module(), "--failpoints"])
        cls.stack.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.stack.__exit__(None)

    def setUp(self):
        self.stack.wait_ready()

    def stop(self, service):
        """Stops a service and returns when its process is gone."""
        self.stack.sv("down", service)
        until = time.monotonic() + 20
        while self.stack.pid(service) is not None and time.monotonic() < until:
            time.sleep(0.02)
        self.assertIsNone(self.stack.pid(service), f"{service} does not stop")

    def wait_answer(self, service, seconds=30):
        """Returns when the service answers again: that is its return."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                if service == "postgresql":
                    self.stack.sql("SELECT 1")
                else:
                    socket.create_connection(("127.0.0.1", self.stack.port(service)), 0.2).close()
                return
            except Exception:
                time.sleep(0.02)
        self.fail(f"{service} did not return")

    def calls(self, certificate):
        """Well-formed calls of every kind: {method: status name}; each must be served or UNAVAILABLE."""
        messages, stub = self.stack.stub("registration")
        _, csr = make_csr("outage.example.test")
        calls = {
            "Enroll": messages.EnrollRequest(profile="web", pkcs10=csr),
            "GetCertificate": messages.GetCertificateRequest(issuer_id=certificate.issuer_id, serial=certificate.serial),
            "ListCertificates": messages.ListCertificatesRequest(page_size=1),
            "GetIssuer": messages.GetIssuerRequest(),
            "Revoke": messages.RevokeRequest(issuer_id=certificate.issuer_id, serial=certificate.serial, reason="superseded"),
        }
        codes = {}
        for method, request in calls.items():
            try:
                getattr(stub, method)(request, timeout=15)
                codes[method] = "OK"
            except grpc.RpcError as e:
                codes[method] = e.code().name
                self.assertIn(codes[method], FINE, f"{method}: {e.details()}")
        try:  # a refusal is an answer only when the log has it
            stub.Enroll(messages.EnrollRequest(profile="no-such-profile", pkcs10=csr), timeout=15)
            self.fail("an unknown profile was accepted")
        except grpc.RpcError as e:
            codes["refusal"] = e.code().name
        return codes

    def one_certificate(self):
        messages, stub = self.stack.stub("registration")
        _, csr = make_csr("before.example.test")
        return stub.Enroll(messages.EnrollRequest(profile="web", pkcs10=csr), timeout=15, wait_for_ready=True).certificate

    def outage(self, service, away=lambda: None):
        """`away` runs while the service is down and its absence has been noticed."""
        with Load(self.stack) as load:
            self.assertIsNotNone(load.wait_for_each(60), f"no load: {load.failures}")
            self.stop(service)
            try:
                before = load.count()
                load.forget_failures()
                stopped = time.monotonic()
                self.assertTrue(load.wait_for_failure("UNAVAILABLE", NOTICE_S), f"{service}: {load.failures}")
                print(f"{service}: clients were told after {time.monotonic() - stopped:.2f} s", flush=True)
                self.assertLessEqual(load.count() - before, len(load.threads), f"certificates were issued without {service}")
                before = load.count()
                time.sleep(AWAY_S)
                self.assertEqual(load.count(), before, f"certificates were issued without {service}")
                away()
            finally:
                self.stack.sv("up", service)
            self.wait_answer(service)
            resumed = load.wait_for_each(30)
        self.verdict(service, load, resumed)

    def verdict(self, what, load, resumed, codes=("UNAVAILABLE",)):
        self.assertIsNotNone(resumed, f"{what}: did not resume: {load.failures} {load.details}")
        self.stack.wait_ready()
        accounting.settle(self.stack)
        counts = accounting.check(self, self.stack, load.acknowledged)
        print(f"{what}: every client resumed {resumed:.2f} s after its return; {counts}; clients saw {load.failures}", flush=True)
        self.assertEqual(set(load.failures) - set(codes), set(), f"{what}: {load.failures} {load.details}")
        self.assertLessEqual(resumed, RESUME_S, f"{what}: resumed after {resumed:.1f} s")

    def outage_and_calls(self, service, refusal):
        certificate = self.one_certificate()
        codes = {}
        self.outage(service, lambda: codes.update(self.calls(certificate)))
        self.assertEqual(codes["Enroll"], "UNAVAILABLE", codes)
        self.assertIn(codes["refusal"], refusal, codes)
        return codes

    # What is not well-formed may be refused while the log can say so.

    def test_policy(self):
        codes = self.outage_and_calls("policy", {"UNAVAILABLE", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"})
        self.assertEqual(codes["Revoke"], "OK", codes)  # revocation needs no permit

    def test_audit(self):
        codes = self.outage_and_calls("audit", {"UNAVAILABLE"})
        self.assertEqual(codes["Revoke"], "UNAVAILABLE", codes)

    def test_audit_before_result(self):
        """The log goes while the HSM signs: the signature is thrown away and counts as unknown, the client hears in time."""
        before = self.events("signer", "signer.result_not_logged")
        with Load(self.stack, threads=4) as load:
            self.assertIsNotNone(load.wait_for_each(60), f"no load: {load.failures}")
            self.signer_control("hang")
            try:
                time.sleep(1)  # whatever had its INTENT is in C_Sign now; the watchdog gives it 5 s
                self.stack.sv("down", "audit")
                self.stack.kill("audit")
                self.stop("audit")
                load.forget_failures()
            finally:
                self.signer_control("none")
            try:
                until = time.monotonic() + 20
                while self.events("signer", "signer.result_not_logged") == before and time.monotonic() < until:
                    time.sleep(0.05)
                self.assertTrue(load.wait_for_failure("UNAVAILABLE", NOTICE_S), f"{load.failures}")
            finally:
                self.stack.sv("up", "audit")
            self.wait_answer("audit")
            resumed = load.wait_for_each(30)
        self.assertGreater(self.events("signer", "signer.result_not_logged"), before, "no RESULT was waiting: nothing is tested")
        self.verdict("audit before a RESULT", load, resumed)

    def signer_control(self, text):
        with open(self.stack.path("p11proxy", "signer.control"), "w", encoding="ascii") as f:
            f.write(text + "\n")

    def test_signer(self):
        self.outage_and_calls("signer", {"UNAVAILABLE", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"})

    def test_ca(self):
        self.outage_and_calls("ca", {"UNAVAILABLE"})

    def test_postgresql(self):
        codes = self.outage_and_calls("postgresql", {"UNAVAILABLE"})
        self.assertEqual(codes["Revoke"], "UNAVAILABLE", codes)

    def test_postgresql_crash(self):
        """SIGQUIT: PostgreSQL ends at once and recovers from its write-ahead log when runit restarts it."""
        with Load(self.stack) as load:
            self.assertIsNotNone(load.wait_for_each(60), f"no load: {load.failures}")
            pid = self.stack.pid("postgresql")
            self.assertTrue(self.stack.kill("postgresql", signal.SIGQUIT))
            until = time.monotonic() + 20
            while self.stack.pid("postgresql") in (pid, None) and time.monotonic() < until:
                time.sleep(0.02)
            self.wait_answer("postgresql")
            resumed = load.wait_for_each(30)
        self.verdict("postgresql crash", load, resumed)

    def test_registration(self):
        """Its clients see its absence themselves; what they asked for is not lost."""
        with Load(self.stack) as load:
            self.assertIsNotNone(load.wait_for_each(60), f"no load: {load.failures}")
            self.stop("registration")
            before = load.count()
            time.sleep(AWAY_S)
            self.assertEqual(load.count(), before)
            self.stack.sv("up", "registration")
            self.wait_answer("registration")
            resumed = load.wait_for_each(30)
        # libgrpc ends a call that arrives between the stop and its GOAWAY with CANCELLED, before we see it.
        self.verdict("registration", load, resumed, codes=("UNAVAILABLE", "CANCELLED"))

    def test_revocation(self):
        """Issuing goes on without it; revoking stops with UNAVAILABLE and resumes."""
        certificate = self.one_certificate()
        messages, stub = self.stack.stub("registration")
        request = messages.RevokeRequest(issuer_id=certificate.issuer_id, serial=certificate.serial, reason="superseded")
        with Load(self.stack) as load:
            self.assertIsNotNone(load.wait_for_each(60), f"no load: {load.failures}")
            self.stop("revocation")
            try:
                self.assertIsNotNone(load.wait_for_each(10), f"issuing stopped without revocation: {load.failures}")
                with self.assertRaises(grpc.RpcError) as caught:
                    stub.Revoke(request, timeout=15)
                self.assertEqual(caught.exception.code().name, "UNAVAILABLE", caught.exception.details())
            finally:
                self.stack.sv("up", "revocation")
            self.wait_answer("revocation")
            started, code = time.monotonic(), "UNAVAILABLE"
            while code == "UNAVAILABLE" and time.monotonic() - started < 30:
                try:
                    stub.Revoke(request, timeout=15)
                    code = "OK"
                except grpc.RpcError as e:
                    code = e.code().name
                    time.sleep(0.05)
            resumed = time.monotonic() - started
        self.assertEqual(code, "OK")
        self.assertEqual(load.failures, {}, f"{load.details}")
        self.verdict("revocation", load, resumed)

    def test_crls_wait_for_ca(self):
        """A revocation that no CRL covers yet when ca goes: tries become rare, and the CRL comes soon after its return."""
        messages, stub = self.stack.stub("registration")
        certificate = self.one_certificate()
        serial = int.from_bytes(certificate.serial, "big")
        url = x509.load_der_x509_certificate(certificate.der).extensions.get_extension_for_class(
            x509.CRLDistributionPoints).value[0].full_name[0].value
        before = self.events("revocation", "revocation.crl_failed")
        stub.Revoke(messages.RevokeRequest(issuer_id=certificate.issuer_id, serial=certificate.serial, reason="superseded"), timeout=15)
        self.stop("ca")
        try:
            self.assertFalse(self.in_crl(url, serial), "the CRL was faster than the outage: nothing is tested")
            until = time.monotonic() + 20
            while self.events("revocation", "revocation.crl_failed") == before and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(4)
        finally:
            self.stack.sv("up", "ca")
        self.wait_answer("ca")
        started = time.monotonic()
        failed = self.events("revocation", "revocation.crl_failed") - before
        while not self.in_crl(url, serial) and time.monotonic() - started < 30:
            time.sleep(0.05)
        resumed = time.monotonic() - started
        print(f"CRLs: {failed} tries without ca, in the CRL {resumed:.2f} s after its return", flush=True)
        self.assertLessEqual(failed, 8, "too many tries while ca was away")
        self.assertGreater(failed, 0)
        self.assertLessEqual(resumed, 2 * RESUME_S)

    def in_crl(self, url, serial):
        local = f"http://127.0.0.1:{self.stack.http_port()}/" + url.split("/", 3)[3]
        with urllib.request.urlopen(local, timeout=10) as answer:
            crl = x509.load_der_x509_crl(answer.read())
        return crl.get_revoked_certificate_by_serial_number(serial) is not None

    def events(self, process, name):
        """How often a process's log reports an event."""
        count = 0
        for path in glob.glob(self.stack.path("log", process, "*")):
            with open(path, encoding="utf-8", errors="replace") as f:
                count += sum(f'"event":"{name}"' in line for line in f)
        return count

    def test_log_files_disk_full(self):
        """No octet more fits on the disk of the log's files: entries stay durable in the database, the published
        checkpoint stays whole, and the files follow when there is room."""
        pid = self.stack.pid("audit")
        with Load(self.stack) as load:
            self.assertIsNotNone(load.wait_for_each(60), f"no load: {load.failures}")
            self.limit_files(pid, "0")
            try:
                size = self.published_size()
                self.assertIsNotNone(load.wait_for_each(10), f"issuing stopped: {load.failures}")
                self.assertIsNotNone(load.wait_for_each(10), f"issuing stopped: {load.failures}")
                self.assertLessEqual(self.published_size() - size, 1024)
                frozen = self.published_size()
                self.assertIsNotNone(load.wait_for_each(10), f"issuing stopped: {load.failures}")
                self.assertEqual(self.published_size(), frozen, "a checkpoint was published on a full disk")
            finally:
                self.limit_files(pid, "unlimited")
            started = time.monotonic()
            while self.published_size() == frozen and time.monotonic() - started < 30:
                time.sleep(0.05)
            resumed = time.monotonic() - started
        self.assertEqual(self.stack.pid("audit"), pid, "audit ended")
        self.assertEqual(load.failures, {}, f"{load.details}")
        self.verdict("full disk", load, resumed)

    def limit_files(self, pid, size):
        """Sets the soft limit of file sizes, as the process's own user: that needs no privilege."""
        command = ["prlimit", "--pid", str(pid), f"--fsize={size}:"]
        if os.getuid() == 0:
            with open(f"/proc/{pid}/status", encoding="ascii") as f:
                ids = {line.split()[0]: line.split()[1] for line in f if line.startswith(("Uid:", "Gid:"))}
            command = ["setpriv", f"--reuid={ids['Uid:']}", f"--regid={ids['Gid:']}", "--clear-groups", *command]
        subprocess.run(command, check=True, capture_output=True, timeout=20)

    def published_size(self):
        with open(self.stack.path("audit", "log", "checkpoint"), encoding="utf-8") as f:
            return int(f.read().split("\n")[1])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
