#!/usr/bin/python3
"""docs/POLICY.md, "A profile for a new kind of device": its commands are run as they stand there, by one shell, in one folder."""
import os
import re
import subprocess
import tempfile
import unittest

from stack import BUILD, SOURCE, Stack

SECTION = "## A profile for a new kind of device, step by step"


def blocks():
    """(language, text) of the section's code blocks, in order."""
    with open(os.path.join(SOURCE, "docs", "POLICY.md"), encoding="utf-8") as f:
        section = f.read().split(SECTION, 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^```(\w+)\n(.*?)^```$", section, re.S | re.M)


class Walkthrough(unittest.TestCase):
    def test_as_written(self):
        found = blocks()
        self.assertEqual([language for language, _ in found], ["sh", "yaml", "yaml", "sh", "sh", "sh"])
        with Stack() as stack, tempfile.TemporaryDirectory(prefix="chancery-walk-") as folder:
            script = ["set -euo pipefail"]
            for language, text in found:
                if language == "yaml":
                    path = re.match(r"# (\S+)\n", text).group(1)
                    script.append(f"mkdir -p $(dirname {path})\ncat > {path} <<'YAML'\n{text}YAML")
                else:
                    script.append(text)
            env = dict(os.environ, state=stack.dir, CHANCERY_CONFIG=stack.path("users", "operator", "client.yaml"),
                       PATH=os.path.join(BUILD, "bin") + ":" + os.environ["PATH"])
            os.symlink(os.path.join(SOURCE, "tools"), os.path.join(folder, "tools"))
            done = subprocess.run(["bash", "-c", "\n".join(script)], cwd=folder, env=env, capture_output=True, text=True, timeout=240)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("serialNumber = CAM-7", done.stdout)
            self.assertIn("O = Example", done.stdout)
            self.assertIn("TLS Web Client Authentication", done.stdout)
            self.assertIn("DNS:seven.cameras.example.test", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
