"""Client commands against a foreign gRPC server over mutual TLS.

The servers here are fakes (Python, canned answers): they stand for registration, audit and the others so that
paging, errors, retries and identities can be provoked at will. Whole flows on real services are in the stack tests.
"""
import json
import os
import threading
import unittest
from concurrent import futures

import grpc

from softhsm import MODULE, SoftHsm, openssl
from stack import pb

SERIALS = [bytes([0x10 + i]) + os.urandom(15) for i in range(7)]


def identity(folder, name):
    def read(file):
        with open(os.path.join(folder, name, "current", file), "rb") as f:
            return f.read()
    return read("key.pem"), read("cert.pem"), read("ca.pem")


class Fakes:
    def __init__(self, hsm, ids):
        self.calls, self.unavailable = [], 0
        self.reg, reg_grpc = pb("registration")
        self.audit, audit_grpc = pb("audit")
        self.common, _ = pb("common")
        fakes = self

        class Registration(reg_grpc.RegistrationServiceServicer):
            def Enroll(self, q, context):
                fakes.calls.append(q)
                if fakes.unavailable > 0:
                    fakes.unavailable -= 1
                    context.abort(grpc.StatusCode.UNAVAILABLE, "away")
                if q.profile == "forbidden":
                    detail = fakes.common.ErrorDetail(code="REFUSED", field="csr.key", rule="key.type", message="no\x1b[2J",
                                                      reference="RFC 5280 4.1.2.7")
                    context.set_trailing_metadata((("chancery-error-bin", detail.SerializeToString()),))
                    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "refused")
                return fakes.reg.EnrollResponse(certificate=fakes.cert(0, True), request_id=b"\1" * 16)

            def ListCertificates(self, q, context):
                fakes.calls.append(q)
                start = int(q.cursor or 0)
                page = range(start, min(start + min(q.page_size, 3), len(SERIALS)))
                return fakes.reg.ListCertificatesResponse(certificates=[fakes.cert(i) for i in page],
                                                          next_cursor=str(page.stop) if page.stop < len(SERIALS) else "")

            def GetCertificate(self, q, context):
                for i, serial in enumerate(SERIALS):
                    if serial == q.serial:
                        return fakes.reg.GetCertificateResponse(certificate=fakes.cert(i, True))
                context.abort(grpc.StatusCode.NOT_FOUND, "no such certificate")

            def Revoke(self, q, context):
                fakes.calls.append(q)
                return fakes.reg.RevokeResponse(revoked_at_s=1795219200, log_index=12)

        class Audit(audit_grpc.AuditServiceServicer):
            def ListEntries(self, q, context):
                fakes.calls.append(q)
                leaves = [fakes.audit.LogEntry(index=i, leaf=json.dumps({"action": "intent", "f": {"n": i}, "ts": 1795219200 * 10**9,
                          "producer": "spiffe://chancery.test/chancery/signer", "pseq": i, "boot": "00", "v": 1}).encode())
                          for i in range(5)]
                return fakes.audit.ListEntriesResponse(entries=leaves[q.first_index:q.first_index + q.count], size=5)

            def GetCheckpoint(self, q, context):
                return fakes.audit.GetCheckpointResponse(checkpoint="origin\n5\nhash\n")

        openssl("x509", "-in", os.path.join(ids, "registration", "current", "cert.pem"), "-outform", "DER", "-out", hsm.path("some.der"))
        with open(hsm.path("some.der"), "rb") as f:
            self.der = f.read()
        self.servers, self.ports = [], {}
        for name, add, servicer in (("registration", reg_grpc.add_RegistrationServiceServicer_to_server, Registration()),
                                    ("audit", audit_grpc.add_AuditServiceServicer_to_server, Audit())):
            server = grpc.server(futures.ThreadPoolExecutor(4))
            add(servicer, server)
            key, cert, ca = identity(ids, name)
            creds = grpc.ssl_server_credentials([(key, cert)], ca, True)
            self.ports[name] = server.add_secure_port("127.0.0.1:0", creds)
            server.start()
            self.servers.append(server)

    def cert(self, i, der=False):
        return self.common.Certificate(issuer_id="issuing-1", serial=SERIALS[i], subject="CN=\u202eevil", names=[f"DNS:host{i}.test"], profile="web",
                                       status="good", not_after_s=1795219200, log_index=i, der=self.der if der else b"",
                                       chain_der=[self.der] if der else [])

    def stop(self):
        for server in self.servers:
            server.stop(None).wait()


