#!/usr/bin/python3
"""Compromised processes. This test holds the identity of `ca` (and, for statements, registration's token) and talks to policy
and signer itself: altered bytes, skipped, replayed, foreign and wrong-purpose permits are refused, and each refusal is
in the log. The formats are written by tests/support/formats.py from docs/ISSUANCE.md, not by our C code."""
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import formats
from stack import SOFTHSM, SOURCE, Stack, error_detail, make_csr, pb

stack = None
USER = "operator"


bundle = None

TENANTS = """tenants:
  - name: default
  - name: south
    names: {dns: {suffixes: [south.example.test]}}
"""
BINDINGS = """bindings:
  - requester: /user/operator
    profiles: [bound]
    roles: [enroller]
    names:
      dns: {suffixes: [a.example.test]}
      ip: {networks: [10.1.0.0/16]}
"""


def write_bundle(folder):
    """The shipped bundle with a profile whose names must be bound, and a second tenant."""
    shutil.copytree(os.path.join(SOURCE, "policy", "bundles", "default"), folder)
    with open(os.path.join(folder, "profiles", "web.yaml"), encoding="utf-8") as f:
        web = f.read()
    os.makedirs(os.path.join(folder, "bindings"), exist_ok=True)
    for name, text in (("tenants.yaml", TENANTS), ("bindings/attack.yaml", BINDINGS),
                       ("profiles/bound.yaml", web.replace("name: web\n", "name: bound\n") + "tenants: [default, south]\nbinding: required\n"
                        "roles: [enroller]\nprotocols: [grpc]\nauthentication: {all_of: [mtls, pkcs10]}\n")):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)


def setUpModule():
    global stack, bundle
    bundle = tempfile.mkdtemp(prefix="chancery-bundle-", dir="/var/tmp")
    os.chmod(bundle, 0o755)
    write_bundle(os.path.join(bundle, "b"))
    stack = Stack(options=["--bundle", os.path.join(bundle, "b")])
    stack.__enter__()


def tearDownModule():
    stack.__exit__(None)
    shutil.rmtree(bundle)


def sign_statement(data):
    """ECDSA signature by registration's statement key, in its token."""
    return token_sign("registration", "statement", data)


def pkcs11_tool(partition, *args):
    folder = stack.path("tokens", partition)
    with open(os.path.join(folder, "pin"), encoding="ascii") as f:
        pin = f.read().strip()
    done = subprocess.run(["pkcs11-tool", "--module", SOFTHSM, "--token-label", f"chancery-{partition}", "--login", "--pin", "env:TEST_PIN", *args],
                          capture_output=True, text=True, timeout=30,
                          env=dict(os.environ, SOFTHSM2_CONF=os.path.join(folder, "softhsm2.conf"), TEST_PIN=pin))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def token_sign(partition, label, data):
    """ECDSA signature with SHA-256 by a P-256 key of a partition: what who holds its files and PIN can do."""
    # By id: for signing, pkcs11-tool does not look at labels.
    listed = pkcs11_tool(partition, "--list-objects", "--type", "privkey")
    key_id = re.search(rf"label: +{re.escape(label)}\n.*?ID: +([0-9a-f]+)", listed, re.DOTALL).group(1)
    with tempfile.TemporaryDirectory() as d:
        source, target = os.path.join(d, "in"), os.path.join(d, "out")
        with open(source, "wb") as f:
            f.write(hashlib.sha256(data).digest())
        pkcs11_tool(partition, "--sign", "--id", key_id, "--mechanism", "ECDSA", "--signature-format", "openssl", "-i", source, "-o", target)
        with open(target, "rb") as f:
            return f.read()


