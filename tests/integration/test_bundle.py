#!/usr/bin/python3
"""The life of a policy bundle on a whole stack with two ca: what does not have its quorum does not come into force,
whoever tries; what is altered is noticed, by the database's administrator too; everything is logged; and promotions
drop no request."""
import hashlib
import os
import subprocess
import sys
import tempfile
import time
import unittest

import grpc
import yaml
from cryptography import x509

import formats
from lifecycle import Bundles, refusal, sql_bytes
from stack import Load, Stack, error_detail, make_csr

PROMOTIONS = int(os.environ.get("CHANCERY_TEST_PROMOTIONS", "12"))
GRACE_S, SKEW_S = 10, 5  # docs/POLICY.md, Life of a bundle
PATIENCE_S = 60
stack = bundles = None


def setUpModule():
    global stack, bundles
    stack = Stack(["--ca-instances", "2"])
    stack.__enter__()
    try:
        # The second ca hears of promotions only from policy's refusals: every batch after one goes the long way.
        path = stack.path("conf", "ca-2.yaml")
        with open(path, "a", encoding="ascii") as f:
            f.write("bundle_poll: 1h\n")
        stack.sv("restart", "ca-2")
        stack.wait_ready()
        bundles = Bundles(stack)
    except BaseException:
        stack.__exit__(*sys.exc_info())
        raise


def tearDownModule():
    stack.__exit__(None)


def enrol(name="a.example.test"):
    m, stub = stack.stub("registration")
    _, csr = make_csr(name)
    return stub.Enroll(m.EnrollRequest(profile="web", pkcs10=csr), timeout=30).certificate


def bundle_of(certificate):
    """The bundle that the database says a certificate was permitted under."""
    rows = stack.sql(f"SELECT encode(bundle_sha256, 'hex') FROM ca.certificate WHERE tbs_sha256 = {sql_bytes(certificate.tbs_sha256)}")
    return bytes.fromhex(rows[0][0])


def settle(bundle):
    """Waits until both ca build under a bundle that is in force: one of them may keep the last one for the grace."""
    until, row = time.monotonic() + PATIENCE_S, 0
    while row < 4:
        row = row + 1 if bundle_of(enrol()) == bundle else 0
        assert time.monotonic() < until, "certificates still name another bundle"


class Case(unittest.TestCase):
    def assertRefused(self, rule, call, *args, code=None, **kw):
        status, detail = refusal(call, *args, **kw)
        self.assertIsNotNone(detail, status)
        self.assertEqual(detail.rule, rule, detail.message)
        if code is not None:
            self.assertEqual(detail.code, code)

    def assertLogged(self, action, **fields):
        self.assertIsNotNone(stack.log_has(action, 15, **fields), f"{action} {fields} is not in the log")

    def assertStays(self, bundle):
        """The bundle in force is what it was, for policy and for both ca."""
        self.assertEqual(bundles.in_force(), bundle)
        settle(bundle)
        for _ in range(4):
            self.assertEqual(bundle_of(enrol()), bundle)


