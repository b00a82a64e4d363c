"""The JSON Schemas of policy bundles against bundles and the loader.

Every shipped bundle is valid for both; each broken file of the list below is refused by both; what the schema refuses
must be refused by the loader, else an editor would underline what works.

Usage: test_schema.py SOURCE_DIR BUNDLE_CHECK
"""

import copy
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import jsonschema
import yaml

SOURCE, CHECK = pathlib.Path(sys.argv[1]), sys.argv[2]
SCHEMAS = SOURCE / "policy" / "schema"
CLASSES = ["bundle", "profile", "base", "officers", "tenants", "bindings", "tests"]


class Core(yaml.SafeLoader):
    """YAML 1.2 core schema, as editors read it: PyYAML alone would make dates and truth values of other words."""


Core.yaml_implicit_resolvers = {}
Core.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), list("tf"))
Core.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
Core.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+\.[0-9]+$"), list("-+0123456789"))
# PyYAML reads 010 as octal; our loader refuses such numbers, and nothing below has one.


def read(text):
    return yaml.load(text, Loader=Core)


def schema_of(kind):
    return json.loads((SCHEMAS / f"{kind}.schema.json").read_text())


def validator(kind):
    schema = schema_of(kind)
    resolver = jsonschema.RefResolver(base_uri=SCHEMAS.as_uri() + "/", referrer=schema)
    return jsonschema.Draft202012Validator(schema, resolver=resolver)


VALIDATORS = {kind: validator(kind) for kind in CLASSES}


def kind_of(path):
    """The class of a file by its path in the bundle; None where there is no schema."""
    if path.suffix != ".yaml":
        return None
    if path.parent.name in ("profiles", "bases"):
        return path.parent.name[:-1]
    return path.parent.name if path.parent.name in ("bindings", "tests") else path.stem


def load(files):
    """What the product says of a bundle: (fine, text)."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        done = subprocess.run([CHECK, folder], capture_output=True, text=True, timeout=60)
    return done.returncode == 0, done.stdout.strip()


# ---- a bundle that has every key once ----

FULL = {
    "bundle.yaml": "version: 1\nname: full\ndescription: all keys\ncrl: {max_validity: 8d, backdate: 1h}\n",
    "officers.yaml": """
officers:
  - {id: alice, identity: /user/alice, roles: [policy-officer, owner],
     key: MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=}
promotion: {role: policy-officer, quorum: 1}
""",
    "tenants.yaml": """
