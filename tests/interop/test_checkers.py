#!/usr/bin/python3
"""Independent checkers accept what the shipped profiles produce: OpenSSL with strict flags, GnuTLS, NSS, Botan, and two strict
DER readers look at a certificate of every profile, at the CRLs and at OCSP responses. Each of them must also refuse what
they are given altered: a checker that accepts anything shows nothing."""
import datetime
import ipaddress
import os
import shutil
import subprocess
import tempfile
import unittest
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stack import BUILD, SOURCE, Stack

stack = None


def key_of(kind):
    if kind.startswith("RSA-"):
        return rsa.generate_private_key(65537, int(kind[4:]))
    return ec.generate_private_key({"P-256": ec.SECP256R1, "P-384": ec.SECP384R1}[kind]())


def csr_of(key, subject, names):
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([x509.NameAttribute(o, v) for o, v in subject]))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


SPIFFE = "spiffe://workload.example.test/ns/shop/sa/web"
UPN = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x12alice@example.test")

# profile of policy/bundles/standard -> (subject, names, OpenSSL purpose, NSS usage, kinds of keys)
REQUESTS = {
    "tls-public": ([], [x509.DNSName("www.chancery-shop.com"), x509.DNSName("*.chancery-shop.com")], "sslserver", "V", ("P-256", "RSA-2048")),
    "tls-internal": ([(NameOID.COMMON_NAME, "check.example.test")],
                     [x509.DNSName("check.example.test"), x509.DNSName("*.example.test"), x509.IPAddress(ipaddress.ip_address("10.1.2.3"))],
                     "sslserver", "V", ("P-256", "P-384", "RSA-3072")),
    "mtls-client": ([(NameOID.ORGANIZATIONAL_UNIT_NAME, "Team"), (NameOID.COMMON_NAME, "Alice")],
                    [x509.RFC822Name("alice@example.test"), UPN], "sslclient", "C", ("P-256", "RSA-2048")),
    "workload": ([], [x509.UniformResourceIdentifier(SPIFFE)], "sslserver", "V", ("P-256",)),
    "device": ([(NameOID.COMMON_NAME, "camera 7"), (NameOID.SERIAL_NUMBER, "SN-{}")], [x509.DNSName("seven.devices.example.test")],
               "sslserver", "V", ("P-256", "P-384")),
    "network-equipment": ([(NameOID.COMMON_NAME, "r1.net.example.test")],
                          [x509.DNSName("r1.net.example.test"), x509.IPAddress(ipaddress.ip_address("10.0.0.1"))], "sslserver", "V",
                          ("P-256", "RSA-4096")),
    "sub-ca": ([(NameOID.COMMON_NAME, "Plant 7 CA")], [], "any", "L", ("P-384",)),
}
NO_STATUS = ("workload",)  # noRevAvail: no CRL and no OCSP pointer


def run(*command, stdin=None):
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)