class Cycle(unittest.TestCase):
    """The issuance cycle by hand, with the identity of `ca`."""
    PROFILE, HOST = "web", "attack.example.test"

    @classmethod
    def setUpClass(cls):
        cls.common, _ = pb("common")
        cls.reg_messages, cls.registration = stack.stub("registration", identity=USER)
        cls.policy_messages, cls.policy = stack.stub("policy", identity="ca")
        cls.signer_messages, cls.signer = stack.stub("signer", identity="ca")
        cls.host = cls.HOST
        cls.key, cls.csr = make_csr(cls.host)
        cls.certificate = cls.registration.Enroll(cls.reg_messages.EnrollRequest(
            profile=cls.PROFILE, pkcs10=cls.csr, idempotency_key=str(uuid.uuid4())), timeout=20).certificate

    def tbs(self):
        """A TBS as ca would write it: the issued one with a fresh serial of the same shard."""
        parsed = x509.load_der_x509_certificate(self.certificate.der)
        serial = self.certificate.serial
        return parsed.tbs_certificate_bytes.replace(serial, serial[:4] + os.urandom(12), 1)

    def request(self, host=None):
        csr = x509.load_der_x509_csr(self.csr)
        spki = csr.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return self.common.Request(
            request_id=os.urandom(16), tenant="default", profile=self.PROFILE, requester=self.certificate.requester,
            spki_sha256=hashlib.sha256(spki).digest(), subject_der=csr.subject.public_bytes(),
            sans=[self.common.San(type=3, value=(host or self.host).encode())],
            evidence=self.common.Evidence(protocol="grpc", caller=self.certificate.requester, proof="pkcs10",
                                          proof_sha256=hashlib.sha256(self.csr).digest(), authentication=["mtls", "pkcs10"]))

    def permit(self, tbs, request=None, statement=None, signature=None):
        request = request or self.request()
        statement = statement or formats.statement([formats.request_digest(request)])
        item = self.policy_messages.PermitItem(certificate=self.policy_messages.CertificateItem(
            request=request, issuer_id=self.certificate.issuer_id, tbs=tbs))
        return self.policy.Permit(self.policy_messages.PermitRequest(
            statement=statement, statement_signature=sign_statement(statement) if signature is None else signature, items=[item]), timeout=10)

    def sign(self, granted, tbs, **changes):
        m = self.signer_messages
        request = m.SignBatchRequest(permit=granted.permit, permit_signature=granted.permit_signature,
                                     permit_items=[i.item for i in granted.items], items=[m.SignItem(permit_index=0, tbs=tbs)])
        for name, value in changes.items():
            if isinstance(value, list):
                del getattr(request, name)[:]
                getattr(request, name).extend(value)
            else:
                setattr(request, name, value)
        return self.signer.SignBatch(request, timeout=10)

    def assert_refused(self, call, rule):
        """The signer refuses by item or as a whole, gives no signature, and the refusal is in the log."""
        first = int(stack.log_entries()[-1][0]) + 1
        try:
            result = call()
            result = result.items[0] if hasattr(result, "items") else result.result
            self.assertEqual(result.signature, b"")
            detail = result.error
        except grpc.RpcError as e:
            detail = error_detail(e)
            self.assertIsNotNone(detail, e.details())
        self.assertIn(rule, detail.rule, f"{detail}")
        until = time.monotonic() + 5
        while True:
            found = [leaf for _, leaf in stack.log_entries(first) if "refus" in leaf["action"] and rule in str(leaf["f"])]
            if found:
                return
            self.assertLess(time.monotonic(), until, f"no refusal with {rule} in the log")
            time.sleep(0.1)


