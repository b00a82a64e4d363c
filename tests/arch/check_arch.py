#!/usr/bin/python3
"""Keeps the architecture: who may include and link what, symbol prefixes, sizes, house rules.

Usage: check_arch.py sources SOURCE_DIR
       check_arch.py binaries SOURCE_DIR BUILD_DIR
       check_arch.py installed SOURCE_DIR BUILD_DIR
Prints one line per breach; exit code 1 when there is any. test_check_arch.py plants breaches and
expects each to be found.
"""
import os
import re
import subprocess
import sys
import tempfile

# Foreign headers that only one place may include.
FENCED = {
    "p11-kit/": ("hsm/",),
    "libp11.h": ("hsm/",),
    "libpq-fe.h": ("lib/db/",),
    "grpc/": ("lib/rpc/",),
    "event2/": ("lib/http/",),
    "yaml.h": ("lib/conf/",),
    "idn2.h": ("policy/",),
    "libpsl.h": ("policy/",),
    "unictype.h": ("policy/",),
}
# Modules of lib/ from the ground up; a module may include only those before it in its own row.
LIB_MAY = {
    "base": set(),
    "os": {"base"},
    "log": {"base"},
    "crypto": {"base", "der"},
    "der": {"base"},
    "conf": {"base", "os"},
    "x509": {"base", "crypto", "der"},
    "tlog": {"base", "crypto", "der"},
    "permit": {"base", "crypto", "tlog"},
    "approval": {"base", "crypto", "permit"},
    "db": {"base", "os", "log", "crypto"},
    "rpc": {"base", "os", "log", "crypto"},
    "http": {"base", "os", "log"},
    "daemon": {"base", "os", "log", "crypto", "conf", "db", "rpc"},
}
# The one place of lib/ that knows hsm/: a library of its own, so that only processes with a token link it.
HSM_FRAME = "lib/daemon/daemon_hsm."
HSM_MAY = {"base", "os", "log", "crypto"}
# The TBS writer knows templates and issuers as the engine describes them, nothing of how it judges.
TBS_MAY = {"base", "crypto", "permit", "x509", "der"}
# What tries a bundle builds and judges: pure but for its threads.
TRIAL_MAY = TBS_MAY | {"conf", "approval", "rpc"}
POLICY_MAY = {"base", "os", "conf", "crypto", "permit", "approval", "der"}
# The judge's reader must not share code with the writer that it checks.
POLICY_READER = ("policy/tbs.c", "policy/tbs.h", "policy/walk.c", "policy/walk.h")
# Symbols a static library may define, besides its own name as prefix.
PREFIXES = {
    "base": ("err_", "diag_", "slice_", "arena_", "buf_", "hex_", "base64_", "secret_"),
    "policy_engine": ("policy_", "POLICY_OID_"),
    "permit": ("permit_", "canon_"),
    "tbs": ("tbs_",),
    "trial": ("trial_",),
    "x509": ("x509_", "X509_OID_", "X509_EXT_", "X509_EKU_"),
}
# What a program must not link: process -> shared libraries.
MUST_NOT_LINK = {
    "chancery-signer": ("libpq", "libevent"),
    "chancery-policy": ("libevent",),
    "chancery-ca": ("libp11", "libevent"),
    "chancery-audit": ("libevent",),
    "chancery-registration": ("libevent",),
    "chancery-verify": ("libpq", "libevent", "libgrpc", "libp11", "libyaml"),
}
# The name of the environment variable is in every program with kill points, and in no other.
KILL_POINT = b"CHANCERY_FAILPOINT_FILE"
C_MAX, H_MAX, FUNCTION_MAX = 800, 250, 60
WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def files(root, *suffixes):
    for top in ("lib", "policy", "tbs", "trial", "hsm", "services", "tests", "proto", "migrations", "tools", "docs", "deploy"):
        for folder, dirs, names in os.walk(os.path.join(root, top)):
            dirs[:] = sorted(d for d in dirs if d not in ("__pycache__", "corpus"))
            for name in sorted(names):
                if name.endswith(suffixes):
                    path = os.path.join(folder, name)
                    yield os.path.relpath(path, root), path


def includes(path):
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            m = re.match(r'\s*#\s*include\s+[<"]([^>"]+)[>"]', line)
            if m:
                yield number, m.group(1)


def module_of(include):
    head = include.split("/", 1)[0]
    return head if "/" in include else None