class Quorum(Case):
    def test_whole_life(self):
        files = bundles.variant("life", days=47)
        bundle = bundles.submit(files)
        got = bundles.get(bundle, with_files=True)
        self.assertEqual(bundles.m.BundleState.Name(got.bundle.state), "BUNDLE_STATE_CHECKED")
        self.assertEqual({f.path: f.content for f in got.files}, files)
        self.assertLogged("bundle.submitted", bundle=bundle.hex())
        before = bundles.in_force()
        answer = bundles.approve(bundle)
        self.assertEqual((answer.counted, answer.needed), (2, 2))
        self.assertLogged("bundle.approved", bundle=bundle.hex(), decision="approve")
        self.assertEqual(bundles.m.BundleState.Name(bundles.get(bundle).bundle.state), "BUNDLE_STATE_APPROVED")
        promoted = bundles.promote(bundle, predecessor_sha256=before)
        self.assertLogged("bundle.promoted", bundle=bundle.hex(), predecessor=before.hex(), sequence=promoted.sequence)
        self.assertTrue(bundles.wait_in_force(bundle))
        self.assertGreaterEqual(time.time() + 1, promoted.not_before_s)
        self.assertLogged("bundle.in_force", bundle=bundle.hex(), sequence=promoted.sequence)
        self.assertEqual(bundles.m.BundleState.Name(bundles.get(before).bundle.state), "BUNDLE_STATE_FORMER")
        # Certificates are what the new bundle says, through both ca; the permit names it.
        settle(bundle)
        for _ in range(4):
            certificate = enrol()
            life = x509.load_der_x509_certificate(certificate.der)
            self.assertEqual(bundle_of(certificate), bundle)
            self.assertLessEqual((life.not_valid_after - life.not_valid_before).days, 48)
        # And back; old bundles stay readable.
        self.assertRefused("bundle.former", bundles.promote, before)
        self.assertRefused("promotion.quorum", bundles.rollback, before)
        bundles.bring_back(before)
        self.assertLogged("bundle.rolled_back", bundle=before.hex(), predecessor=bundle.hex())
        self.assertEqual({f.path: f.content for f in bundles.get(bundle, with_files=True).files}, files)

    def test_without_quorum(self):
        before, bundle = bundles.in_force(), bundles.submit(bundles.variant("no quorum"))
        self.assertRefused("promotion.quorum", bundles.promote, bundle, code="REFUSED")
        bundles.approve(bundle, [0])
        self.assertRefused("promotion.quorum", bundles.promote, bundle)
        bundles.approve(bundle, [0])  # the same officer once more
        self.assertRefused("promotion.quorum", bundles.promote, bundle)
        self.assertLogged("bundle.refused", bundle=bundle.hex(), step="promote", rule="promotion.quorum", code="REFUSED")
        bundles.approve(bundle, [1], decision=2)
        bundles.approve(bundle, [2])
        self.assertRefused("promotion.rejected", bundles.promote, bundle)
        self.assertStays(before)

    def test_the_authors_own_approval(self):
        before, bundle = bundles.in_force(), bundles.submit(bundles.variant("own"), user="officer-1")
        self.assertRefused("approval.self", bundles.approve, bundle, [0], code="REFUSED")
        self.assertLogged("bundle.refused", bundle=bundle.hex(), step="approve", rule="approval.self")
        bundles.approve(bundle, [1])
        self.assertRefused("promotion.quorum", bundles.promote, bundle)
        # Put into the table by hand it counts no more.
        paper, signature = bundles.officers[0].sign(bundles.subject(bundle))
        bundles.administrator("INSERT INTO policy.approval VALUES (%s, %s, %s, %s, %s, 1, 'x')" % tuple(
            sql_bytes(x) for x in (hashlib.sha256(paper).digest(), bundles.subject(bundle), bundle, paper, signature)))
        self.assertRefused("promotion.quorum", bundles.promote, bundle)
        # Nor does a false author in the table help: it is part of what was signed.
        bundles.administrator(f"UPDATE policy.bundle SET author = 'spiffe://chancery.test/user/nobody' WHERE sha256 = {sql_bytes(bundle)}")
        self.assertRefused("promotion.quorum", bundles.promote, bundle)
        self.assertStays(before)

    def test_forged_and_foreign_approvals(self):
        bundle = bundles.submit(bundles.variant("forged"))
        subject = bundles.subject(bundle)
        paper, signature = bundles.officers[0].sign(subject)
        self.assertRefused("approval.signature", bundles.send_approval, bundle, (paper, signature[:-1] + bytes([signature[-1] ^ 1])))
        self.assertRefused("approval.subject", bundles.send_approval, bundle, bundles.officers[0].sign(bytes(32)))
        self.assertRefused("approval.subject", bundles.send_approval, bundle, bundles.officers[0].sign(subject, purpose=3))
        now = int(time.time())
        self.assertRefused("approval.expired", bundles.send_approval, bundle, bundles.officers[0].sign(subject, issued=now - 100, life=50))
        stranger = bundles.officers[0].__class__.__new__(bundles.officers[0].__class__)
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        stranger.key = ec.generate_private_key(ec.SECP256R1())
        stranger.spki = stranger.key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.assertRefused("approval.officer", bundles.send_approval, bundle, stranger.sign(subject))
        self.assertLogged("bundle.refused", bundle=bundle.hex(), rule="approval.officer")

    def test_approvals_are_for_one_place(self):
        """What was signed before another bundle came into force is void."""
        first, second = bundles.submit(bundles.variant("place 1")), bundles.submit(bundles.variant("place 2"))
        old = bundles.officers[0].sign(bundles.subject(first))
        bundles.approve(first)
        before = bundles.in_force()
        bundles.approve(second)
        bundles.promote(second)
        self.assertTrue(bundles.wait_in_force(second))
        self.assertRefused("promotion.quorum", bundles.promote, first)
        self.assertRefused("approval.subject", bundles.send_approval, first, old)
        self.assertRefused("bundle.predecessor", bundles.promote, first, predecessor_sha256=before)
        bundles.bring_back(before)

    def test_drafts_that_do_not_compile(self):
        files = bundles.variant("broken")
        files["profiles/web.yaml"] += b"colour: blue\n"
        status, detail = refusal(bundles.submit, files)
        self.assertEqual(status, "INVALID_ARGUMENT")
        self.assertRegex(detail.field, r"^profiles/web\.yaml:\d+:\d+$")
        self.assertLogged("bundle.refused", step="submit", rule=detail.rule)
        self.assertRefused("bundle.size", bundles.submit, {**bundles.first, "README.md": b"x" * (13 << 20)})
        files = bundles.variant("issuer")
        files["profiles/web.yaml"] = files["profiles/web.yaml"].replace(b"issuing-1", b"issuing-9")
        self.assertRefused("profile.issuer", bundles.submit, files)
        without = bundles.variant("alone")
        del without["officers.yaml"]
        bundle = bundles.submit(without)
        bundles.approve(bundle)
        self.assertRefused("bundle.last", bundles.promote, bundle)

    def test_its_own_tests(self):
        case = "version: 1\ndefaults: {profile: web}\ncases:\n  - name: a host\n    names: [%s]\n    expect: %s\n"
        files = bundles.variant("tested")
        files["tests/web.yaml"] = (case % ("DNS:a.example.test", "permit")).encode()
        good = bundles.get(bundles.submit(files)).bundle
        self.assertEqual((bundles.m.BundleState.Name(good.state), good.tests, good.tests_failed), ("BUNDLE_STATE_TESTED", 1, 0))
        files["tests/web.yaml"] = (case % ("DNS:a.example.test", "refuse")).encode()
        bundle = bundles.submit(files)
        bad = bundles.get(bundle).bundle
        self.assertEqual((bundles.m.BundleState.Name(bad.state), bad.tests_failed), ("BUNDLE_STATE_FAILED", 1))
        told = bundles.stub.TestBundle(bundles.m.TestBundleRequest(bundle_sha256=bundle), timeout=60)
        self.assertEqual([f.name for f in told.failures], ["a host"])
        bundles.approve(bundle)
        self.assertRefused("bundle.tests", bundles.promote, bundle)

    def test_schedule_and_replace(self):
        before, later, sooner = bundles.in_force(), bundles.submit(bundles.variant("later")), bundles.submit(bundles.variant("sooner"))
        bundles.approve(later)
        at = bundles.promote(later, not_before_s=int(time.time()) + 3600)
        self.assertEqual(bundles.promote(later), at)  # once more: nothing new
        self.assertEqual(bundles.m.BundleState.Name(bundles.get(later).bundle.state), "BUNDLE_STATE_SCHEDULED")
        self.assertEqual(bundles.in_force(), before)
        bundles.approve(sooner)
        self.assertRefused("bundle.pending", bundles.promote, sooner, not_before_s=int(time.time()) + 7200)
        self.assertRefused("bundle.time", bundles.promote, sooner, not_before_s=int(time.time()) - 10)
        bundles.promote(sooner)
        self.assertTrue(bundles.wait_in_force(sooner))
        self.assertEqual(bundles.m.BundleState.Name(bundles.get(later).bundle.state), "BUNDLE_STATE_CHECKED")
        bundles.bring_back(before)

    def test_who_may_ask(self):
        m, stub = stack.stub("policy", "ca")
        with self.assertRaises(grpc.RpcError) as e:
            stub.SubmitBundle(m.SubmitBundleRequest(), timeout=10)
        self.assertEqual(e.exception.code().name, "PERMISSION_DENIED")


