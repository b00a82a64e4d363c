#!/usr/bin/python3
"""The log of a real stack: chancery-verify and a verifier in another language accept a copy; any flipped byte is found and
named; proofs from the command line verify."""
import glob
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

from stack import BUILD, SOURCE, Load, Stack

stack = None


def setUpModule():
    global stack
    stack = Stack()
    stack.__enter__()
    with Load(stack, threads=4) as load:
        assert load.wait_for_more(200, 120) is not None, load.failures


def tearDownModule():
    stack.__exit__(None)


class Log(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="chancery-log-")
        self.log = os.path.join(self.folder, "log")
        stack.copy_log(self.log)

    def tearDown(self):
        shutil.rmtree(self.folder)

    def verify(self):
        return subprocess.run([os.path.join(BUILD, "bin", "chancery-verify"), "--trust", stack.path("trust", "trust.json"), self.log],
                              capture_output=True, text=True, timeout=60)

    def test_copy_passes(self):
        done = self.verify()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_foreign_verifier_passes(self):
        done = subprocess.run(["/usr/bin/python3", "-B", os.path.join(SOURCE, "tests", "interop", "verify_log.py"), stack.path("trust", "trust.json"), self.log],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_any_flipped_byte_is_found_and_named(self):
        rng = random.Random(20261121)
        tried = 0
        for path in sorted(glob.glob(os.path.join(self.log, "**"), recursive=True)):
            if not os.path.isfile(path):
                continue
            with open(path, "rb") as f:
                good = f.read()
            places = range(len(good)) if len(good) < 100 else sorted({0, len(good) - 1, *rng.sample(range(len(good)), 12)})
            for place in places:
                bad = bytearray(good)
                bad[place] ^= 1 << rng.randrange(8)
                with open(path, "wb") as f:
                    f.write(bad)
                done = self.verify()
                self.assertNotEqual(done.returncode, 0, f"byte {place} of {path} flipped, and it passed")
                self.assertIn(os.path.relpath(path, self.log), done.stdout + done.stderr, f"byte {place}: the file is not named")
                tried += 1
            with open(path, "wb") as f:
                f.write(good)
        self.assertGreater(tried, 50)
        self.assertEqual(self.verify().returncode, 0)

    def test_missing_and_extra_files_are_reported(self):
        extra = os.path.join(self.log, "tile", "entries", "999")
        with open(extra, "wb") as f:
            f.write(b"x")
        done = self.verify()
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("999", done.stdout + done.stderr)
        os.unlink(extra)
        victim = sorted(p for p in glob.glob(os.path.join(self.log, "tile", "**"), recursive=True) if os.path.isfile(p))[0]
        os.unlink(victim)
        done = self.verify()
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(os.path.relpath(victim, self.log), done.stdout + done.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
