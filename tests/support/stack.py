"""A whole Chancery stack for tests: started by tools/stack in a fresh state directory, driven by the command line
program and by a foreign gRPC client (Debian's python3-grpcio with stubs made from proto/).

Environment: CHANCERY_BUILD names the build folder (default build/check). Every process that a Stack starts
is stopped by it, by process id; nothing else is touched.
"""
import atexit
import contextlib
import glob
import hashlib
import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import grpc

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("CHANCERY_BUILD", os.path.join(SOURCE, "build", "check")))
TRUST_DOMAIN = "chancery.test"
PROCESSES = ("audit", "policy", "signer", "ca", "registration", "revocation")
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"

_stubs = None
_stubs_lock = threading.Lock()


def stubs():
    """The folder of generated Python stubs, made once per test program and put on sys.path."""
    global _stubs
    if _stubs is None:
        made = tempfile.mkdtemp(prefix="chancery-stubs-")
        atexit.register(shutil.rmtree, made, ignore_errors=True)
        proto = os.path.join(SOURCE, "proto")
        files = glob.glob(os.path.join(proto, "**", "*.proto"), recursive=True)
        subprocess.run(["/usr/bin/python3", "-m", "grpc_tools.protoc", "-I", proto, "--python_out", made,
                        "--grpc_python_out", made] + files, check=True)
        sys.path.insert(0, made)
        _stubs = made
    return _stubs


def pb(service):
    """(messages, grpc stubs) of chancery.<service>.v1. Any thread."""
    base = f"chancery.{service}.v1.{service}_pb2"
    with _stubs_lock:
        stubs()
        return importlib.import_module(base), importlib.import_module(base + "_grpc")


def free_port_base(count=20):
    """A base such that base..base+count-1 are free on loopback right now."""
    for base in range(20000 + os.getpid() % 20000, 60000, count):
        try:
            with contextlib.ExitStack() as held:
                for port in range(base, base + count):
                    s = held.enter_context(socket.socket())
                    s.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
    raise RuntimeError("no free ports")


