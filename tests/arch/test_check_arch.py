#!/usr/bin/python3
"""check_arch.py finds planted breaches, each of its kind, and passes a clean tree."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import check_arch


class Planted(unittest.TestCase):
    def breaches(self, rel, text):
        with tempfile.TemporaryDirectory() as root:
            path = os.path.join(root, rel)
            os.makedirs(os.path.dirname(path))
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            return list(check_arch.check_sources(root))

    def test_clean_file_passes(self):
        self.assertEqual(self.breaches("lib/x509/a.c", '#include "der/der.h"\n'), [])

    def test_each_breach_is_found(self):
        long_function = "int f(void)\n{\n" + "    ;\n" * 61 + "}\n"
        cases = [
            ("services/ca/a.c", "#include <libpq-fe.h>\n", "only lib/db/"),
            ("services/ca/a.c", "#include <grpc/grpc.h>\n", "only lib/rpc/"),
            ("services/ca/a.c", "#include <p11-kit/pkcs11.h>\n", "only hsm/"),
            ("services/ca/a.c", "#include <event2/http.h>\n", "only lib/http/"),
            ("lib/der/a.c", '#include "x509/x509.h"\n', "lib/der may not include lib/x509"),
            ("lib/rpc/a.c", '#include "hsm/hsm.h"\n', "may not include hsm/"),
            ("hsm/a.c", '#include "rpc/rpc.h"\n', "hsm/ may not include"),
            ("policy/a.c", '#include "x509/x509.h"\n', "policy/ may not include"),
            ("policy/tbs.c", '#include "der/der.h"\n', "may not share"),
            ("policy/a.c", "#include <time.h>\n", "neither clock nor I/O"),
            ("policy/a.c", '#include "tbs/tbs.h"\n', "stands on the TBS writer"),
            ("tbs/a.c", '#include "policy/walk.h"\n', "policy/policy.h alone"),
            ("trial/a.c", '#include "rpc/rpc.h"\n', "neither clock nor I/O"),
            ("trial/a.c", '#include "db/db.h"\n', "trial/ may not include"),
            ("tbs/a.c", '#include "os/os.h"\n', "neither clock nor I/O"),
            ("services/ca/a.c", '#include "services/policy/b.h"\n', "never include each other"),
            ("services/verify/a.c", '#include "rpc/rpc.h"\n', "stands alone"),
            ("services/signer/a.c", '#include "db/db.h"\n', "signer has no db"),
            ("lib/der/a.c", "int x;\n" * 802, "limit 800"),
            ("lib/der/a.h", "int x;\n" * 252, "limit 250"),
            ("lib/der/a.c", long_function, "function of 61 lines"),
            ("lib/der/a.c", "/* TO" + "DO later */\n", "unfinished"),
            ("lib/der/a.c", "int f(char *s) { return atoi(s); }\n", "uses atoi"),
            ("lib/der/CMakeLists.txt", "x\n", "no README.md"),
        ]
        for rel, text, want in cases:
            found = self.breaches(rel, text)
            self.assertTrue(any(want in b for b in found), f"{rel}: {want!r} not in {found}")

    def installed(self, failpoints, content):
        """Breaches of a build whose installation is one program with that content."""
        with tempfile.TemporaryDirectory() as build:
            with open(os.path.join(build, "CMakeCache.txt"), "w", encoding="utf-8") as f:
                f.write(f"CHANCERY_FAILPOINTS:BOOL={failpoints}\n")
            with open(os.path.join(build, "program"), "wb") as f:
                f.write(content)
            with open(os.path.join(build, "cmake_install.cmake"), "w", encoding="utf-8") as f:
                f.write(f'file(INSTALL DESTINATION "${{CMAKE_INSTALL_PREFIX}}/bin" TYPE FILE FILES "{build}/program")\n')
            return list(check_arch.check_installed(build))

    def test_installed_kill_points_are_found(self):
        self.assertIn("installed bin/program holds kill points", self.installed("OFF", b"x" + check_arch.KILL_POINT))
        clean = self.installed("OFF", b"x")
        self.assertFalse([b for b in clean if "kill points" in b], clean)
        self.assertIn("installation lacks bin/chancery-signer", clean)

    def test_build_with_kill_points_that_installs_is_found(self):
        self.assertTrue(any("yet it installs" in b for b in self.installed("ON", b"x")))


if __name__ == "__main__":
    unittest.main()