tenants:
  - name: north
    description: up there
    requesters: [/user/*]
    profiles: [leaf]
    issuers: [issuing-1, issuing-2]
    names:
      dns: {suffixes: [example.test], exact: [localhost], wildcard_depth: 1}
      ip: {networks: [10.0.0.0/8]}
    roles: [operator]
    officers: [alice]
    limits: {requester: {rate: 100/1h, burst: 20, active: 5}, tenant: {active: 100}}
  - name: default
""",
    "bases/least.yaml": """
name: least
callers: [/user/*, "spiffe://other.test/gw"]
keys: {types: [P-256, RSA-3072, Ed25519], rsa_exponents: [65537]}
signature_algorithms: [ecdsa-with-SHA256]
validity: {max: 90d}
subject: {}
names: {required: false}
extensions: {}
""",
    "profiles/leaf.yaml": """
name: leaf
description: a leaf
extends: least
issuers: {any_of: [issuing-1, issuing-2], choose: key_type}
tenants: [north, default]
protocols: [grpc, acme]
roles: [operator]
authentication: {all_of: [pkcs10], any_of: [mtls, eab]}
binding: optional
validity: {default: 5d12h, backdate: 1h, round: 1h}
subject:
  attributes:
    - {type: C, fixed: XX}
    - {type: O, from: evidence, claim: org}
    - {type: CN, from: request, required: false, match: ["*.example.test", "h?st"], max: 60}
    - {type: 2.5.4.15, from: request}
  unlisted: drop
  cn_from_first_dns: true
  cn_in_names: false
names:
  max: 10
  dns: {suffixes: [example.test], exact: [localhost], wildcard_depth: 1, a_labels: true, scripts: [Latin],
        internal: allow, public_suffix_guard: false}
  ip: {networks: [10.0.0.0/8, "2001:db8::/32"], reserved: allow}
  email: {domains: [example.test], match: ["svc-*"]}
  uri: {prefixes: ["https://example.test/"], spiffe_domains: [mesh.test], spiffe_paths: ["/ns/*/sa/**"]}
  other_name: {upn_suffixes: [corp.example.test], oids: [1.2.3.4]}
  directory_name: {attributes: [{type: O, fixed: Example}, {type: CN, from: request}]}
extensions:
  key_usage: [digitalSignature]
  key_usage_rsa: [keyEncipherment]
  extended_key_usage: {from: request, allowed: [serverAuth, clientAuth, 1.3.6.1.5.5.7.3.21], default: [serverAuth]}
  policies: [2.23.140.1.2.1, {oid: 1.3.6.1.4.1.54620.7, cps: "https://example.test/cps"}]
  tls_feature: [status_request, 17]
  no_rev_avail: auto
  no_rev_avail_up_to: 7d
  ocsp_nocheck: false
  crl_url: true
  ocsp_url: true
  issuer_url: true
  unlisted: refuse
  custom:
    - {oid: 1.2.3.5, critical: false, value: {sequence: [{utf8: a}, {ia5: b}, {printable: c}, {integer: -1}, {boolean: true},
       {enumerated: 2}, {oid: 1.2.840.1}, {octets: "00ff"}, {bits: "80"}, {"null": true}, {set: [{utf8: a}]},
       {explicit: {tag: 0, value: {utf8: a}}}, {implicit: {tag: 1, value: {octets: ""}}}]}}
    - {oid: 1.2.3.6, from: request, type: utf8, max: 32, match: ["a*"], required: false}
limits:
  requester: {rate: 100/1h, burst: 20, active: 500}
  profile: {active: 10000}
  duplicates: refuse
  renewal_window: 30d
  key_reuse: same_requester
approvals:
  - {when: {wildcard: true}, steps: [{role: owner, quorum: 1}], expires: 3d}
  - {when: {names_over: 9, validity_over: 80d}, steps: [{role: owner, quorum: 1}]}
lints: {set: rfc5280, severity: {lint.cert.subject_ou: warning}}
""",
    "profiles/below.yaml": """
name: below
extends: least
issuer: issuing-1
extensions:
  key_usage: [keyCertSign, cRLSign]
  ca: {path_length: 0}
  name_constraints:
    permitted:
      dns: [example.test, ""]
      ip: [10.0.0.0/8]
      email: [example.test, .example.test, ops@example.test]
      uri: [.example.test]
      directory: [{attributes: [{type: C, fixed: XX}]}]
    excluded: {ip: ["::/0"]}
""",
    "profiles/stamp.yaml": """
name: stamp
extends: least
issuer: issuing-1
extensions: {extended_key_usage: {fixed: [timeStamping], critical: true}, no_rev_avail: true}
""",
    "bindings/teams.yaml": """
tenant: north
description: who has what
bindings:
  - requester: /user/alice
    description: she
    profiles: [leaf]
    roles: [operator]
    names:
      dns: {suffixes: [a.example.test], exact: [localhost], wildcard_depth: 1}
      ip: {networks: [10.1.0.0/16]}
      email: {domains: [example.test], addresses: [x@example.test]}
      uri: {prefixes: ["https://example.test/"], spiffe_ids: ["spiffe://mesh.test/ns/a/*"]}
      upn: {domains: [corp.example.test], exact: [x@corp.example.test]}
      directory_name: [{O: Example, CN: "dev-*"}]
      subject: {CN: ["camera-*"]}
""",
    "tests/all.yaml": """
version: 1
description: cases
defaults: {profile: leaf, requester: /user/alice, protocol: grpc}
cases:
  - name: all keys
    tenant: default
    caller: /user/alice
    proof: pkcs10
    authentication: [mtls, pkcs10]
    claims: {org: Example, team: [a, b]}
    subject: [{CN: a.example.test}]
    names: [a.example.test, "IP:10.0.0.1"]
    key: RSA-3072
    validity: 1d
    at: "2026-06-01"
    build: true
    issuer: {key: P-256, life: 365d}
    extensions: [{oid: 1.2.3.6, value: 0c0161}]
    alter: {not_after: +1d, drop: [keyUsage], serial: "0102", signature_algorithm: Ed25519}
    approvals: [{officer: alice, step: owner, reject: false}]
    usage: {requester: {rate_exhausted: true, active: 5}, profile: {active: 3}, tenant_requester: {active: 0},
            tenant: {active: 1}, duplicate_ends_in: 3d, key_used_by: another}
    expect: refuse
    fails: [ext.key_usage]
    rules: {tbs.version: pass}
""",
}

# ---- each of these is refused by the schema and by the loader ----

BROKEN = [
    ("bundle.yaml", "version: 1", "version: 2"),
    ("bundle.yaml", "name: full", "nam: full"),
    ("bundle.yaml", "max_validity: 8d", "max_validity: 8w"),
    ("bundle.yaml", "{max_validity: 8d, backdate: 1h}", "[8d]"),
    ("officers.yaml", "id: alice", "id: Alice"),
    ("officers.yaml", "roles: [policy-officer, owner]", "roles: []"),
    ("officers.yaml", "quorum: 1", "quorum: 0"),
    ("officers.yaml", "key: MC", "key: M_C"),
    ("officers.yaml", "identity: /user/alice", "identity: alice"),
    ("tenants.yaml", "rate: 100/1h", "rate: 100"),
    ("tenants.yaml", "wildcard_depth: 1", "wildcard_depth: 17"),
    ("tenants.yaml", "limits: {requester", "limits: {requestor"),
    ("tenants.yaml", "name: north", "nome: north"),
    ("bases/least.yaml", "P-256", "P-255"),
    ("bases/least.yaml", "65537", "3"),
    ("bases/least.yaml", "name: least", "nam: least"),
    ("bases/least.yaml", "subject: {}", "subject: []"),
    ("bases/least.yaml", "validity: {max: 90d}", "validity: {maximum: 90d}"),
    ("bases/least.yaml", "ecdsa-with-SHA256", "ecdsa-with-SHA1"),
    ("bases/least.yaml", "callers: [/user/*,", "callers: ['/us*r/x',"),
    ("bases/least.yaml", "callers: [/user/*, \"spiffe://other.test/gw\"]", "callers: []"),
    ("profiles/leaf.yaml", "choose: key_type", "choose: random"),
    ("profiles/leaf.yaml", "any_of: [issuing-1, issuing-2]", "any_of: []"),
    ("profiles/leaf.yaml", "extends: least", "extends: [least]"),
    ("profiles/leaf.yaml", "issuers: {", "issuer: issuing-1\nissuers: {"),
    ("profiles/leaf.yaml", "protocols: [grpc, acme]", "protocols: [smtp]"),
    ("profiles/leaf.yaml", "authentication: {all_of", "authentication: {allof"),
    ("profiles/leaf.yaml", "binding: optional", "binding: maybe"),
    ("profiles/leaf.yaml", "round: 1h", "round: hourly"),
    ("profiles/leaf.yaml", "{type: C, fixed: XX}", "{type: C}"),
    ("profiles/leaf.yaml", "{type: C, fixed: XX}", "{type: C, fixed: XX, from: request}"),
    ("profiles/leaf.yaml", "{type: C, fixed: XX}", "{type: Country, fixed: XX}"),
    ("profiles/leaf.yaml", "{type: O, from: evidence, claim: org}", "{type: O, from: evidence}"),
    ("profiles/leaf.yaml", "unlisted: drop", "unlisted: keep"),
    ("profiles/leaf.yaml", "cn_in_names: false", "cn_in_names: no"),
    ("profiles/leaf.yaml", "max: 10\n", "max: 257\n"),
    ("profiles/leaf.yaml", "dns: {suffixes: [example.test]", "dns: {suffixes: ['*.example.test']"),
    ("profiles/leaf.yaml", "internal: allow", "internal: yes"),
    ("profiles/leaf.yaml", "[10.0.0.0/8, ", "[10.0.0.0, "),
    ("profiles/leaf.yaml", "reserved: allow", "reserved: only"),
    ("profiles/leaf.yaml", "email: {domains: [example.test], ", "email: {domain: [example.test], "),
    ("profiles/leaf.yaml", "\"https://example.test/\"", "\"https://example.test\""),
    ("profiles/leaf.yaml", "upn_suffixes", "upn_suffix"),
    ("profiles/leaf.yaml", "[digitalSignature]", "[signing]"),
    ("profiles/leaf.yaml", "allowed: [serverAuth", "allowed: [serverauth"),
    ("profiles/leaf.yaml", "from: request, allowed", "from: evidence, allowed"),
    ("profiles/leaf.yaml", "cps: \"https://example.test/cps\"", "cps: nowhere"),
    ("profiles/leaf.yaml", "[status_request, 17]", "[must_staple]"),
    ("profiles/leaf.yaml", "[status_request, 17]", "[65536]"),
    ("profiles/leaf.yaml", "no_rev_avail: auto", "no_rev_avail: sometimes"),
    ("profiles/leaf.yaml", "ocsp_nocheck: false", "ocsp_nocheck: 0"),
    ("profiles/leaf.yaml", "unlisted: refuse", "unlisted: drop"),
    ("profiles/leaf.yaml", "{oid: 1.2.3.6, from", "{oid: serial, from"),
    ("profiles/leaf.yaml", "type: utf8", "type: utf16"),
    ("profiles/leaf.yaml", "max: 32", "max: 4097"),
    ("profiles/leaf.yaml", "from: request, type: utf8, ", "from: request, "),
    ("profiles/leaf.yaml", "{utf8: a}, {ia5: b}", "{utf8: a, ia5: b}"),
    ("profiles/leaf.yaml", "{ia5: b}", "{ascii: b}"),
    ("profiles/leaf.yaml", "{tag: 0, value", "{tag: 31, value"),
    ("profiles/leaf.yaml", "\"00ff\"", "\"00f\""),
    ("profiles/leaf.yaml", "{\"null\": true}", "{\"null\": false}"),
    ("profiles/leaf.yaml", "{enumerated: 2}", "{enumerated: -2}"),
    ("profiles/leaf.yaml", "burst: 20", "burst: 0"),
    ("profiles/leaf.yaml", "duplicates: refuse", "duplicates: deny"),
    ("profiles/leaf.yaml", "key_reuse: same_requester", "key_reuse: sometimes"),
    ("profiles/leaf.yaml", "{wildcard: true}", "{wildcard: false}"),
    ("profiles/leaf.yaml", "{role: owner, quorum: 1}], expires", "{role: owner}], expires"),
    ("profiles/leaf.yaml", "quorum: 1}], expires", "quorum: 17}], expires"),
    ("profiles/leaf.yaml", "set: rfc5280", "set: rfc2459"),
    ("profiles/leaf.yaml", "subject_ou: warning", "subject_ou: fatal"),
    ("profiles/leaf.yaml", "description: a leaf", "describtion: a leaf"),
    ("profiles/below.yaml", "path_length: 0", "path_length: 11"),
    ("profiles/below.yaml", "[example.test, \"\"]", "[.example.test]"),
    ("profiles/below.yaml", "email: [example.test,", "email: ['a b@c.d',"),
    ("profiles/below.yaml", "uri: [.example.test]", "uri: ['https://example.test/']"),
    ("profiles/below.yaml", "{attributes: [{type: C, fixed: XX}]}", "{attributes: []}"),
    ("profiles/below.yaml", "excluded: {ip: [\"::/0\"]}", "excluded: {}"),
    ("profiles/below.yaml", "extends: least\n", ""),
    ("profiles/stamp.yaml", "critical: true", "critical: 1"),
    ("bindings/teams.yaml", "requester: /user/alice", "requester: alice"),
    ("bindings/teams.yaml", "roles: [operator]", "roles: operator"),
    ("bindings/teams.yaml", "spiffe_ids", "spiffe_id"),
    ("bindings/teams.yaml", "[{O: Example, CN: \"dev-*\"}]", "[{}]"),
    ("bindings/teams.yaml", "subject: {CN: [", "subject: {XN: ["),
    ("tests/all.yaml", "expect: refuse", "expect: perhaps"),
    ("tests/all.yaml", "key: RSA-3072", "key: RSA-1024"),
    ("tests/all.yaml", "at: \"2026-06-01\"", "at: \"June\""),
    ("tests/all.yaml", "not_after: +1d", "not_after: 1d"),
    ("tests/all.yaml", "tbs.version: pass", "tbs.version: good"),
    ("tests/all.yaml", "  - name: all keys\n", "  - profile: leaf\n"),
    ("tests/all.yaml", "step: owner", "stop: owner"),
    ("tests/all.yaml", "key_used_by: another", "key_used_by: nobody"),
    ("tests/all.yaml", "duplicate_ends_in: 3d", "duplicate_ends_in: soon"),
    ("tests/all.yaml", "subject: [{CN: a.example.test}]", "subject: [{CN: a, O: b}]"),
]


class Schema(unittest.TestCase):
    def errors(self, kind, text):
        return [e.message for e in VALIDATORS[kind].iter_errors(read(text))]

    def test_schemas_are_schemas(self):
        for path in sorted(SCHEMAS.glob("*.json")):
            jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text()))
        self.assertEqual(sorted(p.name.split(".")[0] for p in SCHEMAS.glob("*.json")), sorted(CLASSES + ["common"]))

    def test_bases_have_the_keys_of_profiles(self):
        self.assertEqual(schema_of("base")["properties"], schema_of("profile")["properties"])

    def test_bundles_of_the_source_are_valid(self):
        found = 0
        for head in list(SOURCE.glob("policy/bundles/*/bundle.yaml")) + list(SOURCE.glob("tests/**/bundle.yaml")):
            for path in sorted(head.parent.rglob("*.yaml")):
                with self.subTest(str(path.relative_to(SOURCE))):
                    self.assertEqual(self.errors(kind_of(path), path.read_text()), [])
                    found += 1
        self.assertGreater(found, 4)

    def test_full_bundle_is_valid_for_both(self):
        for name, text in FULL.items():
            with self.subTest(name):
                self.assertEqual(self.errors(kind_of(pathlib.Path(name)), text), [])
        fine, said = load(FULL)
        self.assertTrue(fine, said)

    def test_broken_files_are_refused_by_both(self):
        for name, right, wrong in BROKEN:
            with self.subTest(f"{name}: {wrong}"):
                self.assertIn(right, FULL[name])
                text = FULL[name].replace(right, wrong, 1)
                self.assertNotEqual(self.errors(kind_of(pathlib.Path(name)), text), [], "the schema takes it")
                fine, said = load({**FULL, name: text})
                self.assertFalse(fine, "the loader takes it")
                self.assertRegex(said, r"^[a-z/]+\.yaml:[0-9]+:[0-9]+ ")

    def test_full_bundle_has_every_key_of_the_profile_schema(self):
        used = set()
        for text in FULL.values():
            used |= set(keys_of(read(text)))
        missing = set()
        for path in SCHEMAS.glob("*.json"):
            missing |= {k for k in properties_of(json.loads(path.read_text())) if k not in used}
        # Templates go with claims, blocklists with files of their own, csr and spki with a key.
        self.assertEqual(missing - {"templates", "blocklists", "csr", "spki", "not_before"}, set())


def keys_of(node):
    if isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from keys_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from keys_of(value)


def properties_of(schema):
    if isinstance(schema, dict):
        for key, value in copy.copy(schema).items():
            if key == "properties" and isinstance(value, dict):
                yield from value
            yield from properties_of(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from properties_of(value)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
