/* A small bundle in memory for the tests of trial/. */
#ifndef CHANCERY_TEST_TRIAL_BUNDLES_H
#define CHANCERY_TEST_TRIAL_BUNDLES_H

#include "cm.h"
#include "policy/policy.h"

#define BUNDLE_HEAD "version: 1\nname: t\ncrl: {max_validity: 8d}\n"
#define BUNDLE_WEB                                                                                 \
    "name: web\n"                                                                                  \
    "issuer: issuing-1\n"                                                                          \
    "callers: [/user/*]\n"                                                                         \
    "keys: {types: [P-256, RSA-2048]}\n"                                                           \
    "signature_algorithms: [ecdsa-with-SHA256]\n"                                                  \
    "validity: {max: 90d, default: 30d, backdate: 1h}\n"                                           \
    "subject: {attributes: [{type: CN, from: request}]}\n"                                         \
    "names: {required: true, dns: {suffixes: [a.example, b.example], wildcard_depth: 1}}\n"        \
    "extensions: {key_usage: [digitalSignature], extended_key_usage: [serverAuth]}\n"

#define FILES(...) ((const struct policy_file[]){__VA_ARGS__})
#define FILE_OF(path, text)                                                                        \
    {                                                                                              \
        path,                                                                                      \
        {                                                                                          \
            (const uint8_t *)(text), sizeof(text) - 1                                              \
        }                                                                                          \
    }

#endif
