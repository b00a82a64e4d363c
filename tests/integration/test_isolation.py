#!/usr/bin/python3
"""Each process's user can open neither another's token, PIN nor schema. As root every pair is tried; as another user
the stack must say that isolation is off, and that is what is tested."""
import os
import pwd
import stat
import subprocess
import sys
import unittest

from stack import SOFTHSM, Stack

PARTITIONS = {  # partition -> user of the process that owns it
    "signer": "chancery-signer", "policy": "chancery-policy", "audit": "chancery-audit",
    "revocation": "chancery-revocation", "registration": "chancery-registration", "infra": "chancery-identity",
}
SCHEMAS = ("ca", "policy", "audit", "registration", "revocation")
stack = None


def setUpModule():
    global stack
    stack = Stack()
    stack.__enter__()


def tearDownModule():
    stack.__exit__(None)


def as_user(user, *command, env=None):
    return subprocess.run(["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--no-new-privs", *command],
                          capture_output=True, text=True, env=dict(os.environ, **(env or {})), timeout=30)


class AsRoot(unittest.TestCase):
    def setUp(self):
        if os.getuid() != 0:
            self.assertIn("isolation: off", subprocess.run([os.path.join(os.path.dirname(__file__), "..", "..", "tools", "stack"), "status", stack.dir],
                                                           capture_output=True, text=True).stdout)

    def partition_dir(self, name):
        for candidate in (name, {"signer": "ca", "revocation": "ocsp"}.get(name, name)):
            if os.path.isdir(stack.path("tokens", candidate)):
                return stack.path("tokens", candidate)
        self.fail(f"no token folder of {name}")

    def test_tokens_and_pins_each_pair(self):
        if os.getuid() != 0:
            return
        tried = 0
        for partition, owner in PARTITIONS.items():
            folder = self.partition_dir(partition)
            pin = os.path.join(folder, "pin")
            for user in PARTITIONS.values():
                read = as_user(user, "cat", pin)
                listed = as_user(user, "find", os.path.join(folder, "tokens"), "-name", "*.object")
                if user == owner:
                    self.assertEqual(read.returncode, 0, f"{user} cannot read its own PIN: {read.stderr}")
                    self.assertIn(".object", listed.stdout, f"{user} cannot see its own token: {listed.stderr}")
                else:
                    tried += 1
                    self.assertNotEqual(read.returncode, 0, f"{user} reads the PIN of {partition}")
                    self.assertNotIn(".object", listed.stdout, f"{user} sees the token of {partition}")
        self.assertEqual(tried, len(PARTITIONS) * (len(PARTITIONS) - 1))

    def test_schemas_each_pair(self):
        if os.getuid() != 0:
            return
        sole = {("revocation", "ca", "issued_v1")}
        for process in SCHEMAS:
            user = f"chancery-{process}"
            for schema in SCHEMAS:
                tables = [row[0] for row in stack.sql(
                    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                    f"WHERE n.nspname = '{schema}' AND c.relkind IN ('r','v','p')")]
                self.assertTrue(tables, f"schema {schema} is empty")
                for table in tables:
                    done = as_user(user, "psql", "-X", "-At", "-h", stack.path("pg", "run"), "-d", "chancery", "-U", f"chancery_{process}",
                                   "-c", f"SELECT 1 FROM {schema}.{table} LIMIT 0")
                    if schema == process:
                        if (schema, table) == ("ca", "issued_v1"):
                            continue  # ca reads the tables behind its view; it needs no grant on it
                        self.assertEqual(done.returncode, 0, f"{user} cannot read {schema}.{table}: {done.stderr}")
                    elif (process, schema, table) in sole:
                        self.assertEqual(done.returncode, 0, done.stderr)
                    else:
                        self.assertIn("permission denied", done.stderr, f"{user} on {schema}.{table}: {done.stdout}")
                # Nor under another's role.
                if schema != process:
                    other = as_user(user, "psql", "-X", "-At", "-h", stack.path("pg", "run"), "-d", "chancery", "-U", f"chancery_{schema}", "-c", "SELECT 1")
                    self.assertNotEqual(other.returncode, 0, f"{user} logs in as chancery_{schema}")

    def test_identity_keys_each_pair(self):
        if os.getuid() != 0:
            return
        for process in ("signer", "ca", "policy", "audit", "registration", "revocation"):
            key = os.path.join(stack.identity_dir(process), "key.pem")
            for other in ("signer", "ca", "policy", "audit", "registration", "revocation"):
                done = as_user(f"chancery-{other}", "cat", key)
                self.assertEqual(done.returncode == 0, other == process, f"chancery-{other} and the key of {process}")

    def test_each_process_runs_under_its_own_user(self):
        users = set()
        for service in stack.services():
            with open(f"/proc/{stack.pid(service)}/status", encoding="ascii") as f:
                uid = int(next(line for line in f if line.startswith("Uid:")).split()[1])
            users.add(pwd.getpwuid(uid).pw_name)
        if os.getuid() == 0:
            self.assertEqual(users, {f"chancery-{p}" for p in ("signer", "ca", "policy", "audit", "registration", "revocation")})
        else:
            self.assertEqual(users, {pwd.getpwuid(os.getuid()).pw_name})

    def test_issuer_keys_are_sensitive_and_never_extractable(self):
        folder = self.partition_dir("signer")
        with open(os.path.join(folder, "pin"), encoding="ascii") as f:
            pin = f.read().strip()
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(folder, "pin")).st_mode) & 0o077, 0)
        # The PIN goes in by environment of this test's own child only: pkcs11-tool offers no file.
        listed = subprocess.run(["pkcs11-tool", "--module", SOFTHSM, "--token-label", "chancery-ca", "--login", "--pin", "env:TEST_PIN",
                                 "--list-objects", "--type", "privkey"], capture_output=True, text=True, timeout=30,
                                env=dict(os.environ, SOFTHSM2_CONF=os.path.join(folder, "softhsm2.conf"), TEST_PIN=pin))
        self.assertEqual(listed.returncode, 0, listed.stderr)
        keys = [k for k in listed.stdout.split("Private Key Object")[1:]]
        self.assertTrue(keys, listed.stdout)
        for key in keys:
            access = next(line for line in key.splitlines() if "Access:" in line)
            for word in ("sensitive", "always sensitive", "never extractable", "local"):
                self.assertIn(word, access)
            usage = next(line for line in key.splitlines() if "Usage:" in line)
            self.assertEqual(usage.split(":")[1].strip(), "sign")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
