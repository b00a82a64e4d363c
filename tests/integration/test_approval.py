"""Officers' approvals on a whole stack: pending, approved, issued; and everything that must not count.

The bundle is the default one with officers ann, bob and cat and two profiles: "vault" wants two of role security,
"ordered" one of security and then one of owner.
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

import grpc
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import formats
from stack import BUILD, SOURCE, Stack, error_detail, make_csr

OFFICERS = {"ann": ["security"], "bob": ["security", "owner"], "cat": ["security", "owner"]}
KINDS = {"ann": "P-256", "bob": "P-384", "cat": "Ed25519"}
PENDING = re.compile(r"pending\.([0-9a-f]{32})")


def spki_of(private):
    return private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class Approvals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = tempfile.mkdtemp(prefix="chancery-approval-")
        bundle = os.path.join(cls.files, "bundle")
        shutil.copytree(os.path.join(SOURCE, "policy", "bundles", "default"), bundle)
        with open(os.path.join(bundle, "officers.yaml"), "w", encoding="ascii") as f:
            f.write("officers:\n")
            for name, roles in OFFICERS.items():
                made = subprocess.run([os.path.join(BUILD, "bin", "chancery"), "approval", "key", cls.key_file(name), "--new", KINDS[name],
                                       "--json"], check=True, capture_output=True, text=True)
                f.write(f"  - {{id: {name}, identity: /user/{name}, key: {json.loads(made.stdout)['key']}, roles: [{', '.join(roles)}]}}\n")
        with open(os.path.join(bundle, "profiles", "web.yaml"), encoding="ascii") as f:
            web = f.read()
        for name, steps in (("vault", "{role: security, quorum: 2}"), ("ordered", "{role: security, quorum: 1}, {role: owner, quorum: 1}")):
            with open(os.path.join(bundle, "profiles", name + ".yaml"), "w", encoding="ascii") as f:
                f.write(web.replace("name: web", f"name: {name}", 1) + f"approvals: [{{steps: [{steps}], expires: 1h}}]\n")
        cls.stack = Stack(["--bundle", bundle])
        cls.addClassCleanup(shutil.rmtree, cls.files)
        cls.enterClassContext(cls.stack)
        for user in ("alice", *OFFICERS):
            cls.stack.tool("user", user)
        cls.count = 0

    @classmethod
    def key_file(cls, name):
        return os.path.join(cls.files, name + ".key")

    # ---- steps ----

    def request(self, profile="vault", user="alice"):
        """What it takes to ask for a certificate, again and again."""
        Approvals.count += 1
        host = f"approval-{Approvals.count}.example.test"
        path = os.path.join(self.files, host + ".csr")
        with open(path, "wb") as f:
            f.write(make_csr(host)[1])
        return {"host": host, "user": user,
                "args": ("issue", "--profile", profile, "--csr", path, "--key", host, "--json")}

    def ask(self, r):
        """(certificate, None) or (None, error)."""
        done = self.stack.cli(*r["args"], user=r["user"], check=False)
        if done.returncode == 0:
            return json.loads(done.stdout), None
        return None, json.loads(done.stderr[done.stderr.index("{"):])["error"]

    def pending(self, r):
        """Asks; the request must be pending. Its id; nothing is issued."""
        certificate, error = self.ask(r)
        self.assertIsNone(certificate)
        self.assertEqual((error["code"], error["rule"]), ("PRECONDITION", "approval.pending"), error)
        identity = PENDING.search(error["field"]).group(1)
        self.assertIn(identity, error["message"])
        self.assertEqual(r.setdefault("id", identity), identity)
        digest = re.search(r"digest ([0-9a-f]{64})", error["message"]).group(1)
        self.assertEqual(r.setdefault("digest", digest), digest)
        self.assertEqual(self.issued(r), 0)
        return error

    def issued(self, r):
        rows = self.stack.sql(f"SELECT count(*) FROM ca.issuance WHERE request_id = '\\x{r['id']}'")
        return int(rows[0][0])

    def sign(self, r, officer, *args, check=True):
        return self.stack.cli("approval", "sign", r["id"], "--key", self.key_file(officer), "--yes", *args, user=officer, check=check)

    def paper(self, r, private, step="security", algorithm=None, **kw):
        """An approval made without the program: (octets, signature, public key)."""
        octets = formats.approval(bytes.fromhex(r["digest"]), step, spki_of(private), **kw)
        return octets, private.sign(octets, ec.ECDSA(algorithm or hashes.SHA256())), spki_of(private)

    def officer_key(self, name):
        with open(self.key_file(name), "rb") as f:
            return serialization.load_pem_private_key(f.read(), None)

    def submit(self, r, paper, user="bob"):
        """The ErrorDetail of Approve, or None."""
        messages, stub = self.stack.stub("registration", user)
        q = messages.ApproveRequest(request_id=bytes.fromhex(r["id"]), approver_spki=paper[2])
        q.approval.approval, q.approval.signature = paper[0], paper[1]
        try:
            stub.Approve(q, timeout=20)
            return None
        except grpc.RpcError as e:
            return error_detail(e)

    def smuggle(self, r, octets, signature):
        """Somebody who can write registration's tables puts an approval there."""
        digest = hashlib.sha256(octets).hexdigest()
        self.stack.sql("INSERT INTO registration.approval (request_id, approval_sha256, approval, signature, submitter, submitted_at_s)"
                       f" VALUES ('\\x{r['id']}', '\\x{digest}', '\\x{octets.hex()}', '\\x{signature.hex()}', 'smuggler', 0)")

    # ---- tests ----

    def test_two_officers_approve_and_the_certificate_is_issued(self):
        r = self.request()
        error = self.pending(r)
        self.assertIn("2 of security", error["message"])
        self.pending(r)  # asking again changes nothing
        listed = self.stack.cli_json("approval", "list", "--profile", "vault", user="ann")["requests"]
        row = [x for x in listed if x["request_id"] == r["id"]][0]
        self.assertEqual((row["steps"], row["given"], row["requester"]), (["security"], 0, "spiffe://chancery.test/user/alice"))
        shown = self.stack.cli_json("approval", "show", r["id"], user="ann")
        self.assertEqual((shown["digest"], shown["names"], shown["state"]), (r["digest"], [f"DNS:{r['host']}"], "pending"))
        self.sign(r, "ann")
        self.pending(r)
        text = self.sign(r, "cat", "--digest", r["digest"]).stdout
        self.assertIn(r["host"], text)
        certificate, error = self.ask(r)
        self.assertIsNone(error)
        self.assertEqual(certificate["request_id"], r["id"])
        self.assertEqual(self.stack.cli_json("approval", "show", r["id"], user="ann")["state"], "issued")
        self.assertTrue(self.ask(r)[0]["replayed"])
        digest = self.stack.log_has("pending", rules="approval.quorum,approval.needed", profile="vault")
        self.assertIsNotNone(digest)
        papers = [leaf["f"] for _, leaf in self.stack.log_entries() if leaf["action"] == "approval" and r["digest"] in json.dumps(leaf)]
        self.assertEqual(len(papers), 2)
        self.assertEqual({f["caller"] for f in papers}, {"spiffe://chancery.test/user/ann", "spiffe://chancery.test/user/cat"})
        self.assertNotIn(r["host"], json.dumps(self.stack.log_entries()))
        done = self.stack.verify_log()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_wrong_digest_and_missing_confirmation_sign_nothing(self):
        r = self.request()
        self.pending(r)
        done = self.sign(r, "ann", "--digest", "00" * 32, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing was signed", done.stderr)
        done = self.stack.cli("approval", "sign", r["id"], "--key", self.key_file("ann"), "--json", user="ann", check=False)
        self.assertIn("approval.confirm", done.stderr)
        self.pending(r)

    def test_one_officer_twice_is_no_quorum(self):
        r = self.request()
        self.pending(r)
        self.sign(r, "ann")
        self.sign(r, "ann", "--expires", "2h")
        self.pending(r)
        self.sign(r, "bob")
        self.assertIsNotNone(self.ask(r)[0])

    def test_own_approval_does_not_count(self):
        r = self.request(user="ann")
        self.pending(r)
        done = self.sign(r, "ann", check=False)
        self.assertIn("approval.self", done.stderr)
        self.assertIsNotNone(self.stack.log_has("refusal", rule="approval.self", request=r["id"]))
        # Handed in by somebody else it is stored, and the judge does not count it.
        self.assertIsNone(self.submit(r, self.paper(r, self.officer_key("ann")), user="bob"))
        self.sign(r, "bob")
        self.pending(r)
        self.sign(r, "cat")
        self.assertIsNotNone(self.ask(r)[0])

    def test_forged_signature_is_refused_and_never_counts(self):
        r = self.request()
        self.pending(r)
        thief = ec.generate_private_key(ec.SECP256R1())
        octets, _, spki = self.paper(r, self.officer_key("ann"))
        _, forged, _ = self.paper(r, thief)
        self.assertEqual(self.submit(r, (octets, forged, spki)).rule, "approval.signature")
        self.assertEqual(self.submit(r, (octets, forged, spki_of(thief))).rule, "approval.key")
        self.assertIsNotNone(self.stack.log_has("refusal", rule="approval.signature", request=r["id"]))
        self.smuggle(r, octets, forged)
        self.sign(r, "bob")
        self.pending(r)
        # A key that is nobody's signs well, and is nobody's.
        self.assertIsNone(self.submit(r, self.paper(r, thief), user="alice2"))
        self.pending(r)
        self.assertIsNotNone(self.stack.log_has("pending", rules="approval.quorum,approval.officer,approval.signature,approval.needed"))
        self.sign(r, "cat")
        self.assertIsNotNone(self.ask(r)[0])

    def test_approval_of_another_request_does_not_count(self):
        first, second = self.request(), self.request()
        self.pending(first)
        self.pending(second)
        octets, signature, spki = self.paper(first, self.officer_key("ann"))
        self.assertEqual(self.submit(second, (octets, signature, spki)).rule, "approval.subject")
        self.assertIsNone(self.submit(first, (octets, signature, spki)))
        self.smuggle(second, octets, signature)
        self.sign(second, "bob")
        self.pending(second)
        self.assertEqual(self.issued(second), 0)

    def test_expired_approval_does_not_count(self):
        r = self.request()
        self.pending(r)
        now = int(time.time())
        gone = self.paper(r, self.officer_key("ann"), issued=now - 600, life=300)
        self.assertEqual(self.submit(r, gone).rule, "approval.expired")
        self.smuggle(r, *gone[:2])
        # The profile lets an approval count for an hour, whatever it says itself.
        self.assertIsNone(self.submit(r, self.paper(r, self.officer_key("ann"), issued=now - 3700, life=86400)))
        self.sign(r, "bob")
        self.pending(r)
        self.sign(r, "ann")
        self.assertIsNotNone(self.ask(r)[0])

    def test_rejection_refuses_for_good(self):
        r = self.request()
        self.pending(r)
        self.sign(r, "ann")
        self.sign(r, "bob")
        self.sign(r, "cat", "--reject")
        for _ in range(2):
            certificate, error = self.ask(r)
            self.assertIsNone(certificate)
            self.assertEqual((error["code"], error["rule"]), ("REFUSED", "approval.rejected"))
        self.assertEqual(self.issued(r), 0)
        self.assertIsNotNone(self.stack.log_has("rejection", digest=r["digest"]))
        self.assertIsNotNone(self.stack.log_has("refusal", rule="approval.rejected"))
        self.assertEqual(self.stack.cli_json("approval", "show", r["id"], user="ann")["state"], "refused")
        done = self.sign(r, "ann", "--step", "security", "--expires", "3h", check=False)
        self.assertIn("approval.decided", done.stderr)

    def test_steps_are_taken_in_their_order(self):
        r = self.request("ordered")
        self.pending(r)
        early = self.paper(r, self.officer_key("bob"), step="owner", algorithm=hashes.SHA384(), issued=int(time.time()) - 60)
        self.assertIsNone(self.submit(r, early))
        self.pending(r)
        self.sign(r, "ann", "--step", "security")
        self.pending(r)
        self.sign(r, "cat")  # the only step that is missing now
        self.assertIsNotNone(self.ask(r)[0])

    def test_profile_without_approvals_issues_at_once(self):
        certificate, error = self.ask(self.request("web"))
        self.assertIsNone(error)
        self.assertEqual(certificate["profile"], "web")


if __name__ == "__main__":
    unittest.main()
