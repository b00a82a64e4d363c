#!/usr/bin/python3
"""Extensions, issuer pools, bases and rounding through a whole stack: what the profile says reaches the certificate, by the
issuer whose key fits; what it does not take from a request is refused or left out."""
import os
import shutil
import tempfile
import unittest
import uuid

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from stack import SOURCE, Stack, error_detail

MODEL, RACK = ObjectIdentifier("1.3.6.1.4.1.54620.1"), ObjectIdentifier("1.3.6.1.4.1.54620.2")
NO_REV_AVAIL = ObjectIdentifier("2.5.29.56")
BASE = """\
name: common
issuers: {any_of: [issuing-1, issuing-rsa-1], choose: key_type}
callers: [/user/*]
keys: {types: [P-256, P-384, P-521, Ed25519, RSA-2048]}
signature_algorithms: [ecdsa-with-SHA256, sha256WithRSAEncryption, sha384WithRSAEncryption]
validity: {max: 90d, default: 30d, backdate: 1h, round: 1h}
subject: {attributes: [{type: CN, from: request, required: true}], cn_in_names: false}
names: {required: false}
extensions: {}
"""
LEAF = """\
name: leaf
extends: common
extensions:
  key_usage: [digitalSignature]
  extended_key_usage: {from: request, allowed: [serverAuth, clientAuth], default: [clientAuth]}
  policies: [{oid: 1.3.6.1.4.1.54620.7, cps: "https://example.test/cps"}]
  tls_feature: [status_request]
  no_rev_avail: auto
  unlisted: refuse
  custom:
    - {oid: 1.3.6.1.4.1.54620.1, value: {sequence: [{integer: 7}, {utf8: model}]}}
    - {oid: 1.3.6.1.4.1.54620.2, from: request, type: utf8, max: 8, match: ["r*"]}
"""
BELOW = """\
name: below
extends: common
validity: {max: 365d, default: 365d}
extensions:
  key_usage: [keyCertSign, cRLSign]
  ca: {path_length: 0}
  name_constraints: {permitted: {dns: [plant.example.test]}, excluded: {ip: ["0.0.0.0/0", "::/0"]}}
"""

stack = None
bundle = None


def setUpModule():
    global stack, bundle
    bundle = tempfile.mkdtemp(prefix="chancery-bundle-", dir="/var/tmp")
    shutil.copytree(os.path.join(SOURCE, "policy", "bundles", "default"), bundle, dirs_exist_ok=True)
    os.makedirs(os.path.join(bundle, "bases"))
    for name, text in (("bases/common.yaml", BASE), ("profiles/leaf.yaml", LEAF), ("profiles/below.yaml", BELOW)):
        with open(os.path.join(bundle, name), "w", encoding="utf-8") as f:
            f.write(text)
    stack = Stack(options=["--bundle", bundle])
    stack.__enter__()


def tearDownModule():
    stack.__exit__(None)
    shutil.rmtree(bundle, ignore_errors=True)


def csr_of(key, extensions=()):
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "thing")]))
    for extension in extensions:
        builder = builder.add_extension(extension, False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.DER)


def usages(*oids):
    return x509.ExtendedKeyUsage(list(oids))


class Extensions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.messages, cls.registration = stack.stub("registration")

    def enrol(self, profile="leaf", key=None, extensions=(), life=0):
        request = self.messages.EnrollRequest(profile=profile, idempotency_key=str(uuid.uuid4()), max_validity_s=life,
                                              pkcs10=csr_of(key or ec.generate_private_key(ec.SECP256R1()), extensions))
        answer = self.registration.Enroll(request, timeout=60).certificate
        return x509.load_der_x509_certificate(answer.der)

    def refused(self, rule, *args, **kw):
        with self.assertRaises(grpc.RpcError) as caught:
            self.enrol(*args, **kw)
        detail = error_detail(caught.exception)
        self.assertIsNotNone(detail, caught.exception.details())
        self.assertIn(rule, detail.rule, f"{detail}")

    def value(self, certificate, oid):
        return certificate.extensions.get_extension_for_oid(oid).value.value

    def test_issuer_fits_the_key(self):
        for key, issuer in ((ec.generate_private_key(ec.SECP256R1()), "Issuing 1"),
                            (ec.generate_private_key(ec.SECP521R1()), "Issuing 1"),
                            (ed25519.Ed25519PrivateKey.generate(), "Issuing 1"),
                            (rsa.generate_private_key(65537, 2048), "Issuing RSA 1")):
            certificate = self.enrol(key=key)
            name = certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
            self.assertTrue(name.endswith(f" {issuer}"), name)
            self.assertEqual(certificate.not_valid_after.minute + certificate.not_valid_after.second, 0)

    def test_extensions_of_a_leaf(self):
        certificate = self.enrol(extensions=[
            usages(ExtendedKeyUsageOID.SERVER_AUTH), x509.UnrecognizedExtension(RACK, b"\x0c\x02r7"),
            x509.BasicConstraints(False, None)])
        get = certificate.extensions.get_extension_for_class
        self.assertEqual(list(get(x509.ExtendedKeyUsage).value), [ExtendedKeyUsageOID.SERVER_AUTH])
        self.assertEqual(get(x509.CertificatePolicies).value[0].policy_qualifiers, ["https://example.test/cps"])
        self.assertEqual(list(get(x509.TLSFeature).value), [x509.TLSFeatureType.status_request])
        self.assertEqual(self.value(certificate, MODEL), b"\x30\x0a\x02\x01\x07\x0c\x05model")
        self.assertEqual(self.value(certificate, RACK), b"\x0c\x02r7")
        self.assertEqual(len(get(x509.CRLDistributionPoints).value), 1)
        self.assertEqual(list(self.enrol().extensions.get_extension_for_class(x509.ExtendedKeyUsage).value),
                         [ExtendedKeyUsageOID.CLIENT_AUTH])

    def test_short_life_has_no_pointers_to_status(self):
        certificate = self.enrol(life=86400)
        self.assertEqual(self.value(certificate, NO_REV_AVAIL), b"\x05\x00")
        with self.assertRaises(x509.ExtensionNotFound):
            certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints)
        methods = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
        self.assertEqual([m.access_method.dotted_string for m in methods], ["1.3.6.1.5.5.7.48.2"])

    def test_what_a_profile_does_not_take_is_refused(self):
        self.refused("request.extension.eku", extensions=[usages(ExtendedKeyUsageOID.CODE_SIGNING)])
        self.refused("request.extension.ca", extensions=[x509.BasicConstraints(True, None)])
        self.refused("request.extension.custom", extensions=[x509.UnrecognizedExtension(RACK, b"\x0c\x02s7")])
        self.refused("request.extension.unlisted", extensions=[x509.UnrecognizedExtension(MODEL, b"\x05\x00")])

    def test_authority_below_is_constrained(self):
        key = ec.generate_private_key(ec.SECP384R1())
        certificate = self.enrol(profile="below", key=key, extensions=[x509.BasicConstraints(True, 5)])
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        self.assertEqual((basic.ca, basic.path_length), (True, 0))
        names = certificate.extensions.get_extension_for_class(x509.NameConstraints)
        self.assertTrue(names.critical)
        self.assertEqual([n.value for n in names.value.permitted_subtrees], ["plant.example.test"])
        self.assertEqual(len(names.value.excluded_subtrees), 2)


if __name__ == "__main__":
    unittest.main()