class Administrator(Case):
    """Whoever rules the database alters what is stored: policy and ca notice, each by itself."""

    def setUp(self):
        self.before = bundles.in_force()
        self.end = int(stack.sql("SELECT coalesce(max(sequence), 0) FROM policy.promotion")[0][0])
        self.mark = len(stack.log_entries())

    def forge(self, bundle, sequence, approvals=(), signatures=()):
        now = int(time.time())
        arrays = ["ARRAY[%s]::bytea[]" % ",".join(sql_bytes(x) for x in xs) for xs in (approvals, signatures)]
        first = formats.bundle_hash(bundles.first)
        bundles.administrator(f"INSERT INTO policy.promotion VALUES ({sql_bytes(first)}, {sequence}, {sql_bytes(bundle)}, {sql_bytes(self.before)}, "
                              f"1, {now}, {now}, 'x', {arrays[0]}, {arrays[1]})")

    def remove(self, sequence):
        bundles.administrator(f"DELETE FROM policy.promotion WHERE sequence = {sequence}")

    def wait_refused(self, rule):
        """Both kinds of process have logged that the chain's next promotion does not verify."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            found = {leaf["producer"].rsplit("/", 1)[-1] for _, leaf in stack.log_entries()[self.mark:]
                     if leaf["action"] == "bundle.refused" and leaf["f"].get("rule") == rule and leaf["f"].get("step") == "chain"}
            if {"policy", "ca"} <= found:
                return
            time.sleep(0.3)
        self.fail(f"not both of policy and ca refuse with {rule}: {found}")

    def test_promotion_out_of_nothing(self):
        bundle = bundles.submit(bundles.variant("nothing"))
        self.forge(bundle, self.end + 1)
        try:
            self.wait_refused("promotion.quorum")
            self.assertStays(self.before)
        finally:
            self.remove(self.end + 1)

    def test_old_approvals_again(self):
        """Approvals that once carried a bundle do not carry it again."""
        bundle = bundles.bring(bundles.variant("again"))
        rows = stack.sql(f"SELECT encode(approvals[1], 'hex'), encode(approvals[2], 'hex'), encode(signatures[1], 'hex'), "
                         f"encode(signatures[2], 'hex') FROM policy.promotion WHERE sequence = {self.end + 1}")
        papers = [bytes.fromhex(x) for x in rows[0]]
        bundles.bring_back(self.before)
        self.mark = len(stack.log_entries())
        self.forge(bundle, self.end + 3, papers[:2], papers[2:])
        try:
            self.wait_refused("promotion.quorum")
            self.assertStays(self.before)
        finally:
            self.remove(self.end + 3)

    def test_altered_file(self):
        bundle = bundles.submit(bundles.variant("altered"))
        bundles.approve(bundle)
        column = stack.sql(f"SELECT array_position(paths, 'profiles/web.yaml') FROM policy.bundle WHERE sha256 = {sql_bytes(bundle)}")[0][0]
        good = bundles.variant("altered")["profiles/web.yaml"]
        evil = good.replace(b"example.test", b"evil.test")
        self.assertNotEqual(good, evil)
        put = f"UPDATE policy.bundle SET contents[{column}] = %s WHERE sha256 = {sql_bytes(bundle)}"
        bundles.administrator(put % sql_bytes(evil))
        self.assertRefused("bundle.altered", bundles.get, bundle, code="INTEGRITY")
        self.assertRefused("bundle.altered", bundles.promote, bundle, code="INTEGRITY")
        self.assertLogged("bundle.refused", step="promote", rule="bundle.altered", bundle=bundle.hex())
        # A promotion that was true does not take an altered bundle into force.
        bundles.administrator(put % sql_bytes(good))
        at = bundles.promote(bundle, not_before_s=int(time.time()) + 6).not_before_s
        bundles.administrator(put % sql_bytes(evil))
        self.mark = len(stack.log_entries())
        stack.sv("restart", "policy")
        stack.sv("restart", "ca")
        self.assertIsNotNone(stack.log_has("bundle.refused", 20, step="chain", rule="bundle.altered"))
        time.sleep(max(0.0, at - time.time()))
        # Both had acted on the promotion: without its files they judge nothing rather than by the older bundle.
        try:
            self.assertRefused("bundle.behind", bundles.stub.Evaluate, bundles.m.EvaluateRequest(), timeout=10)
        finally:
            bundles.administrator(put % sql_bytes(good))
        stack.wait_ready(PATIENCE_S)
        self.assertTrue(bundles.wait_in_force(bundle))
        bundles.bring_back(self.before)

    def test_history_cut_off(self):
        """Taking the last promotion away does not bring the bundle before it back."""
        bundle = bundles.bring(bundles.variant("cut"))
        self.assertIsNotNone(stack.log_has("bundle.in_force", 20, bundle=bundle.hex()))
        bundles.administrator("CREATE TABLE policy.aside AS SELECT * FROM policy.promotion WHERE sequence = %d" % (self.end + 1),
                              "DELETE FROM policy.promotion WHERE sequence = %d" % (self.end + 1))
        try:
            stack.sv("restart", "policy")
            stack.sv("restart", "ca")
            self.wait_refused("bundle.history")
            self.assertRefused("bundle.behind", bundles.stub.Evaluate, bundles.m.EvaluateRequest(), timeout=10)
        finally:
            bundles.administrator("INSERT INTO policy.promotion SELECT * FROM policy.aside", "DROP TABLE policy.aside")
        stack.wait_ready(PATIENCE_S)
        self.assertEqual(bundles.in_force(), bundle)
        bundles.bring_back(self.before)


class Switching(Case):
    def test_unknown_bundle_is_superseded(self):
        m, stub = stack.stub("policy", "ca")
        item = m.PermitItem(crl=m.CrlItem(issuer_id="issuing-1", tbs_sha256=bytes(32)))
        status, detail = refusal(stub.Permit, m.PermitRequest(bundle_sha256=bytes(32), items=[item]), timeout=10)
        self.assertEqual((status, detail.rule), ("FAILED_PRECONDITION", "bundle.superseded"))
        self.assertIn(bundles.in_force().hex(), detail.message)

    def test_promotions_under_load_drop_nothing(self):
        """Bundles change every few seconds while two ca issue; one of them hears of it only from policy."""
        before = bundles.in_force()
        settle(before)
        started = time.time()
        history = [(before, 0.0)]  # bundle, when it came into force
        with Load(stack, threads=6) as load:
            self.assertIsNotNone(load.wait_for_each(PATIENCE_S), f"no load: {load.details}")
            load.forget_failures()
            for number in range(PROMOTIONS):
                bundle = bundles.submit(bundles.variant(f"load {number}", days=20 + number))
                bundles.approve(bundle)
                history.append((bundle, bundles.promote(bundle).not_before_s))
                self.assertTrue(bundles.wait_in_force(bundle))
                self.assertIsNotNone(load.wait_for_each(PATIENCE_S), f"the load stops: {load.details}")
            self.assertIsNotNone(load.wait_for_each(PATIENCE_S))
            failures, details = dict(load.failures), dict(load.details)
        self.assertEqual(failures, {}, details)
        took = time.time() - started
        rows = stack.sql("SELECT encode(c.bundle_sha256, 'hex'), c.issued_at_s, c.not_after_s - c.not_before_s, encode(p.permit, 'hex'), "
                         f"i.instance FROM ca.certificate c JOIN ca.permit p USING (permit_sha256) JOIN ca.issuance i USING (id) "
                         f"WHERE c.issued_at_s >= {int(started)}")
        self.assertGreaterEqual(len(rows), load.count())
        self.check_rows(rows, history)
        print(f"{PROMOTIONS} promotions in {took:.0f} s, {len(rows)} certificates, no failure; by instance "
              f"{ {i: sum(r[4] == i for r in rows) for i in sorted({r[4] for r in rows})} }", flush=True)
        bundles.bring_back(before)

    def check_rows(self, rows, history):
        """Each certificate names a bundle that was in force near its time, and is what that bundle says."""
        ends = [at for _, at in history[1:]] + [float("inf")]
        days = {bundle.hex(): (90 if n == 0 else 19 + n) for n, (bundle, _) in enumerate(history)}
        seen = set()
        for bundle, issued, life, permit, _ in rows:
            spans = [(at, end) for (b, at), end in zip(history, ends) if b.hex() == bundle]
            self.assertTrue(any(at - SKEW_S <= int(issued) + 1 and int(issued) <= end + GRACE_S for at, end in spans), (bundle, issued, spans))
            self.assertTrue(bytes.fromhex(permit).startswith(b"chancery/permit/v1\n" + bytes.fromhex(bundle)))
            self.assertLess(abs(int(life) - days[bundle] * 86400), 2 * 3600 + 1)
            seen.add(bundle)
        self.assertGreater(len(seen), len(history) // 2)
        # The ca that is told by policy alone has built batches anew under others.
        self.assertGreater(len({bundle for bundle, _, _, _, instance in rows if instance == "ca-2"}), 1)


class CommandLine(Case):
    def test_the_way_of_the_document(self):
        before = bundles.in_force()
        with tempfile.TemporaryDirectory() as folder:
            target = os.path.join(folder, "new")
            stack.cli("policy", "get", before.hex(), "--out", target)
            self.assertEqual(formats.bundle_hash(Bundles.files_of(target)), before)
            path = os.path.join(target, "profiles", "web.yaml")
            with open(path, encoding="utf-8") as f:
                text = f.read()
            with open(path, "w", encoding="utf-8") as f:
                f.write(text.replace("90d", "47d"))
            made = stack.cli_json("policy", "submit", target)["bundle_sha256"]
            self.assertEqual(stack.cli("policy", "promote", made, check=False).returncode, 1)
            for n in (1, 2):
                shown = stack.cli("policy", "approve", made, "--key", stack.path("officers", f"officer-{n}.pem"), "--yes").stdout
                self.assertIn("validity 90 d to 47 d", shown)
            stack.cli("policy", "promote", made, "--after", before.hex())
            self.assertTrue(bundles.wait_in_force(bytes.fromhex(made)))
            listed = {b["bundle_sha256"]: b["state"] for b in stack.cli_json("policy", "bundles")["bundles"]}
            self.assertEqual((listed[made], listed[before.hex()]), ("in force", "former"))
            for n in (1, 3):
                stack.cli("policy", "approve", before.hex(), "--key", stack.path("officers", f"officer-{n}.pem"), "--yes")
            stack.cli("policy", "rollback", before.hex())
            self.assertTrue(bundles.wait_in_force(before))
            refused = stack.cli("policy", "approve", made, "--key", stack.path("officers", "officer-1.pem"), check=False)
            self.assertIn("--yes", refused.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
