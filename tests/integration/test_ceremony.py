"""The rehearsal ceremony on real tokens: outputs, repetition, kill and resume, tampering."""
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import unittest

from softhsm import BUILD, MODULE, SOURCE, SoftHsm, openssl

KILLABLE = os.path.join(BUILD, "tests", "chancery_killable")
TOKENS = ("root", "ca", "ocsp", "policy", "registration", "audit")
BUNDLE = os.path.join(SOURCE, "policy", "bundles", "default")


class Room:
    """Tokens, a plan and an output folder."""

    def __init__(self, rsa=False, tokens=True):
        self.hsm = SoftHsm()
        for name in TOKENS if tokens else ():
            self.hsm.token(name)
        with open(os.path.join(SOURCE, "deploy", "ceremony", "rehearsal.yaml"), encoding="utf-8") as f:
            plan = f.read().replace("../../policy/bundles/default", BUNDLE)
        if not rsa:  # RSA-3072 takes seconds to generate; one run with it is enough
            plan = plan.replace("type: RSA-3072", "type: P-256")
        self.hsm.write("plan.yaml", plan)
        self.plan = self.hsm.path("plan.yaml")
        self.out = self.hsm.path("out")

    def run(self, check=True, kill=None, **kw):
        if kill is not None:
            self.hsm.write("armed", kill + "\n")
            kw = {**kw, "program": KILLABLE, "env": {"CHANCERY_FAILPOINT_FILE": self.hsm.path("armed")}}
        return self.hsm.run("ceremony", "run", self.plan, "--out", self.out, check=check, **kw)

    def file(self, name):
        return os.path.join(self.out, name)

    def read(self, name):
        with open(self.file(name), "rb") as f:
            return f.read()

    def lines(self):
        return [json.loads(line) for line in self.read("transcript.jsonl").splitlines()]

    def close(self):
        self.hsm.close()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check_transcript(test, room):
    previous = "0" * 64
    for number, line in enumerate(room.read("transcript.jsonl").split(b"\n")[:-1], 1):
        value = json.loads(line)
        test.assertEqual(canonical(value), line)
        test.assertEqual((value["seq"], value["prev"], value["v"]), (number, previous, 1))
        previous = hashlib.sha256(line).hexdigest()
        for name, digest in value["f"].get("outputs", {}).items():
            test.assertEqual(hashlib.sha256(room.read(name)).hexdigest(), digest, name)
    with open(room.plan, "rb") as f:
        test.assertEqual(room.lines()[0]["f"]["plan_sha256"], hashlib.sha256(f.read()).hexdigest())
    test.assertEqual(room.lines()[-1]["action"], "close")
    return previous


def check_chain(test, room, issuer):
    room_crl = room.file("root.crl.pem")
    openssl("crl", "-inform", "DER", "-in", room.file("root.crl"), "-out", room_crl)
    openssl("verify", "-x509_strict", "-crl_check_all", "-CRLfile", room_crl, "-CAfile", room.file("root.pem"), room.file(f"{issuer}.pem"))
    openssl("verify", "-x509_strict", "-CAfile", room.file("root.pem"), "-untrusted", room.file(f"{issuer}.pem"), room.file(f"ocsp-{issuer}.pem"))
    os.unlink(room_crl)


