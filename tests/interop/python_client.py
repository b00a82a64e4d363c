#!/usr/bin/python3
"""Enrols the request CSR.pem, prints the certificate, revokes it. Usage: python_client.py IDENTITY-DIR HOST:PORT CSR.pem"""
import base64, pathlib, ssl, sys, grpc
from chancery.registration.v1 import registration_pb2 as pb, registration_pb2_grpc as api

identity, target, csr = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
tls = grpc.ssl_channel_credentials(*((identity / name).read_bytes() for name in ("ca.pem", "key.pem", "cert.pem")))
der = base64.b64decode("".join(line for line in csr.read_text().splitlines() if not line.startswith("-----")))
with grpc.secure_channel(target, tls) as channel:
    registration = api.RegistrationServiceStub(channel)
    issued = registration.Enroll(pb.EnrollRequest(profile="web", pkcs10=der), timeout=10).certificate
    print(ssl.DER_cert_to_PEM_cert(issued.der) + "serial", issued.serial.hex(), "log index", issued.log_index)
    revoked = registration.Revoke(
        pb.RevokeRequest(issuer_id=issued.issuer_id, serial=issued.serial, reason="superseded"), timeout=10)
    print("revoked at", revoked.revoked_at_s, "log index", revoked.log_index)