class Stack:
    """One state directory. Use as a context manager."""

    def __init__(self, options=(), keep=False):
        # Not under a private parent: as root, processes of other users must reach it.
        self.dir = tempfile.mkdtemp(prefix="chancery-stack-", dir="/var/tmp")
        os.chmod(self.dir, 0o755)
        self.options = list(options)
        self.port_base = free_port_base()
        self.keep = keep
        self.channels = []

    def __enter__(self):
        try:
            self.tool("init", "--bin", os.path.join(BUILD, "bin"), "--port-base", str(self.port_base), *self.options)
            self.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, *_):
        for channel in self.channels:
            channel.close()
        with contextlib.suppress(subprocess.CalledProcessError):
            self.tool("stop")
        if kind is not None:
            self.show_logs()
        reports = self.sanitizer_reports()
        if not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)
        if reports and kind is None:
            raise AssertionError("sanitizer reports in the logs:\n" + "".join(reports))

    def sanitizer_reports(self):
        """Lines of the processes' logs that a sanitizer wrote, with what follows them."""
        found = []
        for path in glob.glob(os.path.join(self.dir, "log", "*", "*")):
            with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as f:
                lines = f.readlines()
                for i, line in enumerate(lines):
                    if any(mark in line for mark in ("ERROR: AddressSanitizer", "runtime error:", "WARNING: ThreadSanitizer")):
                        found += [path + ":\n"] + lines[i:i + 25]
        return found[:200]

    def tool(self, command, *args, timeout=300):
        done = subprocess.run([os.path.join(SOURCE, "tools", "stack"), command, self.dir, *args], timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            sys.stderr.write(done.stdout.decode(errors="replace"))
        done.check_returncode()

    def start(self):
        self.tool("start")

    def stop(self):
        self.tool("stop")

    def show_logs(self, lines=15):
        for path in sorted(glob.glob(os.path.join(self.dir, "log", "**"), recursive=True)):
            if os.path.isfile(path) and os.path.basename(path) in ("current", "log") or path.endswith(".log"):
                with open(path, encoding="utf-8", errors="replace") as f:
                    tail = f.readlines()[-lines:]
                sys.stderr.write(f"--- {path}\n{''.join(tail)}")

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    # ---- command line ----

    def cli(self, *args, user="operator", check=True):
        """Runs the command line program as a user identity; returns CompletedProcess with text output."""
        env = dict(os.environ, CHANCERY_CONFIG=self.path("users", user, "client.yaml"))
        done = subprocess.run([os.path.join(BUILD, "bin", "chancery"), *args], env=env, capture_output=True, text=True,
                              timeout=60)
        if check and done.returncode != 0:
            raise AssertionError(f"chancery {' '.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def cli_json(self, *args, **kw):
        return json.loads(self.cli(*args, "--json", **kw).stdout)

    # ---- gRPC ----

    def port(self, process):
        """The port a process listens on, from its configuration."""
        return int(self.config_value(process, "listen").rsplit(":", 1)[1])

    def http_port(self):
        import yaml
        with open(self.path("conf", "revocation.yaml"), encoding="utf-8") as f:
            return int(yaml.safe_load(f)["http"]["listen"].rsplit(":", 1)[1])

    def config_value(self, process, key):
        import yaml
        with open(self.path("conf", process + ".yaml"), encoding="utf-8") as f:
            return yaml.safe_load(f)[key]

    def identity_dir(self, name):
        for candidate in (self.path("users", name, "current"), self.path("identity", name, "current")):
            if os.path.exists(os.path.join(candidate, "cert.pem")):
                return candidate
        self.tool("user", name)  # a person nobody knows yet
        return self.path("users", name, "current")

    def channel(self, process, identity="operator"):
        def read(name):
            with open(os.path.join(self.identity_dir(identity), name), "rb") as f:
                return f.read()
        creds = grpc.ssl_channel_credentials(read("ca.pem"), read("key.pem"), read("cert.pem"))
        options = [("grpc.ssl_target_name_override", f"{process}.{TRUST_DOMAIN}"),
                   ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.min_reconnect_backoff_ms", 2000),
                   ("grpc.max_reconnect_backoff_ms", 250)]
        channel = grpc.secure_channel(f"127.0.0.1:{self.port(process)}", creds, options)
        self.channels.append(channel)
        return channel

    def stub(self, process, identity="operator"):
        """(messages, stub) of a process's service."""
        messages, services = pb(process)
        name = {"ca": "CaService"}.get(process, process.capitalize() + "Service")
        return messages, getattr(services, name + "Stub")(self.channel(process, identity))

    # ---- processes ----

    def services(self):
        """Names of the supervised services: "audit", "ca", "ca-2" ..."""
        return sorted(n for n in os.listdir(self.path("service")) if n.split("-")[0] in PROCESSES)

    def pid(self, service):
        with contextlib.suppress(OSError, ValueError):
            with open(self.path("service", service, "supervise", "pid"), encoding="ascii") as f:
                return int(f.read())
        return None

    def kill(self, service, sig=signal.SIGKILL):
        """Signals one supervised process; False when it was not running."""
        pid = self.pid(service)
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)
            return True
        return False

    def sv(self, command, service):
        subprocess.run(["sv", command, self.path("service", service)], check=True, capture_output=True, timeout=60)

    def arm_failpoint(self, service, name):
        """The process kills itself when it next reaches the named point (fault builds only)."""
        with open(self.path("run", "failpoint", service), "w", encoding="ascii") as f:
            f.write(name + "\n")
        os.chmod(self.path("run", "failpoint", service), 0o666)

    def wait_ready(self, seconds=30):
        self.cli("status", "--wait", str(seconds))

    # ---- database, as the cluster's owner ----

    def sql(self, query):
        """Rows of a query as lists of text."""
        command = ["psql", "-X", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-h", self.path("pg", "run"), "-d", "chancery", "-c", query]
        if os.getuid() == 0:
            import pwd
            owner = pwd.getpwuid(os.stat(self.path("pg", "data")).st_uid).pw_name
            command = ["setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups", *command, "-U", "chancery_owner"]
        else:
            command += ["-U", "chancery_owner"]
        out = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
        return [line.split("\t") for line in out.splitlines()]

    # ---- audit log ----

    def log_entries(self, first=0):
        """All entries from an index: (index, parsed leaf)."""
        messages, stub = self.stub("audit")
        entries = []
        for part in stub.StreamEntries(messages.StreamEntriesRequest(first_index=first), timeout=120):
            entries.extend((e.index, json.loads(e.leaf)) for e in part.entries)
        return entries

    def log_has(self, action, seconds=5, **fields):
        """Waits until the log holds an entry with that action and fields; returns it or None."""
        until = time.monotonic() + seconds
        while True:
            for index, leaf in self.log_entries():
                if leaf["action"] == action and all(str(leaf["f"].get(k)) == str(v) for k, v in fields.items()):
                    return index, leaf
            if time.monotonic() > until:
                return None
            time.sleep(0.2)

    def copy_log(self, target):
        """A copy of the log folder between two publications (docs/AUDIT.md)."""
        subprocess.run(["flock", "-s", self.path("audit", "log.lock"), "cp", "-a", self.path("audit", "log"), target], check=True, timeout=60)

    def verify_log(self):
        """chancery-verify on a copy of the log; returns CompletedProcess."""
        copy = tempfile.mkdtemp(prefix="chancery-log-")
        try:
            target = os.path.join(copy, "log")
            self.copy_log(target)
            return subprocess.run([os.path.join(BUILD, "bin", "chancery-verify"), "--trust", self.path("trust", "trust.json"), target],
                                  capture_output=True, text=True, timeout=120)
        finally:
            shutil.rmtree(copy)


# ---- material ----

def make_csr(host, curve="P-256", key=None):
    """(private key, CSR DER) for one DNS name."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID
    key = key or ec.generate_private_key({"P-256": ec.SECP256R1, "P-384": ec.SECP384R1}[curve]())
    csr = (x509.CertificateSigningRequestBuilder()
           .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]))
           .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False)
           .sign(key, hashes.SHA256()))
    return key, csr.public_bytes(serialization.Encoding.DER)


def error_detail(rpc_error):
    """The ErrorDetail of a failed RPC, or None."""
    common, _ = pb("common")
    for key, value in rpc_error.trailing_metadata() or ():
        if key == "chancery-error-bin":
            return common.ErrorDetail.FromString(value)
    return None


def tbs_sha256(cert_der):
    from cryptography import x509
    return hashlib.sha256(x509.load_der_x509_certificate(cert_der).tbs_certificate_bytes).digest()


class Load:
    """Enrolment load from several threads; remembers every acknowledged certificate."""

    def __init__(self, stack, threads=8, profile="web"):
        self.stack, self.profile = stack, profile
        self.unique = os.urandom(6).hex()  # keys of another load of this stack are not reused
        self.acknowledged = []   # (idempotency key, certificate DER)
        self.failures = {}       # status name -> count
        self.details = {}        # status name -> last message
        self.progress = [0] * threads
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.drain_until = 0.0   # what was begun is brought to its end
        self.csrs = [make_csr(f"load-{i}.example.test")[1] for i in range(threads)]
        self.threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(threads)]

    def _run(self, number):
        messages, stub = self.stack.stub("registration")
        count = 0
        while not self.stopping.is_set():
            count += 1
            name = f"load-{self.unique}-{number}-{count}"
            request = messages.EnrollRequest(profile=self.profile, idempotency_key=name, pkcs10=self.csrs[number])
            # As a real client: the same idempotency key until there is a final answer.
            while not self.stopping.is_set() or time.monotonic() < self.drain_until:
                try:
                    # Waiting for a connection: calls that fail at once never let the channel poll, and so reconnect.
                    answer = stub.Enroll(request, timeout=10, wait_for_ready=True)
                    with self.lock:
                        self.acknowledged.append((name, answer.certificate.der))
                        self.progress[number] += 1
                    break
                except grpc.RpcError as e:
                    with self.lock:
                        code = e.code().name
                        self.failures[code] = self.failures.get(code, 0) + 1
                        self.last_failure = self.details[code] = e.details()
                    time.sleep(0.05)

    def csr_of(self, name):
        """The CSR that was sent with an idempotency key."""
        return self.csrs[int(name.split("-")[2])]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.drain_until = time.monotonic() + 30
        self.stopping.set()
        for t in self.threads:
            t.join(45)

    def count(self):
        with self.lock:
            return len(self.acknowledged)

    def wait_for_more(self, n, seconds):
        """Waits until n more certificates are acknowledged; returns how long it took, None when it did not happen."""
        started, base = time.monotonic(), self.count()
        while time.monotonic() - started < seconds:
            if self.count() >= base + n:
                return time.monotonic() - started
            time.sleep(0.02)
        return None

    def wait_for_each(self, seconds):
        """Waits until every thread got a certificate more; returns how long it took, None when it did not happen."""
        started = time.monotonic()
        with self.lock:
            base = list(self.progress)
        while time.monotonic() - started < seconds:
            with self.lock:
                if all(now > before for now, before in zip(self.progress, base)):
                    return time.monotonic() - started
            time.sleep(0.02)
        return None

    def wait_for_failure(self, code, seconds):
        """Waits until some call failed so after now; whether it did."""
        until, base = time.monotonic() + seconds, self.failures.get(code, 0)
        while time.monotonic() < until:
            if self.failures.get(code, 0) > base:
                return True
            time.sleep(0.02)
        return False

    def forget_failures(self):
        with self.lock:
            self.failures, self.details = {}, {}
