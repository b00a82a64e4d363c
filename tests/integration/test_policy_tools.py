#!/usr/bin/python3
"""chancery policy check, test, explain, diff, replay on a whole stack: what was really asked, judged again."""
import contextlib
import json
import os
import shutil
import tempfile
import time
import unittest

import grpc

import stack as support

BUNDLE = os.path.join(support.SOURCE, "policy", "bundles", "default")
TESTS = """version: 1
defaults: {profile: web, names: [host.example.test]}
cases:
  - {name: a host, expect: permit}
  - {name: another domain, names: [host.example.com], expect: refuse}
  - {name: a key too many, key: P-521, expect: refuse, fails: [key.type]}
"""


class Tools(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.context = contextlib.ExitStack()
        cls.stack = cls.context.enter_context(support.Stack(["--no-isolation"] if os.getuid() != 0 else []))
        cls.dir = cls.context.enter_context(tempfile.TemporaryDirectory())
        cls.messages, cls.stub = cls.stack.stub("registration")
        cls.serials = [cls.issue(f"host-{i}.example.test").hex() for i in range(5)]
        cls.issue("*.example.test")
        for i in range(3):
            cls.refuse(f"host-{i}.elsewhere.test")
        deadline = time.monotonic() + 30
        while cls.history_size() < 9 and time.monotonic() < deadline:
            time.sleep(0.1)

    @classmethod
    def tearDownClass(cls):
        cls.context.close()

    @classmethod
    def issue(cls, name):
        _, csr = support.make_csr(name)
        answer = cls.stub.Enroll(cls.messages.EnrollRequest(profile="web", pkcs10=csr, idempotency_key=name), timeout=30)
        return answer.certificate.serial

    @classmethod
    def refuse(cls, name):
        _, csr = support.make_csr(name)
        try:
            cls.stub.Enroll(cls.messages.EnrollRequest(profile="web", pkcs10=csr, idempotency_key=name), timeout=30)
        except grpc.RpcError as e:
            detail = support.error_detail(e)
            assert detail.code == "REFUSED", detail
            return
        raise AssertionError(f"{name} was issued")

    @classmethod
    def history_size(cls):
        return sum(int(row[0]) for row in cls.stack.sql("SELECT coalesce(sum(items), 0) FROM policy.history"))

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def bundle(self, name, *changes, tests=TESTS):
        """A copy of the shipped bundle with texts of profiles/web.yaml replaced."""
        folder = self.path(name)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(BUNDLE, folder, ignore=shutil.ignore_patterns("tests"))
        with open(os.path.join(folder, "profiles", "web.yaml"), encoding="utf-8") as f:
            text = f.read()
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        with open(os.path.join(folder, "profiles", "web.yaml"), "w", encoding="utf-8") as f:
            f.write(text)
        if tests:
            os.mkdir(os.path.join(folder, "tests"))
            with open(os.path.join(folder, "tests", "web.yaml"), "w", encoding="utf-8") as f:
                f.write(tests)
        return folder

    def csr(self, name):
        _, der = support.make_csr(name)
        with open(self.path("a.csr"), "wb") as f:
            f.write(der)
        return self.path("a.csr")

    # ---- offline ----

    def test_check_names_file_line_and_column(self):
        good = self.stack.cli_json("policy", "check", self.bundle("good"), "--trust", self.stack.path("trust", "trust.json"))
        self.assertEqual(len(good["bundle_sha256"]), 64)
        self.assertEqual(good["profiles"], ["client", "device", "ocsp-responder", "web"])
        self.assertEqual((good["tests"], good["tests_failed"]), (3, 0))
        self.assertNotIn("check.issuer", {w["rule"] for w in good["warnings"]})
        done = self.stack.cli("policy", "check", self.bundle("bad", ("wildcard_depth: 1", "wildcard_dept: 1")), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"profiles/web\.yaml:\d+:\d+")
        self.assertIn("wildcard_depth", done.stderr)

    def test_check_warns_of_what_is_hardly_meant(self):
        folder = self.bundle("odd", ("suffixes: [example.test]", "suffixes: [example.test, a.example.test]"),
                             ("issuer: issuing-1", "issuer: issuing-9"), ("[/user/*]", "['spiffe://elsewhere.test/user/a']"))
        got = self.stack.cli_json("policy", "check", folder, "--trust", self.stack.path("trust", "trust.json"))
        self.assertLessEqual({"check.suffix", "check.issuer", "check.callers", "check.tests"}, {w["rule"] for w in got["warnings"]})
        self.assertEqual(self.stack.cli("policy", "check", folder, "--strict", check=False).returncode, 1)

    def test_table_tests_run_and_cover(self):
        got = self.stack.cli_json("policy", "test", self.bundle("good"))
        self.assertEqual((got["run"], got["failed"]), (3, 0))
        web = next(p for p in got["coverage"] if p["profile"] == "web")
        self.assertEqual(web["cases"], 3)
        self.assertGreater(web["covered"], 1)
        broken = self.bundle("broken", tests=TESTS.replace("expect: permit", "expect: refuse"))
        done = self.stack.cli("policy", "test", broken, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("expected refuse, got permit", done.stdout)
        done = self.stack.cli("policy", "test", self.bundle("good"), "--min-coverage", "100", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("are wanted", done.stderr)

    def test_diff_in_words(self):
        new = self.bundle("new", ("max: 90d", "max: 47d"), ("default: 90d", "default: 47d"), ("wildcard_depth: 1", "wildcard_depth: 0"))
        out = self.stack.cli("policy", "diff", "current", new).stdout
        self.assertIn("validity 90 d to 47 d", out)
        self.assertIn("wildcards no longer allowed", out)
        self.assertEqual(self.stack.cli("policy", "diff", new, new).stdout, "no difference\n")
        self.assertEqual(self.stack.cli("policy", "diff", self.bundle("old"), new, "--exit-code", check=False).returncode, 1)

    # ---- a request ----

    def test_explain_a_request_judges_a_built_certificate(self):
        got = self.stack.cli_json("policy", "explain", "--profile", "web", "--csr", self.csr("dry.example.test"))
        rules = {r["rule"]: r for r in got["explanations"][0]["rules"]}
        self.assertEqual(got["explanations"][0]["verdict"], "pass")
        self.assertEqual(rules["tbs.format"]["outcome"], "pass")  # there were octets to judge
        self.assertEqual(rules["validity.max"]["outcome"], "pass")
        done = self.stack.cli("policy", "explain", "--profile", "web", "--csr", self.csr("dry.elsewhere.test"), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertLess(done.stdout.index("fails"), done.stdout.index("pass:"))
        self.assertIn("profiles/web.yaml:", done.stdout)

    # ---- the history ----

    def test_replay_lists_exactly_what_changes(self):
        same = self.stack.cli_json("policy", "replay", "--candidate", BUNDLE)
        self.assertEqual(same["records"], self.history_size())
        self.assertEqual((same["changes"], same["without_base"]), ([], 0))
        new = self.bundle("no-wildcards", ("wildcard_depth: 1", "wildcard_depth: 0"), ("suffixes: [example.test]", "suffixes: [example.test, elsewhere.test]"))
        got = self.stack.cli_json("policy", "replay", "--candidate", new)
        self.assertEqual({(c["kind"], c["name"]) for c in got["changes"]},
                         {("now_refused", "DNS:*.example.test")} |
                         {("now_permitted", f"DNS:host-{i}.elsewhere.test") for i in range(3)})
        shorter = self.bundle("shorter", ("max: 90d", "max: 47d"), ("default: 90d", "default: 47d"))
        got = self.stack.cli_json("policy", "replay", "--candidate", shorter)
        self.assertEqual(got["counts"]["now_refused"], 0)
        self.assertEqual(got["counts"]["other_content"], got["permitted"])
        self.assertIn("life", got["groups"][0]["rule"])
        done = self.stack.cli("policy", "replay", "--candidate", new, "--exit-code", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("1 were permitted and would be refused", done.stdout)

    def test_an_exported_history_replays_the_same(self):
        file = self.path("all.history")
        exported = self.stack.cli_json("policy", "history", "export", file)
        self.assertEqual(exported["records"], self.history_size())
        self.assertEqual(os.stat(file).st_mode & 0o077, 0)
        self.assertEqual(self.stack.cli("policy", "history", "export", file, check=False).returncode, 0)
        new = self.bundle("no-wildcards-2", ("wildcard_depth: 1", "wildcard_depth: 0"))
        here = self.stack.cli_json("policy", "replay", "--candidate", new, "--from", file)
        there = self.stack.cli_json("policy", "replay", "--candidate", new)
        self.assertEqual(here["changes"], there["changes"])
        self.assertEqual([c["name"] for c in here["changes"]], ["DNS:*.example.test"])

    def test_the_history_is_for_its_readers_and_each_reading_is_logged(self):
        self.stack.tool("user", "mallory")
        done = self.stack.cli("policy", "replay", "--candidate", BUNDLE, user="mallory", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("DENIED", done.stderr.upper())
        self.stack.cli("policy", "replay", "--candidate", BUNDLE, "--days", "2")
        found = self.stack.log_has("history-read", caller=f"spiffe://{support.TRUST_DOMAIN}/user/operator")
        self.assertIsNotNone(found)

    def test_explain_an_issued_certificate_from_the_history(self):
        got = self.stack.cli_json("policy", "explain", "--serial", self.serials[0])
        self.assertTrue(got["permitted"])
        self.assertIn("which is in force", got["explanations"][0]["under"])
        first = got["explanations"][0]
        self.assertEqual(first["verdict"], "pass")
        self.assertIn("octet for octet", first["note"])
        self.stack.cli("cert", "show", self.serials[1], "--out", self.path("one.pem"))
        stricter = self.bundle("stricter", ("max: 90d", "max: 30d"), ("default: 90d", "default: 30d"))
        done = self.stack.cli("policy", "explain", "--cert", self.path("one.pem"), "--bundle", stricter, "--json", check=False)
        self.assertEqual(done.returncode, 1)
        failed = {r["rule"] for r in json.loads(done.stdout)["explanations"][0]["rules"] if r["outcome"] == "fail"}
        self.assertIn("validity.max", failed)


if __name__ == "__main__":
    unittest.main()