def check_include(rel, number, inc):
    parts = rel.split("/")
    where = f"{rel}:{number}"
    for foreign, homes in FENCED.items():
        if inc.startswith(foreign) and not rel.startswith(homes + ("tests/",)):
            yield f"{where}: only {homes[0]} may include {inc}"
    module = module_of(inc)
    if parts[0] == "lib":
        own = parts[1]
        if module in LIB_MAY and module != own and module not in LIB_MAY.get(own, set()):
            yield f"{where}: lib/{own} may not include lib/{module}"
        if module in ("hsm", "policy", "tbs", "trial", "services") and not rel.startswith(HSM_FRAME):
            yield f"{where}: lib/ may not include {module}/"
    elif parts[0] == "hsm":
        if module in LIB_MAY and module not in HSM_MAY or module in ("policy", "tbs", "trial", "services"):
            yield f"{where}: hsm/ may not include {inc}"
    elif parts[0] == "policy":
        if module in LIB_MAY and module not in POLICY_MAY or module in ("hsm", "services"):
            yield f"{where}: policy/ may not include {inc}"
        if (rel in POLICY_READER or rel.startswith("policy/lint/")) and module in ("der", "x509"):
            yield f"{where}: the judge's reader may not share {inc} with the writer"
        if inc in ("time.h", "sys/socket.h", "unistd.h"):
            yield f"{where}: the engine has neither clock nor I/O, yet includes {inc}"
        if module in ("tbs", "trial"):
            yield f"{where}: the judge may not include {inc}, which stands on the TBS writer"
    elif parts[0] == "tbs":
        if module in LIB_MAY and module not in TBS_MAY or module in ("hsm", "trial", "services"):
            yield f"{where}: tbs/ may not include {inc}"
        if module == "policy" and inc != "policy/policy.h":
            yield f"{where}: the TBS writer may know policy/policy.h alone, not {inc}"
        if inc in ("time.h", "sys/socket.h", "unistd.h", "os/os.h"):
            yield f"{where}: the TBS writer has neither clock nor I/O, yet includes {inc}"
    elif parts[0] == "trial":
        if module in LIB_MAY and module not in TRIAL_MAY or module in ("hsm", "services"):
            yield f"{where}: trial/ may not include {inc}"
        if module == "rpc" and inc != "rpc/codec.h" or inc in ("time.h", "sys/socket.h", "unistd.h", "os/os.h"):
            yield f"{where}: trial/ has neither clock nor I/O, yet includes {inc}"
    elif parts[0] == "services":
        if inc.startswith("services/") or inc.startswith("../"):
            yield f"{where}: services never include each other"
        if parts[1] == "verify" and module in LIB_MAY and module not in ("base", "os", "crypto", "tlog", "permit", "x509", "der"):
            yield f"{where}: chancery-verify stands alone and may not include {inc}"
        if parts[1] == "signer" and module in ("db", "x509", "http", "policy"):
            yield f"{where}: the signer has no {module}"


def check_lengths(rel, path):
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    limit = H_MAX if rel.endswith(".h") else C_MAX
    # Contract headers of a whole module may be longer only when listed here with the reason.
    if len(lines) > limit + 1:
        yield f"{rel}: {len(lines)} lines, limit {limit}"
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            if number - start - 1 > FUNCTION_MAX:
                yield f"{rel}:{start}: function of {number - start - 1} lines, limit {FUNCTION_MAX}"
            start = None
        if len(line) > 140:
            yield f"{rel}:{number}: line of {len(line)} characters"


def check_sources(root):
    for rel, path in files(root, ".c", ".h"):
        for number, inc in includes(path):
            yield from check_include(rel, number, inc)
        if not rel.startswith("tests/"):
            yield from check_lengths(rel, path)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        if WORDS.search(text):
            yield f"{rel}: unfinished work is marked in it"
        for banned in (r"\bstrtok\s*\(", r"\bsscanf\s*\(", r"\batoi\s*\(", r"\bsprintf\s*\(", r"\bstrcpy\s*\(", r"\bstrcat\s*\(", r"\bgets\s*\("):
            m = re.search(banned, text)
            if m and not rel.startswith("tests/"):
                yield f"{rel}: uses {m.group(0)[:-1].strip()}()"
    for top in ("lib", "services"):
        base = os.path.join(root, top)
        for name in sorted(os.listdir(base)) if os.path.isdir(base) else ():
            if os.path.isfile(os.path.join(base, name, "CMakeLists.txt")) and not os.path.isfile(os.path.join(base, name, "README.md")):
                yield f"{top}/{name}: no README.md"


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check_symbols(name, archive):
    prefixes = PREFIXES.get(name, (name.split("_")[0] + "_",))
    for line in output("nm", "-g", "--defined-only", archive).split("\n"):
        m = re.match(r"[0-9a-f]+ [A-Z] (\S+)$", line)
        if m and not m.group(1).startswith(prefixes + ("__asan", "__tsan", "__odr_asan")):
            yield f"lib {name}: symbol {m.group(1)} lacks a prefix of {', '.join(prefixes)}"