class Files:
    """What the checkers read: root, issuing CA, CRLs, and the certificates by name."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="chancery-checkers-")
        messages, stub = stack.stub("registration")
        self.certificates = {}  # name -> (DER, profile)
        issuer = None
        for profile, (asked, names, _, _, kinds) in REQUESTS.items():
            for kind in kinds:
                subject = [(o, v.format(kind)) for o, v in asked]
                key = key_of(kind)
                self.sub_key = key if profile == "sub-ca" else None
                answer = stub.Enroll(messages.EnrollRequest(profile=profile, pkcs10=csr_of(key, subject, names),
                                                            idempotency_key=f"{profile}-{kind}"), timeout=30)
                self.certificates[f"{profile}-{kind}"] = (answer.certificate.der, profile)
                issuer = answer.certificate.issuer_id
        chain = stub.GetIssuer(messages.GetIssuerRequest(issuer_id=issuer), timeout=10).issuers[0]
        self.issuing, self.root = chain.certificate_der, chain.chain_der[-1]
        self.write("root", self.root)
        self.write("issuing", self.issuing)
        for name, (der, _) in self.certificates.items():
            self.write(name, der)
        self.crls = {"root": self.fetch(self.cdp(self.issuing))}
        for name, (der, profile) in self.certificates.items():
            if profile not in NO_STATUS:
                self.crls[name] = self.fetch(self.cdp(der))
        for name, der in self.crls.items():
            with open(self.path("crl-" + name + ".pem"), "wb") as f:
                f.write(x509.load_der_x509_crl(der).public_bytes(serialization.Encoding.PEM))
            with open(self.path("crl-" + name + ".der"), "wb") as f:
                f.write(der)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, der):
        with open(self.path(name + ".der"), "wb") as f:
            f.write(der)
        with open(self.path(name + ".pem"), "wb") as f:
            f.write(x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM))

    @staticmethod
    def cdp(der):
        points = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        return points[0].full_name[0].value

    @staticmethod
    def fetch(url):
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read()

    def altered(self, name):
        """The certificate with one bit of its signature flipped, as a PEM file."""
        der = bytearray(self.certificates[name][0])
        der[-1] ^= 1
        self.write("altered", bytes(der))
        return self.path("altered.pem")


files = None


def setUpModule():
    global stack, files
    stack = Stack(["--bundle", os.path.join(SOURCE, "policy", "bundles", "standard")])
    stack.__enter__()
    files = Files()


def tearDownModule():
    shutil.rmtree(files.dir, ignore_errors=True)
    stack.__exit__(None)


class Certificates(unittest.TestCase):
    @staticmethod
    def each(but=()):
        """(name, profile) of every certificate; a failure names the file, which bears the name."""
        for name, (_, profile) in files.certificates.items():
            if profile not in but:
                yield name, profile

    def openssl(self, name, leaf, purpose):
        crls = ("-CRLfile", files.path("crl-root.pem"))
        if name in files.crls:
            crls += ("-crl_check_all", "-CRLfile", files.path(f"crl-{name}.pem"))
        return run("openssl", "verify", "-x509_strict", "-policy_check", "-check_ss_sig", "-purpose", purpose, "-CAfile", files.path("root.pem"),
                   "-untrusted", files.path("issuing.pem"), *crls, leaf)

    def test_openssl_strict(self):
        for name, profile in self.each():
            done = self.openssl(name, files.path(name + ".pem"), REQUESTS[profile][2])
            self.assertEqual(done.returncode, 0, (name, done.stderr))
            self.assertNotEqual(self.openssl(name, files.altered(name), REQUESTS[profile][2]).returncode, 0)

    def gnutls(self, name, leaf):
        chain = files.path("chain.pem")
        with open(chain, "wb") as out:
            for part in (leaf, files.path("issuing.pem")):
                with open(part, "rb") as f:
                    out.write(f.read())
        crl = ("--load-crl", files.path(f"crl-{name}.pem")) if name in files.crls else ()
        return run("certtool", "--verify", "--load-ca-certificate", files.path("root.pem"), *crl, "--infile", chain)

    def test_gnutls(self):
        for name, _ in self.each():
            done = self.gnutls(name, files.path(name + ".pem"))
            self.assertEqual(done.returncode, 0, (name, done.stdout, done.stderr))
            self.assertNotEqual(self.gnutls(name, files.altered(name)).returncode, 0)
            self.assertEqual(run("certtool", "-i", "--infile", files.path(name + ".pem")).returncode, 0)

    def test_nss(self):
        database = "sql:" + files.path("nss")
        os.makedirs(files.path("nss"), exist_ok=True)
        self.assertEqual(run("certutil", "-N", "-d", database, "--empty-password").returncode, 0)
        for nick, trust in (("root", "CT,C,C"), ("issuing", ",,")):
            self.assertEqual(run("certutil", "-A", "-d", database, "-n", nick, "-t", trust, "-i", files.path(nick + ".pem")).returncode, 0)
        for name, profile in self.each():
            self.assertEqual(run("certutil", "-A", "-d", database, "-n", name, "-t", ",,", "-i", files.path(name + ".pem")).returncode, 0)
            done = run("certutil", "-V", "-d", database, "-n", name, "-u", REQUESTS[profile][3], "-e")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            altered = f"altered-{name}"
            run("certutil", "-D", "-d", database, "-n", name)
            run("certutil", "-A", "-d", database, "-n", altered, "-t", ",,", "-i", files.altered(name))
            self.assertNotEqual(run("certutil", "-V", "-d", database, "-n", altered, "-u", REQUESTS[profile][3], "-e").returncode, 0)
            run("certutil", "-D", "-d", database, "-n", altered)

    def test_botan(self):
        for name, _ in self.each(but=("sub-ca",)):  # Botan 2 does not read IPv6 name constraints
            done = run("botan", "cert_verify", files.path(name + ".der"), files.path("issuing.der"), files.path("root.der"))
            self.assertEqual(done.returncode, 0, (name, done.stdout, done.stderr))
            self.assertIn(b"passes validation", done.stdout)
            altered = run("botan", "cert_verify", files.altered(name), files.path("issuing.der"), files.path("root.der"))
            self.assertNotIn(b"passes validation", altered.stdout)

    def test_strict_der(self):
        from asn1crypto import x509 as asn1
        for name, _ in self.each():
            der = files.certificates[name][0]
            read = asn1.Certificate.load(der, strict=True)
            read.native  # pylint: disable=pointless-statement  # reads every field
            self.assertEqual(read.dump(force=True), der, "not the one DER encoding")
            for extension in x509.load_der_x509_certificate(der).extensions:
                if isinstance(extension.value, x509.UnrecognizedExtension):
                    self.assertEqual(extension.oid.dotted_string, "2.5.29.56")  # noRevAvail, RFC 9608: newer than these readers
                    self.assertEqual(extension.value.value, b"\x05\x00")
                    self.assertFalse(extension.critical)
            with self.assertRaises(ValueError):
                asn1.Certificate.load(der + b"\0", strict=True)


class SubordinateCa(unittest.TestCase):
    """What the subordinate CA may certify, and what its name constraints keep it from."""

    def leaf(self, name):
        key = files.sub_key
        ca = x509.load_der_x509_certificate(files.certificates["sub-ca-P-384"][0])
        leaf = ec.generate_private_key(ec.SECP256R1())
        made = (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(ca.subject).public_key(leaf.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(ca.not_valid_before)
                .not_valid_after(ca.not_valid_before + datetime.timedelta(days=1))
                .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), True)
                .add_extension(x509.BasicConstraints(False, None), True)
                .add_extension(x509.KeyUsage(True, *[False] * 8), True)
                .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(leaf.public_key()), False)
                .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                    ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value), False)
                .sign(key, hashes.SHA384()))
        with open(files.path("plant.pem"), "wb") as f:
            f.write(made.public_bytes(serialization.Encoding.PEM))
        return run("openssl", "verify", "-x509_strict", "-CAfile", files.path("root.pem"), "-untrusted", files.path("issuing.pem"), "-untrusted",
                   files.path("sub-ca-P-384.pem"), files.path("plant.pem"))

    def test_name_constraints_hold(self):
        allowed = self.leaf("m1.plant.example.test")
        self.assertEqual(allowed.returncode, 0, allowed.stdout + allowed.stderr)
        refused = self.leaf("m1.example.test")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(b"permitted subtree violation", refused.stderr)


def lint(*names):
    """Our own lints over files; any finding, warnings too, is a failure."""
    return run(os.path.join(BUILD, "bin", "chancery"), "lint", "--warnings-fail", *(files.path(n) for n in names))


class Lints(unittest.TestCase):
    """What is produced has no finding, and what is cut off has one."""

    def check(self, *names):
        done = lint(*names)
        self.assertEqual(done.returncode, 0, done.stdout.decode() + done.stderr.decode())

    def test_certificates(self):
        self.check("root.der", "issuing.pem", *(name + ".der" for name in files.certificates))

    def test_crls(self):
        self.check(*(f"crl-{name}.der" for name in files.crls))

    def test_damage(self):
        with open(files.path("cut.der"), "wb") as f:
            f.write(files.issuing[:-1])
        done = lint("cut.der")
        self.assertEqual(done.returncode, 1)


class Status(unittest.TestCase):
    def test_crls(self):
        from asn1crypto import crl as asn1
        for name, der in files.crls.items():
            with self.subTest(name):
                issuer = "root" if name == "root" else "issuing"
                self.assertEqual(run("openssl", "crl", "-inform", "DER", "-in", files.path(f"crl-{name}.der"), "-noout", "-CAfile",
                                     files.path(issuer + ".pem"), "-verify").returncode, 0)
                done = run("certtool", "--verify-crl", "--load-ca-certificate", files.path(issuer + ".pem"), "--infile",
                           files.path(f"crl-{name}.pem"))
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertIn(b"Verified", done.stdout + done.stderr)
                self.assertEqual(asn1.CertificateList.load(der, strict=True).dump(force=True), der)
                self.assertTrue(x509.load_der_x509_crl(der).is_signature_valid(
                    x509.load_der_x509_certificate(files.root if issuer == "root" else files.issuing).public_key()))

    def test_ocsp(self):
        from asn1crypto import ocsp as asn1
        issuing = x509.load_der_x509_certificate(files.issuing)
        for name, (der, profile) in files.certificates.items():
            if profile in NO_STATUS:
                continue
            for algorithm in (hashes.SHA1(), hashes.SHA256()):
                with self.subTest(f"{name} {algorithm.name}"):
                    leaf = x509.load_der_x509_certificate(der)
                    aia = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
                    url = next(d.access_location.value for d in aia if d.access_method == x509.AuthorityInformationAccessOID.OCSP)
                    request = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuing, algorithm).build().public_bytes(serialization.Encoding.DER)
                    post = urllib.request.Request(url, request, {"Content-Type": "application/ocsp-request"})
                    with urllib.request.urlopen(post, timeout=10) as answer:
                        body = answer.read()
                    self.assertEqual(asn1.OCSPResponse.load(body, strict=True).dump(force=True), body)
                    self.assertEqual(ocsp.load_der_ocsp_response(body).certificate_status, ocsp.OCSPCertStatus.GOOD)
                    with open(files.path("ocsp.der"), "wb") as f:
                        f.write(body)
                    digest = ("-sha256",) if algorithm.name == "sha256" else ("-sha1",)
                    done = run("openssl", "ocsp", "-respin", files.path("ocsp.der"), "-CAfile", files.path("root.pem"), "-verify_other",
                               files.path("issuing.pem"), *digest, "-issuer", files.path("issuing.pem"), "-cert", files.path(name + ".pem"))
                    self.assertIn(b": good", done.stdout, done.stderr)
                    self.assertIn(b"Response verify OK", done.stderr)
                    done = run("ocsptool", "--verify-response", "--load-trust", files.path("issuing.pem"), "--load-response", files.path("ocsp.der"))
                    self.assertIn(b"Success", done.stdout, done.stderr)
                    done = lint("ocsp.der")
                    self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