class Attack(Cycle):
    # ---- control: the honest cycle works by hand ----

    def test_honest_permit_is_signed_and_logged(self):
        tbs = self.tbs()
        permit = self.permit(tbs)
        self.assertEqual(permit.items[0].verdict, self.common.OUTCOME_PASS, permit.items[0].rules)
        self.assertEqual(formats.read_item(permit.items[0].item)["tbs"], hashlib.sha256(tbs).digest())
        result = self.sign(permit, tbs).items[0]
        self.assertEqual(result.error.code, "")
        x509.load_der_x509_certificate(self.certificate.chain_der[0]).public_key().verify(
            result.signature, tbs, ec.ECDSA(hashes.SHA256()))
        entries = dict(stack.log_entries(result.intent_index))
        self.assertEqual(entries[result.intent_index]["action"], "intent")
        self.assertEqual(entries[result.result_index]["action"], "result")

    # ---- a compromised ca ----

    def test_one_altered_byte(self):
        tbs = self.tbs()
        permit = self.permit(tbs)
        altered = tbs.replace(self.host.encode(), b"x" + self.host.encode()[1:])
        self.assertNotEqual(tbs, altered)
        self.assert_refused(lambda: self.sign(permit, altered), "tbs")

    def test_no_permit(self):
        tbs = self.tbs()
        permit = self.permit(tbs)
        self.assert_refused(lambda: self.sign(permit, tbs, permit=b"", permit_signature=b""), "permit")
        self.assert_refused(lambda: self.sign(permit, tbs, permit_signature=permit.permit_signature[:-1] + bytes([permit.permit_signature[-1] ^ 1])),
                            "permit.signature")

    def test_replayed_permit(self):
        tbs = self.tbs()
        permit = self.permit(tbs)
        self.assertEqual(self.sign(permit, tbs).items[0].error.code, "")
        self.assert_refused(lambda: self.sign(permit, tbs), "permit")

    def test_replay_within_one_call(self):
        tbs = self.tbs()
        permit = self.permit(tbs)
        m = self.signer_messages
        try:
            answer = self.sign(permit, tbs, items=[m.SignItem(permit_index=0, tbs=tbs), m.SignItem(permit_index=0, tbs=tbs)])
            self.assertLessEqual(len([i for i in answer.items if i.signature]), 1)
        except grpc.RpcError as e:
            self.assertIn(e.code().name, ("INVALID_ARGUMENT", "FAILED_PRECONDITION"))

    def test_items_swapped_under_the_signature(self):
        tbs, other = self.tbs(), self.tbs()
        permit, second = self.permit(tbs), self.permit(other)
        self.assert_refused(lambda: self.sign(permit, other, permit_items=[second.items[0].item]), "permit.root")

    def test_refused_item_is_not_signed(self):
        tbs = self.tbs().replace(self.host.encode(), b"y" + self.host.encode()[1:])
        permit = self.permit(tbs)
        self.assertEqual(permit.items[0].verdict, self.common.OUTCOME_FAIL)
        self.assert_refused(lambda: self.sign(permit, tbs), "verdict")

    def test_permit_for_another_issuer(self):
        """The permit names another issuer key; the signer signs with that key only, so the bytes that name our issuer get
        none. Here: an item whose issuer hash is altered no longer matches the root."""
        tbs = self.tbs()
        permit = self.permit(tbs)
        item = bytearray(permit.items[0].item)
        item[len(b"chancery/permit-item/v1\n") + 2] ^= 1
        self.assert_refused(lambda: self.sign(permit, tbs, permit_items=[bytes(item)]), "permit.root")

    def forged_permit(self, item, life=60):
        """A permit over one item by the true permit key: a compromised policy."""
        honest = self.permit(self.tbs()).permit
        head = len(b"chancery/permit/v1\n")
        permit = formats.write_permit([item], honest[head:head + 32], life)
        m = self.policy_messages
        return m.PermitResponse(permit=permit, permit_signature=token_sign("policy", "permit", permit), items=[m.PermitResult(item=item)])

    def other_issuer(self):
        issuers = self.registration.GetIssuer(self.reg_messages.GetIssuerRequest(), timeout=10).issuers
        return next(i for i in issuers if i.shards > 0 and i.issuer_id != self.certificate.issuer_id)

    def spki(self, certificate_der):
        return x509.load_der_x509_certificate(certificate_der).public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    def item(self, tbs, issuer_der, **fields):
        return formats.write_item(issuer=formats.sha256(self.spki(issuer_der)), tbs=formats.sha256(tbs), request=os.urandom(32), **fields)

    def test_policy_refuses_bytes_of_another_issuer(self):
        request = self.request()
        statement = formats.statement([formats.request_digest(request)])
        answer = self.policy.Permit(self.policy_messages.PermitRequest(
            statement=statement, statement_signature=sign_statement(statement),
            items=[self.policy_messages.PermitItem(certificate=self.policy_messages.CertificateItem(
                request=request, issuer_id=self.other_issuer().issuer_id, tbs=self.tbs()))]), timeout=10)
        self.assertEqual(answer.items[0].verdict, self.common.OUTCOME_FAIL)
        self.assertTrue(any(r.rule.startswith("issuer.") for r in answer.items[0].rules if r.outcome == self.common.OUTCOME_FAIL),
                        answer.items[0].rules)

    # ---- a compromised policy: what the signer still refuses ----

    def test_true_permit_for_another_issuers_key(self):
        tbs = self.tbs()
        self.assert_refused(lambda: self.sign(self.forged_permit(self.item(tbs, self.other_issuer().certificate_der)), tbs), "tbs.algorithm.key")

    def test_true_permit_for_a_key_the_signer_does_not_hold(self):
        tbs = self.tbs()
        item = formats.write_item(issuer=os.urandom(32), tbs=formats.sha256(tbs), request=os.urandom(32))
        self.assert_refused(lambda: self.sign(self.forged_permit(item), tbs), "key.unknown")

    def test_true_permit_past_its_expiry_or_living_too_long(self):
        tbs = self.tbs()
        for life, rule in ((-10, "permit.expired"), (3600, "permit.")):
            permit = self.forged_permit(self.item(tbs, self.certificate.chain_der[0]), life)
            self.assert_refused(lambda permit=permit: self.sign(permit, tbs), rule)

    def crl_permit(self, tbs_sha256):
        now = int(time.time())
        item = self.policy_messages.PermitItem(crl=self.policy_messages.CrlItem(
            issuer_id=self.certificate.issuer_id, shard=0, number=1 << 40, this_update_s=now, next_update_s=now + 86400, tbs_sha256=tbs_sha256))
        permit = self.policy.Permit(self.policy_messages.PermitRequest(items=[item]), timeout=10)
        self.assertEqual(permit.items[0].verdict, self.common.OUTCOME_PASS, permit.items[0].rules)
        return permit

    def sign_crl(self, permit, tbs):
        m = self.signer_messages
        header = m.SignCrlHeader(permit=permit.permit, permit_signature=permit.permit_signature,
                                 permit_items=[i.item for i in permit.items], permit_index=0)
        return self.signer.SignCrl(iter([m.SignCrlRequest(header=header), m.SignCrlRequest(chunk=tbs)]), timeout=10)

    def test_crl_permit_never_signs_a_certificate(self):
        tbs = self.tbs()
        permit = self.crl_permit(hashlib.sha256(tbs).digest())
        self.assert_refused(lambda: self.sign_crl(permit, tbs), "tbs")
        self.assert_refused(lambda: self.sign(permit, tbs), "purpose")

    def test_crl_permit_never_signs_a_v1_certificate(self):
        tbs = self.tbs()
        # Drop the [0] version and the extensions: what remains is a v1 TBSCertificate.
        self.assertEqual(tbs[0], 0x30)
        body = tbs[4:] if tbs[1] == 0x82 else tbs[3:]
        body = body[5:]
        parts, rest = [], body
        while rest:
            head = 2 if rest[1] < 0x80 else 2 + (rest[1] & 0x7F)
            length = rest[1] if rest[1] < 0x80 else int.from_bytes(rest[2:head], "big")
            parts.append(rest[:head + length])
            rest = rest[head + length:]
        body = b"".join(p for p in parts if p[0] != 0xA3)
        v1 = b"\x30\x82" + len(body).to_bytes(2, "big") + body
        permit = self.crl_permit(hashlib.sha256(v1).digest())
        self.assert_refused(lambda: self.sign_crl(permit, v1), "tbs")

    def test_certificate_permit_never_signs_a_crl(self):
        tbs = self.tbs()
        permit = self.permit(tbs)
        self.assert_refused(lambda: self.sign_crl(permit, tbs), "purpose")

    # ---- a compromised registration: its statements are true, policy still judges the bytes ----

    def test_stated_names_outside_the_profile_are_refused(self):
        foreign = "attack.example.tesx"
        self.assertEqual(len(foreign), len(self.host))
        tbs = self.tbs().replace(self.host.encode(), foreign.encode())
        granted = self.permit(tbs, request=self.request(foreign)).items[0]
        self.assertEqual(granted.verdict, self.common.OUTCOME_FAIL)
        self.assertIn("san.dns.allowed", [r.rule for r in granted.rules if r.outcome == self.common.OUTCOME_FAIL])

    def test_stated_caller_outside_the_profile_is_refused(self):
        request = self.request()
        request.requester = request.evidence.caller = "spiffe://chancery.test/chancery/registration"
        granted = self.permit(self.tbs(), request=request).items[0]
        self.assertEqual(granted.verdict, self.common.OUTCOME_FAIL)
        self.assertTrue(any("caller" in r.rule for r in granted.rules if r.outcome == self.common.OUTCOME_FAIL), granted.rules)

    # ---- who holds a key of the CA asks for a certificate for it ----

    def test_the_issuers_own_key_with_proof_of_possession_is_refused(self):
        good = x509.load_der_x509_csr(self.csr)
        mine = good.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        issuers = self.spki(self.certificate.chain_der[0])
        self.assertEqual(len(mine), len(issuers))
        info = good.tbs_certrequest_bytes.replace(mine, issuers)
        signature = token_sign("ca", self.certificate.issuer_id, info)
        algorithm = bytes.fromhex("300a06082a8648ce3d040302")
        csr = formats.der(0x30, info + algorithm + formats.der(0x03, b"\0" + signature))
        self.assertTrue(x509.load_der_x509_csr(csr).is_signature_valid)
        before = stack.sql("SELECT count(*) FROM ca.certificate")
        with self.assertRaises(grpc.RpcError) as caught:
            self.registration.Enroll(self.reg_messages.EnrollRequest(profile="web", pkcs10=csr, idempotency_key=str(uuid.uuid4())), timeout=15)
        self.assertEqual(error_detail(caught.exception).rule, "key.own")
        self.assertIsNotNone(stack.log_has("refusal", rule="key.own"))
        self.assertEqual(stack.sql("SELECT count(*) FROM ca.certificate"), before)

    # ---- a ca that invents evidence ----

    def test_policy_refuses_a_request_nobody_stated(self):
        tbs = self.tbs()
        request, other = self.request(), self.request()
        statement = formats.statement([formats.request_digest(other)])
        try:
            permit = self.permit(tbs, request=request, statement=statement)
            self.assertEqual(permit.items[0].verdict, self.common.OUTCOME_FAIL)
        except grpc.RpcError as e:
            self.assertIn(e.code().name, ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "PERMISSION_DENIED"))

    def test_policy_refuses_a_forged_or_old_statement(self):
        tbs, request = self.tbs(), self.request()
        digest = formats.request_digest(request)
        good = formats.statement([digest])
        forged = bytearray(sign_statement(good))
        forged[-1] ^= 1
        for statement, signature in ((good, bytes(forged)), (good, b""), (formats.statement([digest], life=-10), None)):
            with self.assertRaises(grpc.RpcError) as caught:
                self.permit(tbs, request=request, statement=statement, signature=signature)
            self.assertIn(caught.exception.code().name, ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "PERMISSION_DENIED", "UNAUTHENTICATED"))

    def test_only_ca_may_ask(self):
        for identity in (USER, "registration", "policy", "revocation"):
            messages, signer = stack.stub("signer", identity=identity)
            with self.assertRaises(grpc.RpcError) as caught:
                signer.SignBatch(messages.SignBatchRequest(), timeout=10)
            self.assertEqual(caught.exception.code().name, "PERMISSION_DENIED", identity)


