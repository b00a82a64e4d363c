/* A public key of each type for table tests. The private keys were thrown away when these were
 * made: what is judged needs no signature. */
#include "trial/table_int.h"

static const struct {
    enum crypto_key_type type;
    const char *spki; /* base64 of the SubjectPublicKeyInfo DER */
} keys[] = {
    {CRYPTO_KEY_P256,
     "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEXzyJfv/IpUNKxMuaxRpSS5/u6Vw5t54twY1CQm1AVanC"
     "wv2o5GCCvFJiOysvtxK5AktFx5EIu0EJtNu64QCcFQ=="},
    {CRYPTO_KEY_P384,
     "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEmmDpdwoA6GbxN8LVn/XlPgh8/HKP+hrSOQV90b/0wmAvJqCP"
     "zkk8zkseqvEXjZkTd05bA2nxa6o5yzrXFV4DM2kVA02tvgfwCMgh+EOdX5+eay7btIVT6DC/L6z3Pm80"},
    {CRYPTO_KEY_P521,
     "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAcuLlD0SpX3+sbOh5KQexg9hUAyVPtflPUu0DJSrob19u"
     "uLo2SnX1tONyFTgMyPcYX0piNc0/aEu7ygcv9qbmNBgAwvl7drLF0P86xxGxcaoOHEovmXQptjhmetKr"
     "RVMjG3SAaXltr4JDhCEaFO90CnSe3iQ9h9w21mpNFcgBaAOXggk="},
    {CRYPTO_KEY_RSA_2048,
     "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0mBcwAYQyN2pnnOjUSIrlbwy0B3sCjqtBIZZ"
     "tjZVlhXgpu7dkZmbQzJqBRhZ5wy4D630iFWxuB/sPKGMqMYapt89Pyna39W3QGq6bm9ODKOHca4mHcni"
     "HQ4UHOFGDjnHTtiwXhtf7siV8O9Se0UQZbAX67bpT51z/bWKplh9AG+vx8kq5aqjD8NrZv8krTBgYC1N"
     "bDG1GStd/nzYP5r+qk1Dqw0UQooKeFUWvrquHmjqcj0Nw4nReisy6cMR3yMTksNDposkVIRPRaXe9H9u"
     "Vvl4nqmF8CXfVv/WkMxlX2AMDZX36iVNdzuMB0oaLAxvc82InF8t+F30s3g6lQVdjQIDAQAB"},
    {CRYPTO_KEY_RSA_3072,
     "MIIBojANBgkqhkiG9w0BAQEFAAOCAY8AMIIBigKCAYEAyMY0s582tocno2JqWWD7CczCYTBm02R49xYk"
     "NQfRaPBDGwDMfL/7vEOf0tko6cCRZzFZE7+ylIIybpzBKR7bxNanrhrK4yoyOGLgTAiS41rH3T3kxMff"
     "fwdnXLtUgVyuJrWOS0FLTdGA/rbYObZbz4VlibkonpJ7Rbr/j4J+zDnrSmSXlae9+VW6HWRc1bfA7+x/"
     "aWi88yqIdcXbBoc9wjyQqa0Jibe5RYvKzSeNLvaYF9nr0g+lvjH99jelTDXXw2t3129GGhcaxWIL0DK2"
     "WIFpk1sZdTwWQIY+BBWjNZCR0ZMr5VnDFIkoMzGL98H/V1vPhJdZXhhiVmxDdZSKDAoGYpNUgBn/HFH5"
     "Phqa5Xn8wL07OSegouiyV3xgQxIb8u/qYWF+0aBIVrNaKzPSa5N9Hm8Lt73qltxgNfTNeR1mhgo842sj"
     "V1AcvVWjnspgSLOQFJTljQyTVCGB0qPpAOLkM0IXg2R1ZOpm7wSotZQ4aU+St8fUixUx/LLAkKz9AgMB"
     "AAE="},
    {CRYPTO_KEY_RSA_4096,
     "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEA3zn4cHPt1shkl+G5QZaz5eSrT8CUoFSIJkmZ"
     "68OjaO+MSKgkr5PbSmtkaOCIWF1uny+Kq6z39WJMM1E1URkaP6UFEPe3QCuGYfhOt++E4s+ExbzPmn5A"
     "ArwHZzMXU31eTIdy60NHR6e9dWkonzcTRmLdoy3lQGsRQYRDWZ+5BFY+OUweQ64FqmMlU3aBh/p7cTdI"
     "MWJfIvSCWcPtkHqy6SKsSAUVADPshE4vv5lmz70rBGqF8V1QxrF19+QxNtAh3rbvThLeNljCe5jt80ER"
     "znM6wwlRUEvNJIiiF6I6oWcTHU3s2T71bajCRb/kl77F6EpsNihVbDIPHXq0vZkXXdlxEA04VaKWROsx"
     "8jf/RX8yE3SUYbJgez/r8j0yopkD4gJ7Atz9Jc9PVVsUPpzk2r9CpqGBEHz0vCeRDtgOLF0p/8tp5gKy"
     "eCBWhB9YitJlLYE8fUtceO1VhBEb+x1iXED8qjxuV+fZKxZYjs1VkTh2imtwLEprYDJoQOHITMax/91o"
     "Tbtby5aWwLxj6uby0YeQaBzMFlxMdV2e3GVFIH1v69Zukk3oMUr3AFeez3IjwYGFmQKiGnTtfnwAwp03"
     "Wty/j3ZOqDs/Q5h/WPUX+OD/P12kCotsmeP3vMrmy78e2p+Tk5w230JXiQXwVLYt5Qtd+6oAsjkwxnQT"
     "vKRu3/MCAwEAAQ=="},
    {CRYPTO_KEY_ED25519, "MCowBQYDK2VwAyEA7UF5YfkShBRkQt7DpJSFigoRIGIBVxuVH36sCqPJtqo="},
};

enum chancery_err trial_sample_key(enum crypto_key_type type, struct crypto_public **out)
{
    struct buf der CLEANUP(buf_clear) = {.len = 0};
    buf_init(&der, 1024);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (keys[i].type == type) {
            TRY(base64_decode(slice_str(keys[i].spki), &der));
            return crypto_public_from_spki(buf_slice(&der), out, NULL);
        }
    }
    return CH_NOT_FOUND;
}