class Outputs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.room = Room(rsa=True)
        cls.done = cls.room.run()
        cls.summary = cls.room.hsm.json("ceremony", "run", cls.room.plan, "--out", cls.room.out)

    @classmethod
    def tearDownClass(cls):
        cls.room.close()

    def text(self, name):
        return openssl("x509", "-noout", "-text", "-nameopt", "RFC2253", "-in", self.room.file(name)).stdout

    def test_second_run_checks_and_changes_nothing(self):
        before = {n: self.room.read(n) for n in os.listdir(self.room.out)}
        self.assertEqual(self.summary["steps"], self.summary["done_before"])
        self.assertIn("already complete", self.room.run().stdout)
        self.assertEqual(before, {n: self.room.read(n) for n in os.listdir(self.room.out)})

    def test_chains_verify_with_the_root_crl(self):
        for issuer in ("issuing-1", "issuing-rsa-1"):
            check_chain(self, self.room, issuer)

    def test_root_certificate(self):
        text = self.text("root.pem")
        self.assertIn("Issuer: CN=Example Root 1,O=REHEARSAL Example Trust Services", text)
        self.assertIn("ecdsa-with-SHA384", text)
        self.assertRegex(text, r"Basic Constraints: critical\s+CA:TRUE\n")
        self.assertRegex(text, r"Key Usage: critical\s+Certificate Sign, CRL Sign\n")

    def test_issuing_certificates(self):
        for name, key in (("issuing-1", "prime256v1"), ("issuing-rsa-1", "Public-Key: (3072 bit)")):
            text = self.text(f"{name}.pem")
            self.assertIn(key, text)
            self.assertIn("O=REHEARSAL Example Trust Services", text.split("Subject:")[1])
            self.assertRegex(text, r"Basic Constraints: critical\s+CA:TRUE, pathlen:0")
            self.assertIn("URI:http://127.0.0.1:7480/crl/root.crl", text)
            self.assertIn("CA Issuers - URI:http://127.0.0.1:7480/ca/root.cer", text)
            chain = self.room.read(f"{name}-chain.pem").decode()
            self.assertEqual(chain, self.room.read(f"{name}.pem").decode() + self.room.read("root.pem").decode())

    def test_ocsp_certificate(self):
        text = self.text("ocsp-issuing-1.pem")
        self.assertIn("OCSP Signing", text)
        self.assertIn("OCSP No Check", text)
        self.assertRegex(text, r"Key Usage: critical\s+Digital Signature\n")
        self.assertIn("Issuer: CN=Example Issuing 1,", text)

    def test_root_crl_is_complete_and_number_one(self):
        text = openssl("crl", "-inform", "DER", "-noout", "-text", "-in", self.room.file("root.crl")).stdout
        self.assertRegex(text, r"CRL Number:\s+1\n")
        self.assertNotIn("Issuing Distribution Point", text)
        self.assertIn("No Revoked Certificates", text)

    def test_transcript_chain_and_plan_hash(self):
        self.assertEqual(check_transcript(self, self.room), self.summary["transcript_sha256"])
        for line in self.room.lines():
            if line["action"] == "begin" and "tbs" in line["f"]:
                self.assertEqual(hashlib.sha256(base64.b64decode(line["f"]["tbs"])).hexdigest(), line["f"]["tbs_sha256"])

    def test_what_is_signed_was_shown_before(self):
        digests = [line["f"]["tbs_sha256"] for line in self.room.lines() if "tbs_sha256" in line["f"]]
        self.assertEqual(len(digests), 6)
        for digest in digests:
            self.assertIn(f"TBS SHA-256 {digest}", self.done.stdout)

    def test_trust_is_signed_by_the_root(self):
        raw = self.room.read("trust.json")
        trust = json.loads(raw)
        self.assertEqual(canonical(trust) + b"\n", raw)
        self.assertEqual(hashlib.sha256(raw).hexdigest(), self.summary["trust_sha256"])
        self.assertIn(self.summary["trust_sha256"], self.done.stdout)
        signature = trust.pop("signature")
        self.room.hsm.write("message", "")
        with open(self.room.hsm.path("message"), "wb") as f:
            f.write(b"chancery/trust/v1\n" + hashlib.sha256(canonical(trust)).digest())
        with open(self.room.hsm.path("signature"), "wb") as f:
            f.write(base64.b64decode(signature["value"]))
        self.room.hsm.write("root.pub", openssl("x509", "-noout", "-pubkey", "-in", self.room.file("root.pem")).stdout)
        openssl("dgst", "-sha384", "-verify", self.room.hsm.path("root.pub"), "-signature", self.room.hsm.path("signature"),
                self.room.hsm.path("message"))
        self.assertTrue(trust["rehearsal"])
        self.assertEqual([len(trust["keys"][k]) for k in ("permit", "statement", "checkpoint")], [1, 1, 2])
        self.assertEqual([(i["issuer_id"], i["shards"]) for i in trust["issuers"]], [("root", 0), ("issuing-1", 16), ("issuing-rsa-1", 4)])
        self.assertEqual(base64.b64decode(trust["issuers"][1]["certificate"]), self.room.read("issuing-1.cer"))

    def test_no_key_leaves_a_token(self):
        for token in TOKENS:
            shown = subprocess.run(["pkcs11-tool", "--module", MODULE, "--token-label", f"chancery-{token}", "--login", "--pin",
                                    f"pin-of-{token}", "-O", "--type", "privkey"], env=self.room.hsm.env, capture_output=True,
                                   text=True, check=True).stdout
            keys = shown.count("Private Key Object")
            self.assertGreater(keys, 0)
            self.assertEqual(len(re.findall("sensitive, always sensitive, never extractable, local", shown)), keys, shown)

    def test_tampered_output_is_noticed(self):
        copy = self.room.hsm.path("copy")
        shutil.copytree(self.room.out, copy)
        with open(os.path.join(copy, "issuing-1.pem"), "a", encoding="utf-8") as f:
            f.write("\n")
        done = self.room.hsm.run("ceremony", "run", self.room.plan, "--out", copy, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("issuing-1.pem", done.stderr)
        shutil.rmtree(copy)

    def test_tampered_transcript_is_noticed(self):
        copy = self.room.hsm.path("copy2")
        shutil.copytree(self.room.out, copy)
        lines = self.room.read("transcript.jsonl").split(b"\n")
        changes = {"dropped": lines[:3] + lines[4:], "swapped": lines[:2] + [lines[3], lines[2]] + lines[4:],
                   "edited": [lines[0]] + [lines[1].replace(b"P-384", b"P-256")] + lines[2:]}
        for name, changed in changes.items():
            with self.subTest(name), open(os.path.join(copy, "transcript.jsonl"), "wb") as f:
                f.write(b"\n".join(changed))
                f.flush()
                done = self.room.hsm.run("ceremony", "run", self.room.plan, "--out", copy, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn("INTEGRITY", done.stderr)
        shutil.rmtree(copy)

    def test_another_plan_is_refused_here(self):
        with open(self.room.plan, encoding="utf-8") as f:
            self.room.hsm.write("other.yaml", f.read() + "# another\n")
        done = self.room.hsm.run("ceremony", "run", self.room.hsm.path("other.yaml"), "--out", self.room.out, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another plan", done.stderr)

    def test_keys_of_another_ceremony_are_not_reused(self):
        done = self.room.hsm.run("ceremony", "run", self.room.plan, "--out", self.room.hsm.path("again"), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("did not make", done.stderr)

    def test_used_folder_is_refused(self):
        os.mkdir(self.room.hsm.path("used"))
        self.room.hsm.write("used/root.cer", "x")
        done = self.room.hsm.run("ceremony", "run", self.room.plan, "--out", self.room.hsm.path("used"), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not empty", done.stderr)
        with open(self.room.hsm.path("used", "root.cer"), encoding="utf-8") as f:
            self.assertEqual(f.read(), "x")


class Partitions(unittest.TestCase):
    def test_each_token_behind_its_own_configuration(self):
        room = Room(tokens=False)
        self.addCleanup(room.close)
        with open(room.plan, encoding="utf-8") as f:
            plan = f.read()
        for name in TOKENS:
            os.mkdir(room.hsm.path(f"tokens-{name}"))
            conf = f"{name}.conf"
            room.hsm.write(conf, f"directories.tokendir = {room.hsm.path(f'tokens-{name}')}\n")
            room.hsm.token(name, env={"SOFTHSM2_CONF": room.hsm.path(conf)})
            plan = plan.replace(f"pins/{name}.pin}}", f"pins/{name}.pin, environment: {{SOFTHSM2_CONF: {room.hsm.path(conf)}}}}}")
        room.hsm.write("plan.yaml", plan)
        room.run()
        check_transcript(self, room)
        for issuer in ("issuing-1", "issuing-rsa-1"):
            check_chain(self, room, issuer)
        keys = {name: len(os.listdir(os.path.join(room.hsm.path(f"tokens-{name}"), os.listdir(room.hsm.path(f"tokens-{name}"))[0])))
                for name in TOKENS}
        self.assertLess(keys["root"], keys["ca"])  # one key pair beside two


class KillAndResume(unittest.TestCase):
    def test_killed_at_every_kind_of_point_it_resumes(self):
        room = Room()
        self.addCleanup(room.close)
        points = ("ceremony.key.begun", "ceremony.key.generated 2", "ceremony.key.generated 4", "ceremony.sign.begun",
                  "ceremony.sign.signed", "ceremony.sign.stored 2", "ceremony.sign.signed 3", "ceremony.trust.begun",
                  "ceremony.trust.stored")
        for point in points:
            done = room.run(check=False, kill=point)
            self.assertEqual(done.returncode, -9, f"{point}: {done.stdout}{done.stderr}")
        room.run()
        check_transcript(self, room)
        for issuer in ("issuing-1", "issuing-rsa-1"):
            check_chain(self, room, issuer)
        lines = room.lines()
        for step in {line["step"] for line in lines}:
            self.assertLessEqual(len([1 for x in lines if x["step"] == step and x["action"] in ("begin",)]), 1, step)
            self.assertLessEqual(len([1 for x in lines if x["step"] == step and x["action"] in ("done",)]), 1, step)
        self.assertEqual(len([1 for x in lines if x["step"] == "resume"]), len(points))
        # The certificate is over the TBS that was recorded before the first attempt.
        begun = next(x for x in lines if x["step"] == "certificate.root" and x["action"] == "begin")
        self.assertIn(base64.b64decode(begun["f"]["tbs"]), room.read("root.cer"))

    def test_torn_last_line_is_cut_and_noted(self):
        room = Room()
        self.addCleanup(room.close)
        self.assertEqual(room.run(check=False, kill="ceremony.key.generated 3").returncode, -9)
        with open(room.file("transcript.jsonl"), "ab") as f:
            f.write(b'{"action":"do')
        room.run()
        check_transcript(self, room)
        self.assertEqual([x["f"]["torn_bytes"] for x in room.lines() if x["step"] == "resume"], [13])

    def test_real_ceremony_wants_a_person_or_yes(self):
        room = Room()
        self.addCleanup(room.close)
        with open(room.plan, encoding="utf-8") as f:
            room.hsm.write("plan.yaml", f.read().replace("rehearsal: true", "rehearsal: false"))
        done = room.run(check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("ceremony.confirm", done.stderr)
        self.assertFalse(os.path.exists(room.file("root.cer")))
        room.hsm.run("ceremony", "run", room.plan, "--out", room.out, "--yes")
        check_transcript(self, room)
        self.assertNotIn(b"REHEARSAL", room.read("root.cer"))
        self.assertFalse(json.loads(room.read("trust.json"))["rehearsal"])


if __name__ == "__main__":
    unittest.main()
