"""The life of policy bundles on a stack, as people drive it: drafts, officers' signatures, promotions. Hashes, plans and
approvals are computed here from the documents (formats.py), not taken from the service."""
import glob
import os
import time

import grpc
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import formats
from stack import error_detail

LIMIT = [("grpc.max_receive_message_length", 16 << 20)]


class Officer:
    """One of the rehearsal officers that tools/stack makes."""

    def __init__(self, stack, number):
        self.id = f"officer-{number}"
        with open(stack.path("officers", self.id + ".pem"), "rb") as f:
            self.key = serialization.load_pem_private_key(f.read(), None)
        self.spki = self.key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    def sign(self, subject, decision=1, purpose=2, **times):
        """(approval, signature)"""
        data = formats.approval(subject, "promotion", self.spki, decision, purpose, **times)
        return data, self.key.sign(data, ec.ECDSA(hashes.SHA256()))


class Bundles:
    """The lifecycle of one stack's bundles."""

    def __init__(self, stack, user="operator"):
        self.stack = stack
        self.m, self.stub = stack.stub("policy", user)
        self.officers = [Officer(stack, n) for n in (1, 2, 3)]
        self.first = self.files_of(stack.path("bundle"))

    @staticmethod
    def files_of(folder):
        files = {}
        for path in glob.glob(os.path.join(folder, "**"), recursive=True):
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    files[os.path.relpath(path, folder)] = f.read()
        return files

    def variant(self, number, days=None):
        """The first bundle with a comment of its own, and another life of web certificates."""
        files = dict(self.first)
        files["bundle.yaml"] = files["bundle.yaml"] + f"# variant {number}\n".encode()
        if days is not None:
            web = files["profiles/web.yaml"].decode()
            files["profiles/web.yaml"] = web.replace("max: 90d", f"max: {days}d").replace("default: 90d", f"default: {days}d").encode()
            assert files["profiles/web.yaml"] != self.first["profiles/web.yaml"]
        return files

    # ---- steps ----

    def submit(self, files, user=None):
        """Hash of the submitted bundle."""
        stub = self.stub if user is None else self.stack.stub("policy", user)[1]
        request = self.m.SubmitBundleRequest(files=[self.m.BundleFile(path=p, content=c) for p, c in files.items()])
        answer = stub.SubmitBundle(request, timeout=30, wait_for_ready=True)
        assert answer.bundle.bundle_sha256 == formats.bundle_hash(files)
        return answer.bundle.bundle_sha256

    def get(self, bundle=b"", with_files=False):
        return self.stub.GetBundle(self.m.GetBundleRequest(bundle_sha256=bundle, with_files=with_files), timeout=30, wait_for_ready=True)

    def subject(self, bundle):
        plan = self.get(bundle).next
        assert plan.bundle_sha256 == bundle
        return formats.promotion_digest(plan.first_sha256, plan.sequence, plan.predecessor_sha256, bundle, plan.author)

    def send_approval(self, bundle, paper):
        request = self.m.ApproveBundleRequest(bundle_sha256=bundle)
        request.approval.approval, request.approval.signature = paper
        return self.stub.ApproveBundle(request, timeout=30, wait_for_ready=True)

    def approve(self, bundle, officers=(0, 1), decision=1):
        subject, answer = self.subject(bundle), None
        for number in officers:
            answer = self.send_approval(bundle, self.officers[number].sign(subject, decision))
        return answer

    def promote(self, bundle, **fields):
        return self.stub.PromoteBundle(self.m.PromoteBundleRequest(bundle_sha256=bundle, **fields), timeout=30, wait_for_ready=True)

    def rollback(self, bundle, **fields):
        return self.stub.RollbackBundle(self.m.RollbackBundleRequest(bundle_sha256=bundle, **fields), timeout=30, wait_for_ready=True)

    def in_force(self):
        return self.get().bundle_sha256

    def wait_in_force(self, bundle, seconds=30):
        until = time.monotonic() + seconds
        while self.in_force() != bundle:
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def bring(self, files, officers=(0, 1)):
        """From files to in force; the hash."""
        bundle = self.submit(files)
        self.approve(bundle, officers)
        self.promote(bundle)
        assert self.wait_in_force(bundle), "the promotion does not come into force"
        return bundle

    def bring_back(self, bundle):
        self.approve(bundle)
        self.rollback(bundle)
        assert self.wait_in_force(bundle), "the rollback does not come into force"

    # ---- what the database's administrator can do ----

    def administrator(self, *statements):
        """SQL with the append-only triggers taken off and put on again."""
        tables = ("bundle", "approval", "promotion", "bundle_test")
        off = "".join(f"ALTER TABLE policy.{t} DISABLE TRIGGER append_only;" for t in tables)
        on = "".join(f"ALTER TABLE policy.{t} ENABLE TRIGGER append_only;" for t in tables)
        self.stack.sql("BEGIN;" + off + ";".join(statements) + ";" + on + "COMMIT")


def refusal(call, *args, **kw):
    """(status name, ErrorDetail) of a call that must fail."""
    try:
        call(*args, **kw)
    except grpc.RpcError as e:
        return e.code().name, error_detail(e)
    raise AssertionError("the call was not refused")


def sql_bytes(data):
    return f"'\\x{data.hex()}'::bytea"
