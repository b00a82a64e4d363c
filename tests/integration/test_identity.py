"""identity init, issue, renew on a real token."""
import os
import stat
import subprocess
import time
import unittest

from softhsm import BUILD, MODULE, SoftHsm, openssl

KILLABLE = os.path.join(BUILD, "tests", "chancery_killable")


class Identity(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hsm = SoftHsm()
        cls.hsm.token("infra")
        cls.dir = cls.hsm.path("identity")
        cls.init_args = ("identity", "init", "--module", MODULE, "--token-uri", "pkcs11:token=chancery-infra", "--pin-file",
                         cls.hsm.path("pins", "infra.pin"), "--trust-domain", "chancery.test", "--out", cls.dir)
        cls.first = cls.hsm.json(*cls.init_args)

    @classmethod
    def tearDownClass(cls):
        cls.hsm.close()

    def issue(self, *args, **kw):
        return self.hsm.json("identity", "issue", *args, **kw)

    def read(self, name):
        with open(os.path.join(self.dir, name), "rb") as f:
            return f.read()

    def text(self, name):
        return openssl("x509", "-noout", "-text", "-in", os.path.join(self.dir, name, "current", "cert.pem")).stdout

    def verify(self, name):
        folder = os.path.join(self.dir, name, "current")
        openssl("verify", "-x509_strict", "-CAfile", os.path.join(folder, "ca.pem"), os.path.join(folder, "cert.pem"))
        key = openssl("pkey", "-in", os.path.join(folder, "key.pem"), "-pubout").stdout
        cert = openssl("x509", "-noout", "-pubkey", "-in", os.path.join(folder, "cert.pem")).stdout
        self.assertEqual(key, cert)

    def test_init_twice_changes_nothing(self):
        self.assertTrue(self.first["created"])
        before = self.read("ca.pem")
        self.assertFalse(self.hsm.json(*self.init_args)["created"])
        self.assertEqual(before, self.read("ca.pem"))
        other = [a if a != "chancery.test" else "other.test" for a in self.init_args]
        done = self.hsm.run(*other, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("EXISTS", done.stderr)

    def test_ca_key_is_not_extractable(self):
        shown = subprocess.run(["pkcs11-tool", "--module", MODULE, "--token-label", "chancery-infra", "--login", "--pin",
                                "pin-of-infra", "-O", "--type", "privkey"], env=self.hsm.env, capture_output=True, text=True, check=True)
        self.assertIn("never extractable", shown.stdout)
        self.assertIn("infrastructure-ca", shown.stdout)

    def test_process_identity_has_its_names(self):
        got = self.issue("--process", "ca", "--dir", os.path.join(self.dir, "ca"))
        self.assertEqual(got["uri"], "spiffe://chancery.test/chancery/ca")
        self.verify("ca")
        text = self.text("ca")
        self.assertIn("URI:spiffe://chancery.test/chancery/ca, DNS:ca.chancery.test\n", text)
        self.assertIn("TLS Web Server Authentication, TLS Web Client Authentication", text)
        self.assertIn("CA:FALSE", text)
        openssl("x509", "-noout", "-checkend", str(6 * 86400), "-in", os.path.join(self.dir, "ca", "current", "cert.pem"))
        self.assertEqual(openssl("x509", "-noout", "-checkend", str(8 * 86400), "-in",
                                 os.path.join(self.dir, "ca", "current", "cert.pem"), check=False).returncode, 1)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.dir, "ca", "current", "key.pem")).st_mode), 0o600)

    def test_localhost_only_when_asked(self):
        self.issue("--process", "registration", "--ca", self.dir, "--localhost")
        self.assertIn("DNS:registration.chancery.test, DNS:localhost, IP Address:127.0.0.1", self.text("registration"))

    def test_user_identity(self):
        self.issue("--user", "alice", "--ca", self.dir)
        self.verify("user-alice")
        self.assertIn("URI:spiffe://chancery.test/user/alice\n", self.text("user-alice"))
        done = self.hsm.run("identity", "issue", "--user", "../x", "--ca", self.dir, "--dir", os.path.join(self.dir, "bad"), check=False)
        self.assertEqual(done.returncode, 1)

    @unittest.skipUnless(os.getuid() == 0, "changing groups needs root")
    def test_group_may_read_and_renewal_keeps_it(self):
        import grp
        gid = grp.getgrnam("nogroup").gr_gid
        self.issue("--process", "audit", "--ca", self.dir, "--group", "nogroup")
        self.hsm.json("identity", "renew", "--dir", self.dir, "--force")
        for name in ("cert.pem", "key.pem", "ca.pem"):
            st = os.stat(os.path.join(self.dir, "audit", "current", name))
            self.assertEqual((st.st_gid, stat.S_IMODE(st.st_mode)), (gid, 0o640))
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.dir, "audit", "current")).st_mode) & 0o007, 0)

    def test_versions_switch_and_old_ones_go(self):
        self.issue("--process", "signer", "--ca", self.dir)
        for _ in range(3):
            self.issue("--process", "signer", "--ca", self.dir)
        self.assertEqual(os.readlink(os.path.join(self.dir, "signer", "current")), "4")
        self.assertEqual(sorted(os.listdir(os.path.join(self.dir, "signer"))), ["3", "4", "current"])

    def test_killed_between_version_and_switch_leaves_the_old_one(self):
        self.issue("--process", "policy", "--ca", self.dir)
        self.hsm.write("armed", "identity.version\n")
        done = self.hsm.run("identity", "issue", "--process", "policy", "--ca", self.dir, program=KILLABLE, check=False,
                            env={"CHANCERY_FAILPOINT_FILE": self.hsm.path("armed")})
        self.assertEqual(done.returncode, -9)
        self.assertEqual(os.readlink(os.path.join(self.dir, "policy", "current")), "1")
        self.verify("policy")
        self.issue("--process", "policy", "--ca", self.dir)
        self.assertEqual(os.readlink(os.path.join(self.dir, "policy", "current")), "3")
        self.verify("policy")

    def test_renew_past_half_life_only(self):
        self.issue("--process", "old", "--ca", self.dir, "--validity", "20s")  # backdated by 60 s: past half already
        self.issue("--process", "young", "--ca", self.dir)
        self.hsm.json("identity", "renew", "--dir", self.dir)
        self.assertEqual(os.readlink(os.path.join(self.dir, "old", "current")), "2")
        self.assertEqual(os.readlink(os.path.join(self.dir, "young", "current")), "1")
        self.assertIn("URI:spiffe://chancery.test/chancery/old", self.text("old"))

    def test_watch_renews_by_itself(self):
        self.issue("--process", "watched", "--ca", self.dir, "--validity", "20s")
        watcher = subprocess.Popen([os.path.join(BUILD, "bin", "chancery"), "identity", "renew", "--dir", self.dir, "--watch"],
                                   env=self.hsm.env, stderr=subprocess.PIPE, text=True)
        try:
            for line in watcher.stderr:
                if "identity.renewed" in line and "/watched" in line:
                    break
            else:
                self.fail("the watcher ended")
            self.verify("watched")
        finally:
            watcher.kill()
            watcher.wait()
            watcher.stderr.close()

    def test_foreign_certificate_is_not_renewed(self):
        other = os.path.join(self.hsm.dir, "alone")
        folder = os.path.join(other, "intruder", "current")
        os.makedirs(folder)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=ca",
                "-addext", "subjectAltName=URI:spiffe://chancery.test/chancery/ca", "-keyout", os.path.join(folder, "key.pem"),
                "-out", os.path.join(folder, "cert.pem"))
        done = self.hsm.run("identity", "renew", "--dir", other, "--ca", self.dir, "--force", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("was not issued by this CA", done.stderr)


if __name__ == "__main__":
    unittest.main()