class Bound(Cycle):
    """A compromised `ca` or gateway gets no permit for a name that is not bound to the requester. The profile allows every name
    asked for here; what refuses is the bundle's bindings, and the statement that fixes who asked."""
    PROFILE, HOST = "bound", "web.a.example.test"
    FOREIGN = "web.b.example.test"  # as long, so that the bytes stay a certificate

    def foreign_tbs(self):
        return self.tbs().replace(self.HOST.encode(), self.FOREIGN.encode())

    def failed(self, granted):
        return {r.rule for r in granted.rules if r.outcome == self.common.OUTCOME_FAIL}

    def assert_unsigned(self, answer, tbs):
        self.assert_refused(lambda: self.sign(answer, tbs), "verdict")

    def test_bound_names_are_permitted(self):
        answer = self.permit(self.tbs())
        self.assertEqual(answer.items[0].verdict, self.common.OUTCOME_PASS, answer.items[0].rules)

    def test_client_asks_for_a_name_that_is_not_bound(self):
        before = stack.sql("SELECT count(*) FROM ca.certificate")
        with self.assertRaises(grpc.RpcError) as caught:
            self.registration.Enroll(self.reg_messages.EnrollRequest(
                profile="bound", pkcs10=make_csr(self.FOREIGN)[1], idempotency_key=str(uuid.uuid4())), timeout=20)
        self.assertEqual(error_detail(caught.exception).rule, "san.bound")
        self.assertIsNotNone(stack.log_has("refusal", rule="san.bound"))
        self.assertEqual(stack.sql("SELECT count(*) FROM ca.certificate"), before)

    def test_client_asks_in_a_tenant_where_nothing_is_bound(self):
        for tenant, rule in (("south", "who.role"), ("north", "tenant.allowed")):
            with self.assertRaises(grpc.RpcError) as caught:
                self.registration.Enroll(self.reg_messages.EnrollRequest(
                    profile="bound", pkcs10=make_csr(self.HOST)[1], tenant=tenant, idempotency_key=str(uuid.uuid4())), timeout=20)
            self.assertEqual(error_detail(caught.exception).rule, rule)

    # ---- a true statement: a compromised gateway, or registration itself ----

    def test_true_statement_over_a_name_that_is_not_bound(self):
        tbs, request = self.foreign_tbs(), self.request(self.FOREIGN)
        request.subject_der = request.subject_der.replace(self.HOST.encode(), self.FOREIGN.encode())
        answer = self.permit(tbs, request=request)
        self.assertEqual(self.failed(answer.items[0]), {"san.bound"})  # everything else is in order
        self.assert_unsigned(answer, tbs)

    def test_true_statement_that_a_gateway_speaks_for_somebody_else(self):
        """A gateway may name any requester; the bindings are the requester's, not the gateway's."""
        for requester in ("/user/mallory", "/user/operator2", "/user/operato"):
            request = self.request()
            request.requester = "spiffe://chancery.test" + requester
            request.evidence.caller = "spiffe://chancery.test/chancery/acme"
            tbs = self.tbs()
            answer = self.permit(tbs, request=request)
            self.assertLessEqual({"binding.profile", "san.bound", "who.role"}, self.failed(answer.items[0]))
            self.assert_unsigned(answer, tbs)

    def test_true_statement_in_another_tenant(self):
        request = self.request()
        request.tenant = "south"
        answer = self.permit(self.tbs(), request=request)
        self.assertEqual(self.failed(answer.items[0]), {"who.role", "binding.profile", "san.bound", "tenant.names"})

    def test_true_statement_without_what_the_profile_wants_proven(self):
        for change, rule in (("protocol", "who.protocol"), ("authentication", "who.authentication")):
            request = self.request()
            if change == "protocol":
                request.evidence.protocol = "scep"
            else:
                del request.evidence.authentication[:]
                request.evidence.authentication.append("mtls")
            self.assertEqual(self.failed(self.permit(self.tbs(), request=request).items[0]), {rule})

    # ---- a compromised ca: it holds honest statements, and may send any request with them ----

    def altered(self):
        """(what, request) of requests that differ in one point from the one that was stated."""
        def change(edit):
            request = self.common.Request()
            request.CopyFrom(honest)
            edit(request)
            return request
        honest = self.request()
        claim = self.common.Claim
        edits = {
            "nothing": lambda r: None,
            "name": lambda r: setattr(r.sans[0], "value", self.FOREIGN.encode()),
            "another name": lambda r: r.sans.append(self.common.San(type=8, value=bytes([10, 1, 2, 3]))),
            "requester": lambda r: setattr(r, "requester", "spiffe://chancery.test/user/bob"),
            "caller": lambda r: setattr(r.evidence, "caller", "spiffe://chancery.test/chancery/acme"),
            "tenant": lambda r: setattr(r, "tenant", "south"),
            "profile": lambda r: setattr(r, "profile", "web"),
            "protocol": lambda r: setattr(r.evidence, "protocol", "acme"),
            "method": lambda r: r.evidence.authentication.append("yubikey"),
            "fewer methods": lambda r: r.evidence.authentication.pop(),
            "claim": lambda r: r.evidence.claims.append(claim(name="host", value="web")),
            "proof": lambda r: setattr(r.evidence, "proof_sha256", os.urandom(32)),
            "client certificate": lambda r: setattr(r.evidence, "client_cert_sha256", os.urandom(32)),
            "key": lambda r: setattr(r, "spki_sha256", os.urandom(32)),
            "life": lambda r: setattr(r, "max_validity_s", 60),
            "extension": lambda r: r.extensions.append(self.common.Extension(oid=b"\x55\x1d\x0f", value=b"\3\2\7\x80")),
            "request id": lambda r: setattr(r, "request_id", os.urandom(16)),
        }
        return formats.statement([formats.request_digest(honest)]), [(what, change(edit)) for what, edit in edits.items()]

    def test_request_altered_under_an_honest_statement(self):
        statement, requests = self.altered()
        signature = sign_statement(statement)
        for what, request in requests:
            tbs = self.foreign_tbs() if what == "name" else self.tbs()
            answer = self.permit(tbs, request=request, statement=statement, signature=signature)
            if what == "nothing":
                self.assertEqual(answer.items[0].verdict, self.common.OUTCOME_PASS, answer.items[0].rules)
                continue
            self.assertEqual(answer.items[0].verdict, self.common.OUTCOME_FAIL, what)
            self.assertEqual(answer.items[0].error.rule, "statement.request", what)
        self.assert_unsigned(answer, tbs)
        self.assertIsNotNone(stack.log_has("refusal", rule="statement.request"))

    def test_lists_of_the_evidence_out_of_order(self):
        """One evidence has one encoding, whoever states it."""
        for field, values in (("authentication", ["pkcs10", "mtls"]), ("authentication", ["mtls", "mtls"]),
                              ("claims", [self.common.Claim(name="b", value="1"), self.common.Claim(name="a", value="1")])):
            request = self.request()
            del getattr(request.evidence, field)[:]
            getattr(request.evidence, field).extend(values)
            answer = self.permit(self.tbs(), request=request)
            self.assertEqual(answer.items[0].verdict, self.common.OUTCOME_FAIL)
            self.assertEqual(answer.items[0].error.rule, "request.evidence.order")

    def test_statement_forged(self):
        """ca signs the statement itself, with every key but registration's; or bends a true one."""
        request = self.request(self.FOREIGN)
        statement = formats.statement([formats.request_digest(request)])
        own = ec.generate_private_key(ec.SECP256R1()).sign(statement, ec.ECDSA(hashes.SHA256()))
        honest = formats.statement([formats.request_digest(self.request())])
        true = sign_statement(honest)
        bent = honest[:-32] + formats.request_digest(request)
        forgeries = {"own key": (statement, own), "issuer key": (statement, token_sign("ca", self.certificate.issuer_id, statement)),
                     "permit key": (statement, token_sign("policy", "permit", statement)), "digest put in": (bent, true),
                     "digest added": (honest[:-36] + b"\0\0\0\2" + honest[-32:] + formats.request_digest(request), true),
                     "other statement's signature": (statement, true), "none": (b"", b"")}
        for what, (data, signature) in forgeries.items():
            try:
                item = self.policy_messages.PermitItem(certificate=self.policy_messages.CertificateItem(
                    request=request, issuer_id=self.certificate.issuer_id, tbs=self.foreign_tbs()))
                answer = self.policy.Permit(self.policy_messages.PermitRequest(statement=data, statement_signature=signature, items=[item]), timeout=10)
                self.assertEqual(answer.items[0].verdict, self.common.OUTCOME_FAIL, what)
            except grpc.RpcError as e:
                self.assertIn(e.code().name, ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "PERMISSION_DENIED", "UNAUTHENTICATED"), what)

    def test_names_hidden_from_the_request(self):
        """The request names what is bound, the bytes name more: policy reads the bytes."""
        tbs = self.foreign_tbs()
        answer = self.permit(tbs, request=self.request())
        self.assertLessEqual({"san.exact", "subject.exact"}, self.failed(answer.items[0]))
        self.assert_unsigned(answer, tbs)


