#!/usr/bin/python3
"""Names through a whole stack under a bundle of its own: international names, user principal names, directory names and
SPIFFE IDs reach the certificate octet for octet; what the profile refuses is refused by the policy service."""
import os
import shutil
import sys
import tempfile
import unittest
import uuid

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, ObjectIdentifier

from stack import SOURCE, Stack, error_detail

UPN = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
SMTP_UTF8 = ObjectIdentifier("1.3.6.1.5.5.7.8.9")
PROFILE = """\
name: people
issuer: issuing-1
callers: [/user/*]
keys: {types: [P-256]}
signature_algorithms: [ecdsa-with-SHA256]
validity: {max: 90d}
subject:
  attributes:
    - {type: O, fixed: Example}
    - {type: OU, from: request, match: ['team-*'], max: 12}
    - {type: CN, from: request, required: true}
  unlisted: drop
  cn_in_names: false
names:
  required: true
  dns: {suffixes: [example.com, co.uk, corp], wildcard_depth: 2, a_labels: true, public_suffix_guard: true,
        internal: refuse}
  ip: {networks: [0.0.0.0/0], reserved: refuse}
  email: {domains: [example.com], match: ['*.*']}
  uri: {spiffe_domains: [mesh.example.com], spiffe_paths: ['/ns/*/sa/*']}
  other_name: {upn_suffixes: [chancery.test, corp.example.com]}
  directory_name:
    attributes:
      - {type: C, fixed: DE}
      - {type: CN, from: request, required: true}
extensions:
  key_usage: [digitalSignature]
  extended_key_usage: [clientAuth]
"""
SUFFIXES = """\
// ===BEGIN ICANN DOMAINS===
com
uk
co.uk
// ===END ICANN DOMAINS===
"""

stack = None
bundle = None


def setUpModule():
    global stack, bundle
    bundle = tempfile.mkdtemp(prefix="chancery-bundle-", dir="/var/tmp")
    shutil.copytree(os.path.join(SOURCE, "policy", "bundles", "default"), bundle, dirs_exist_ok=True)
    for name, text in (("profiles/people.yaml", PROFILE), ("public_suffixes.dat", SUFFIXES)):
        with open(os.path.join(bundle, name), "w", encoding="utf-8") as f:
            f.write(text)
    stack = Stack(options=["--bundle", bundle])
    stack.__enter__()


def tearDownModule():
    stack.__exit__(None)
    shutil.rmtree(bundle, ignore_errors=True)


def other(oid, tag, text):
    value = text.encode()
    return x509.OtherName(oid, bytes([tag, len(value)]) + value)


def directory(*attributes):
    return x509.DirectoryName(x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes]))


def csr_of(sans, ou="team-7"):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Alice"),
                         x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Evil"),
                         x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, ou)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    builder = builder.add_extension(x509.SubjectAlternativeName(sans), False)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


class Names(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.messages, cls.registration = stack.stub("registration")

    def enrol(self, sans, **kw):
        request = self.messages.EnrollRequest(profile="people", idempotency_key=str(uuid.uuid4()),
                                              pkcs10=csr_of(sans, **kw))
        return x509.load_der_x509_certificate(self.registration.Enroll(request, timeout=30).certificate.der)

    def refused(self, rule, sans, **kw):
        with self.assertRaises(grpc.RpcError) as caught:
            self.enrol(sans, **kw)
        detail = error_detail(caught.exception)
        self.assertIsNotNone(detail, caught.exception.details())
        self.assertIn(rule, detail.rule, f"{detail}")
        return detail

    def test_names_reach_the_certificate(self):
        sans = [x509.DNSName("xn--bcher-kva.example.com"), x509.DNSName("*.example.com"),
                x509.IPAddress(__import__("ipaddress").ip_address("8.8.8.8")), x509.RFC822Name("a.b@example.com"),
                x509.UniformResourceIdentifier("spiffe://mesh.example.com/ns/prod/sa/web"),
                other(UPN, 0x0c, "älice@corp.example.com"),
                directory((NameOID.COUNTRY_NAME, "DE"), (NameOID.COMMON_NAME, "Drucker"))]
        certificate = self.enrol(sans)
        got = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        self.assertFalse(got.critical)
        self.assertEqual({repr(n) for n in got.value}, {repr(n) for n in sans})
        self.assertEqual(certificate.subject.rfc4514_string(), "CN=Alice,OU=team-7,O=Example")
        shown = stack.cli("cert", "show", f"{certificate.serial_number:032x}", check=False).stdout
        self.assertNotIn("Evil", shown)

    def test_subject_patterns_hold(self):
        good = [x509.DNSName("a.example.com")]
        self.assertIn("OU=team-1", self.enrol(good, ou="team-1").subject.rfc4514_string())
        self.refused("subject.match", good, ou="Team-1")
        self.refused("subject.values", good, ou="team-78901234")

    def test_refused_names(self):
        dns = x509.DNSName
        for rule, name in (
                ("san.dns.idna", dns("xn--ls8h.example.com")),
                ("san.dns.scripts", dns("xn--pple-43d.example.com")),
                ("san.dns.public_suffix", dns("*.co.uk")),
                ("san.dns.internal", dns("a.corp")),
                ("san.ip.reserved", x509.IPAddress(__import__("ipaddress").ip_address("192.168.1.1"))),
                ("san.email.match", x509.RFC822Name("alice@example.com")),
                ("san.uri.path", x509.UniformResourceIdentifier("spiffe://mesh.example.com/ns/prod")),
                ("san.other_name.allowed", other(UPN, 0x0c, "alice@evil.example")),
                ("san.other_name.syntax", other(UPN, 0x16, "alice@corp.example.com")),
                ("san.other_name.allowed", other(SMTP_UTF8, 0x0c, "älice@example.com")),
                ("san.directory_name.allowed", directory((NameOID.COMMON_NAME, "Drucker"))),
                ("san.service_name", other(UPN, 0x0c, "alice@chancery.test"))):
            with self.subTest(rule=rule, name=name):
                self.refused(rule, [dns("a.example.com"), name])

    def test_letters_are_answered_with_the_a_label(self):
        detail = self.refused("dns.ldh", [x509.DNSName._init_without_validation("bücher.example.com")])
        self.assertIn("xn--bcher-kva", detail.message)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + ["-v"] + sys.argv[1:])