def check_binaries(root, build):
    seen = 0
    for folder, _, names in os.walk(build):
        for name in names:
            m = re.match(r"libchancery_(\w+)\.a$", name)
            if m and m.group(1) != "proto":
                seen += 1
                yield from check_symbols(m.group(1), os.path.join(folder, name))
    if seen == 0:
        yield f"{build}: no library found; build first"
    bin_dir = os.path.join(build, "bin")
    programs = sorted(os.listdir(bin_dir)) if os.path.isdir(bin_dir) else []
    for wanted in MUST_NOT_LINK:
        if wanted not in programs:
            yield f"{bin_dir}: {wanted} is missing"
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as f:
        cache = f.read()
    failpoints = "CHANCERY_FAILPOINTS:BOOL=ON" in cache
    for name in programs:
        path = os.path.join(bin_dir, name)
        needed = re.findall(r"\(NEEDED\).*\[(.*?)\]", output("readelf", "-d", path))
        for banned in MUST_NOT_LINK.get(name, ()):
            for lib in needed:
                if lib.startswith(banned):
                    yield f"{name} links {lib}"
        with open(path, "rb") as f:
            has = KILL_POINT in f.read()
        if has and not failpoints:
            yield f"{name} holds kill points"
        if failpoints and not has and name not in ("chancery-verify", "chancery"):
            yield f"{name} holds no kill points although they are on: this check cannot see them"


# What an installation must hold, relative to its prefix.
INSTALLED = ("bin/chancery", "share/chancery/chancery.protoset", "share/chancery/proto/chancery/registration/v1/registration.proto",
             "share/chancery/bundles/default/bundle.yaml", "share/chancery/schema/profile.schema.json",
             "share/chancery/migrations/0001_roles_and_schemas.sql",
             "share/doc/chancery/LICENSE", "share/doc/chancery/docs/THREATS.md", "share/doc/chancery/examples/rehearsal.yaml",
             "lib/systemd/system/chancery-signer.service", "lib/systemd/system/chancery-identity.service")
TEST_ONLY = ("chancery-bench", "chancery_killable", "p11proxy")


def check_installed(build):
    """Installs the build and looks at what is there: all parts, no test program, no kill point. A build with kill points
    must refuse to be installed."""
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as f:
        failpoints = "CHANCERY_FAILPOINTS:BOOL=ON" in f.read()
    with tempfile.TemporaryDirectory() as prefix:
        done = subprocess.run(["cmake", "--install", build, "--prefix", prefix], capture_output=True, text=True)
        if failpoints:
            if done.returncode == 0 or "kill points" not in done.stderr or os.listdir(prefix):
                yield f"{build} has kill points, and yet it installs"
            return
        if done.returncode != 0:
            yield f"{build} does not install: {done.stderr.strip()[-300:]}"
            return
        found = {os.path.relpath(os.path.join(folder, name), prefix) for folder, _, names in os.walk(prefix) for name in names}
        for wanted in INSTALLED + tuple(f"bin/{p}" for p in MUST_NOT_LINK):
            if wanted not in found:
                yield f"installation lacks {wanted}"
        for name in sorted(found):
            if any(t in name for t in TEST_ONLY):
                yield f"installation holds {name}, which is for tests"
            with open(os.path.join(prefix, name), "rb") as f:
                data = f.read()
            if name.startswith("bin/") and KILL_POINT in data:
                yield f"installed {name} holds kill points"


def main(argv):
    if len(argv) == 3 and argv[1] == "sources":
        breaches = list(check_sources(argv[2]))
    elif len(argv) == 4 and argv[1] == "binaries":
        breaches = list(check_binaries(argv[2], argv[3]))
    elif len(argv) == 4 and argv[1] == "installed":
        breaches = list(check_installed(argv[3]))
    else:
        print(__doc__, file=sys.stderr)
        return 2
    for breach in breaches:
        print(breach)
    print(f"arch {argv[1]}: {len(breaches)} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
