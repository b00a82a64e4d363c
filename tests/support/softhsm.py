"""SoftHSM tokens in a temporary folder, made and used through the command line."""
import json
import os
import shutil
import subprocess
import tempfile

BUILD = os.environ["CHANCERY_BUILD"]
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODULE = "/usr/lib/softhsm/libsofthsm2.so"


class SoftHsm:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="chancery-softhsm-")
        os.mkdir(self.path("tokens"))
        os.mkdir(self.path("pins"), 0o700)
        self.write("softhsm2.conf", f"directories.tokendir = {self.path('tokens')}\nobjectstore.backend = file\n")
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.dir, "SOFTHSM2_CONF": self.path("softhsm2.conf"),
                    **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}}
        self.write("pins/so.pin", "11223344", 0o600)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.path(name), mode)

    def run(self, *args, program=os.path.join(BUILD, "bin", "chancery"), check=True, env=None, **kw):
        done = subprocess.run([program, *args], env={**self.env, **(env or {})}, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=240, **kw)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def json(self, *args, **kw):
        return json.loads(self.run(*args, "--json", **kw).stdout)

    def token(self, name, **kw):
        """Makes token chancery-<name> with PIN file pins/<name>.pin."""
        self.write(f"pins/{name}.pin", f"pin-of-{name}", 0o600)
        self.run("hsm", "token-init", "--module", MODULE, "--label", f"chancery-{name}",
                 "--so-pin-file", self.path("pins", "so.pin"), "--pin-file", self.path("pins", f"{name}.pin"), **kw)

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def openssl(*args, check=True, **kw):
    done = subprocess.run(["openssl", *args], capture_output=True, text=True, timeout=60, check=False, **kw)
    if check and done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(args)}: {done.stdout}{done.stderr}")
    return done