class Administrator(unittest.TestCase):
    """Who owns the database takes a revocation back (I6): the log says otherwise, and wins."""

    @classmethod
    def setUpClass(cls):
        cls.messages, cls.registration = stack.stub("registration", identity=USER)
        cls.revoked, cls.other = cls.enrol("gone.example.test"), cls.enrol("other.example.test")
        cls.registration.Revoke(cls.messages.RevokeRequest(issuer_id=cls.revoked.issuer_id, serial=cls.revoked.serial,
                                                           reason="keyCompromise"), timeout=10)

    @classmethod
    def enrol(cls, host):
        return cls.registration.Enroll(cls.messages.EnrollRequest(
            profile="web", pkcs10=make_csr(host)[1], idempotency_key=str(uuid.uuid4())), timeout=20).certificate

    def ocsp(self, certificate):
        """openssl's word for the answer: good, revoked, trylater ... A nonce keeps caches out of it."""
        with tempfile.TemporaryDirectory() as d:
            for name, der in (("leaf", certificate.der), ("issuer", certificate.chain_der[0])):
                subprocess.run(["openssl", "x509", "-inform", "DER", "-out", os.path.join(d, name)], input=der, check=True)
            done = subprocess.run(["openssl", "ocsp", "-issuer", os.path.join(d, "issuer"), "-cert", os.path.join(d, "leaf"), "-noverify",
                                   "-url", f"http://127.0.0.1:{stack.http_port()}/ocsp"], capture_output=True, text=True, timeout=20)
        found = re.search(r"leaf: (\w+)|Responder Error: (\w+)", done.stdout + done.stderr)
        self.assertIsNotNone(found, done.stdout + done.stderr)
        return found.group(1) or found.group(2)

    def behind_the_trigger(self, statement):
        stack.sql(f"ALTER TABLE revocation.status DISABLE TRIGGER append_only; {statement}; "
                  "ALTER TABLE revocation.status ENABLE TRIGGER append_only")

    def where(self):
        return f"issuer_id = '{self.revoked.issuer_id}' AND serial = '\\x{self.revoked.serial.hex()}'"

    def await_ocsp(self, certificate, want, seconds=15):
        until = time.monotonic() + seconds
        while (got := self.ocsp(certificate)) != want:
            self.assertLess(time.monotonic(), until, f"OCSP says {got}, not {want}")
            time.sleep(0.2)

    def await_remembered(self):
        """The revocation is in the process's own memory of the log, and that was read by a fresh start: from now on, a missing
        row is one that vanished, not one that was never stored."""
        journal = os.path.join(stack.config_value("revocation", "state_dir"), "logged-revocations")
        until = time.monotonic() + 15
        while True:
            with open(journal, "rb") as f:
                if self.revoked.serial in f.read():
                    break
            self.assertLess(time.monotonic(), until, "the revocation is not remembered")
            time.sleep(0.1)
        stack.sv("restart", "revocation")
        stack.wait_ready()
        self.await_ocsp(self.revoked, "revoked")
        self.await_ocsp(self.other, "good")

    def test_deleted_row_comes_back_and_is_an_alarm(self):
        self.await_remembered()
        before = len([1 for _, leaf in stack.log_entries() if leaf["action"] == "revocation.alarm"])
        self.behind_the_trigger(f"DELETE FROM revocation.status WHERE {self.where()}")
        self.assertIsNotNone(stack.log_has("revocation.alarm", seconds=15, serial=self.revoked.serial.hex(), what="missing: stored again from the log"))
        self.assertEqual(len([1 for _, leaf in stack.log_entries() if leaf["action"] == "revocation.alarm"]), before + 1)
        self.assertEqual(stack.sql(f"SELECT reason FROM revocation.status WHERE {self.where()}"), [["1"]])
        self.await_ocsp(self.revoked, "revoked")
        self.await_ocsp(self.other, "good")

    def test_weakened_row_stops_good_until_it_is_right_again(self):
        self.await_ocsp(self.other, "good")
        self.behind_the_trigger(f"UPDATE revocation.status SET reason = 4, revoked_at_s = revoked_at_s + 3600 WHERE {self.where()}")
        self.assertIsNotNone(stack.log_has("revocation.alarm", seconds=15, serial=self.revoked.serial.hex(), what="weakened: differs from the log"))
        self.await_ocsp(self.other, "trylater")
        self.behind_the_trigger(f"UPDATE revocation.status SET reason = 1, revoked_at_s = revoked_at_s - 3600 WHERE {self.where()}")
        self.await_ocsp(self.other, "good")
        self.await_ocsp(self.revoked, "revoked")

    def test_roles_cannot_do_it(self):
        with self.assertRaises(subprocess.CalledProcessError) as caught:
            stack.sql(f"DELETE FROM revocation.status WHERE {self.where()}")
        self.assertIn("append-only", caught.exception.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
