#!/usr/bin/python3
"""Verifies a copied audit log with nothing of Chancery: Debian's python3-cryptography and this file.

Usage: verify_log.py TRUST.json LOGDIR [INDEX]

Checks both signature lines of `checkpoint` (C2SP signed-note), every tile and bundle from the entries up to the signed
root (C2SP tlog-tiles), and one inclusion proof (RFC 6962 2.1.1), by default of the middle entry. Exit code 0 or 1.
"""
import base64
import hashlib
import json
import os
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519


def check(condition, text):
    if not condition:
        raise ValueError(text)


def sha256(data):
    return hashlib.sha256(data).digest()


def b64(text):
    data = base64.b64decode(text, validate=True)
    check(base64.b64encode(data).decode() == text, "base64 is not canonical")
    return data


def tree_root(leaves):
    if len(leaves) <= 1:
        return leaves[0] if leaves else sha256(b"")
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\x01" + tree_root(leaves[:k]) + tree_root(leaves[k:]))


def inclusion_proof(index, leaves):
    if len(leaves) == 1:
        return []
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    if index < k:
        return inclusion_proof(index, leaves[:k]) + [tree_root(leaves[k:])]
    return inclusion_proof(index - k, leaves[k:]) + [tree_root(leaves[:k])]


def verify_inclusion(index, size, leaf, proof, root):
    """RFC 9162 2.1.3.2."""
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        check(sn > 0, "the proof is too long")
        if fn & 1 or fn == sn:
            r = sha256(b"\x01" + p + r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha256(b"\x01" + r + p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def key_id(name, key, spki):
    if isinstance(key, ed25519.Ed25519PublicKey):
        raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return sha256(name.encode() + b"\n\x01" + raw)[:4]
    return sha256(spki)[:4]


def open_checkpoint(note, trust):
    text, _, lines = note.decode().rpartition("\n\n")
    text += "\n"
    pinned = {}
    for spki in map(b64, trust["keys"]["checkpoint"]):
        key = serialization.load_der_public_key(spki)
        pinned[key_id(trust["origin"], key, spki)] = key
    for line in lines.splitlines():
        dash, name, signature = line.split(" ")
        check(dash == "\u2014" and name == trust["origin"], f"unexpected signature line: {line}")
        raw = b64(signature)
        key = pinned.pop(raw[:4], None)
        check(key is not None, "a signature line is of no pinned key, or doubled")
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(raw[4:], text.encode())
        else:
            key.verify(raw[4:], text.encode(), ec.ECDSA(hashes.SHA256()))
    check(not pinned, "a pinned key has not signed")
    origin, size, root, end = text.split("\n")
    check(origin == trust["origin"] and str(int(size)) == size and end == "", "the checkpoint's text is malformed")
    return int(size), b64(root)


def tile_path(level, index, width):
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    return f"tile/{level}/" + "/".join(groups) + ("" if width == 256 else f".p/{width}")


def read_rows(folder, level, size):  # (path, content, width) of one level's files
    for index in range((size + 255) // 256):
        width = min(256, size - index * 256)
        path = tile_path(level, index, width)
        with open(os.path.join(folder, path), "rb") as f:
            yield path, f.read(), width


def read_entries(folder, size):
    for path, data, width in read_rows(folder, "entries", size):
        at = 0
        for _ in range(width):
            length = int.from_bytes(data[at:at + 2], "big")
            entry = data[at + 2:at + 2 + length]
            check(len(entry) == length, f"{path} is cut")
            canonical = json.dumps(json.loads(entry), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            check(canonical == entry, f"{path}: an entry is not canonical JSON")
            yield entry
            at += 2 + length
        check(at == len(data), f"{path} has more than its entries")


def main(trust_path, folder, index=None):
    with open(trust_path, encoding="utf-8") as f:
        trust = json.load(f)
    with open(os.path.join(folder, "checkpoint"), "rb") as f:
        size, root = open_checkpoint(f.read(), trust)
    leaves = [sha256(b"\x00" + entry) for entry in read_entries(folder, size)]
    level, row = 0, leaves
    while row:
        for number, (path, data, width) in enumerate(read_rows(folder, level, len(row))):
            check(data == b"".join(row[number * 256:number * 256 + width]), f"{path} differs from what lies below it")
        row = [tree_root(row[i:i + 256]) for i in range(0, len(row) - 255, 256)]
        level += 1
    check(tree_root(leaves) == root, "the entries do not have the signed root")
    if leaves:
        index = size // 2 if index is None else int(index)
        check(verify_inclusion(index, size, leaves[index], inclusion_proof(index, leaves), root), "the inclusion proof fails")
    print(f"sound: {size} entries, {level} levels, root {root.hex()}, proof of entry {index}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (InvalidSignature, OSError, ValueError, KeyError, IndexError) as e:
        sys.exit(f"NOT SOUND: {type(e).__name__} {e}")