class Cli(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hsm = SoftHsm()
        cls.hsm.token("infra")
        ids = cls.hsm.path("identity")
        cls.hsm.json("identity", "init", "--module", MODULE, "--token-uri", "pkcs11:token=chancery-infra", "--pin-file",
                     cls.hsm.path("pins", "infra.pin"), "--trust-domain", "chancery.test", "--out", ids)
        for args in (("--process", "registration"), ("--process", "audit"), ("--user", "alice")):
            cls.hsm.json("identity", "issue", "--ca", ids, *args)
        cls.fakes = Fakes(cls.hsm, ids)
        cls.config("client.yaml", cls.fakes.ports["registration"], cls.fakes.ports["audit"])
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=host",
                "-keyout", cls.hsm.path("host.key"), "-out", cls.hsm.path("host.csr"))
        cls.hsm.env["CHANCERY_CONFIG"] = cls.hsm.path("client.yaml")

    @classmethod
    def config(cls, name, registration, audit):
        cls.hsm.write(name, f"trust_domain: chancery.test\ntls: {{dir: identity/user-alice/current}}\npeers:\n"
                      f"  registration: 127.0.0.1:{registration}\n  audit: 127.0.0.1:{audit}\n")

    @classmethod
    def tearDownClass(cls):
        cls.fakes.stop()
        cls.hsm.close()

    def setUp(self):
        self.fakes.calls.clear()

    def test_issue_writes_certificate_and_chain(self):
        got = self.hsm.json("issue", "--profile", "web", "--csr", self.hsm.path("host.csr"), "--out", self.hsm.path("host.pem"), "--chain",
                            "--validity", "30d", "--key", "once")
        self.assertEqual(got["serial"], SERIALS[0].hex())
        with open(self.hsm.path("host.pem"), encoding="utf-8") as f:
            self.assertEqual(f.read().count("BEGIN CERTIFICATE"), 2)
        call = self.fakes.calls[0]
        self.assertEqual((call.profile, call.idempotency_key, call.max_validity_s), ("web", "once", 30 * 86400))
        with open(self.hsm.path("sent.der"), "wb") as f:
            f.write(call.pkcs10)
        self.assertEqual(openssl("req", "-inform", "DER", "-noout", "-subject", "-in", self.hsm.path("sent.der")).stdout,
                         "subject=CN = host\n")

    def test_issue_prints_only_pem_on_stdout(self):
        done = self.hsm.run("issue", "--profile", "web", "--csr", self.hsm.path("host.csr"))
        self.assertTrue(done.stdout.startswith("-----BEGIN CERTIFICATE-----\n"))
        self.assertTrue(done.stdout.endswith("-----END CERTIFICATE-----\n"))

    def test_issue_repeats_with_one_key_while_unavailable(self):
        self.fakes.unavailable = 1
        self.hsm.run("issue", "--profile", "web", "--csr", self.hsm.path("host.csr"))
        self.assertGreater(len(self.fakes.calls), 1)
        self.assertEqual(len({c.idempotency_key for c in self.fakes.calls}), 1)
        self.assertEqual(len(self.fakes.calls[0].idempotency_key), 32)

    def test_refusal_shows_detail_and_exits_1(self):
        done = self.hsm.run("issue", "--profile", "forbidden", "--csr", self.hsm.path("host.csr"), "--json", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(json.loads(done.stderr)["error"]["rule"], "key.type")
        self.assertEqual(json.loads(done.stderr)["error"]["code"], "REFUSED")
        done = self.hsm.run("issue", "--profile", "forbidden", "--csr", self.hsm.path("host.csr"), check=False)
        self.assertNotIn("\x1b", done.stderr)
        self.assertIn("RFC 5280 4.1.2.7", done.stderr)

    def test_bad_csr_is_refused_before_anything_is_sent(self):
        self.hsm.write("bad.csr", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE")
        done = self.hsm.run("issue", "--profile", "web", "--csr", self.hsm.path("bad.csr"), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(self.fakes.calls), 0)

    def test_list_follows_cursors_up_to_the_limit(self):
        got = self.hsm.json("cert", "list", "--profile", "web", "--expires-before", "2027-01-01")
        self.assertEqual([c["serial"] for c in got["certificates"]], [s.hex() for s in SERIALS])
        self.assertFalse(got["more"])
        self.assertEqual(self.fakes.calls[0].not_after_before_s, 1798761600)
        got = self.hsm.json("cert", "list", "--limit", "4")
        self.assertEqual(len(got["certificates"]), 4)
        self.assertTrue(got["more"])

    def test_table_hides_bidirectional_control(self):
        shown = self.hsm.run("cert", "show", SERIALS[1].hex()).stdout
        self.assertIn("\\u{202e}evil", shown)
        self.assertNotIn("\u202e", shown)

    def test_show_unknown_serial_exits_1(self):
        done = self.hsm.run("cert", "show", "0badcafe", check=False)
        self.assertEqual((done.returncode, "NOT_FOUND" in done.stderr), (1, True))

    def test_revoke_sends_serial_and_reason(self):
        colons = ":".join(f"{b:02X}" for b in SERIALS[2])
        got = self.hsm.json("revoke", colons, "--reason", "keyCompromise", "--issuer", "issuing-1")
        self.assertEqual((self.fakes.calls[0].serial, self.fakes.calls[0].reason), (SERIALS[2], "keyCompromise"))
        self.assertEqual(got["log_index"], 12)

    def test_audit_log_in_table_and_json(self):
        table = self.hsm.run("audit", "log", "--from", "1", "--limit", "3").stdout
        self.assertIn("signer", table)
        self.assertIn("n=1", table)
        got = self.hsm.json("audit", "log", "--limit", "2")
        self.assertEqual([e["leaf"]["pseq"] for e in got["entries"]], [0, 1])
        self.assertEqual(got["size"], 5)

    def test_checkpoint_is_printed_verbatim(self):
        self.assertEqual(self.hsm.run("audit", "checkpoint").stdout, "origin\n5\nhash\n")

    def test_wrong_server_identity_and_closed_port_exit_3(self):
        self.config("swapped.yaml", self.fakes.ports["audit"], 1)
        for process in (("cert", "list"), ("audit", "checkpoint"), ("status",)):
            done = self.hsm.run("--config", self.hsm.path("swapped.yaml"), *process, "--timeout", "2", check=False)
            self.assertEqual(done.returncode, 3, f"{process}: {done.stdout}{done.stderr}")

    def test_peer_that_is_not_configured_is_usage(self):
        done = self.hsm.run("policy", "bundle", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("policy", done.stderr)


if __name__ == "__main__":
    unittest.main()
