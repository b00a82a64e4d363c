/* International host names. */
#include <idn2.h>
#include <unictype.h>

#include "policy/idna.h"
#include "policy/policy_int.h"

#define LABEL_MAX 63

static bool is_a_label(struct slice l)
{
    return l.len > 4 && memcmp(l.ptr, "xn--", 4) == 0;
}

/* Takes the next label off a name. */
static bool next_label(struct slice *name, struct slice *label)
{
    if (name->len == 0) {
        return false;
    }
    const uint8_t *dot = memchr(name->ptr, '.', name->len);
    *label = slice_of(name->ptr, dot == NULL ? name->len : (size_t)(dot - name->ptr));
    *name = slice_sub(*name, label->len + 1, name->len);
    return true;
}

bool policy_idna_has(struct slice name)
{
    struct slice label;
    while (next_label(&name, &label)) {
        if (is_a_label(label)) {
            return true;
        }
    }
    return false;
}

/* What libidn2 found, in words; anything else it may say is no valid label either. */
static const char *reason(int rc)
{
    switch (rc) {
    case IDN2_OK:
        return NULL;
    case IDN2_NOT_NFC:
        return "IDNA 2008: a label is not in normal form C (RFC 5891 4.2.1)";
    case IDN2_LEADING_COMBINING:
        return "IDNA 2008: a label begins with a combining mark (RFC 5891 4.2.3.2)";
    case IDN2_DISALLOWED:
        return "IDNA 2008: a label holds a disallowed character (RFC 5892 2)";
    case IDN2_UNASSIGNED:
        return "IDNA 2008: a label holds an unassigned character (RFC 5892 2)";
    case IDN2_CONTEXTJ:
    case IDN2_CONTEXTJ_NO_RULE:
        return "IDNA 2008: a joiner stands where it may not (RFC 5892 A.1, A.2)";
    case IDN2_CONTEXTO:
    case IDN2_CONTEXTO_NO_RULE:
        return "IDNA 2008: a character stands where it may not (RFC 5892 A.3 to A.9)";
    case IDN2_BIDI:
        return "IDNA 2008: a label breaks the Bidi rule (RFC 5893 2)";
    case IDN2_2HYPHEN:
    case IDN2_HYPHEN_STARTEND:
        return "IDNA 2008: hyphens stand where they may not (RFC 5891 4.2.3.1)";
    case IDN2_UALABEL_MISMATCH:
        return "IDNA 2008: a label is not the A-label of what it decodes to (RFC 5890 2.3.2.1)";
    default:
        return "IDNA 2008: a label is no A-label (RFC 5890 2.3.2.1)";
    }
}

/* The code points of an A-label; NULL when it has none. The caller frees with idn2_free. */
static uint32_t *decode(struct slice label)
{
    char text[LABEL_MAX + 1];
    uint32_t *points = NULL;
    if (label.len > LABEL_MAX) {
        return NULL;
    }
    memcpy(text, label.ptr, label.len);
    text[label.len] = '\0';
    return idn2_to_unicode_8z4z(text, &points, 0) == IDN2_OK ? points : NULL;
}

static const char *a_label_wrong(struct slice label)
{
    char text[LABEL_MAX + 1];
    uint8_t *inserted = NULL;
    if (label.len > LABEL_MAX) {
        return reason(IDN2_TOO_BIG_LABEL);
    }
    memcpy(text, label.ptr, label.len);
    text[label.len] = '\0';
    int rc = idn2_register_u8(NULL, (const uint8_t *)text, &inserted, 0);
    bool same = rc == IDN2_OK && strcmp((const char *)inserted, text) == 0;
    idn2_free(inserted);
    return rc == IDN2_OK && !same ? reason(IDN2_UALABEL_MISMATCH) : reason(rc);
}

/* ---- the Bidi rule over a whole name, RFC 5893 2 ---- */

static bool right_to_left(const uint32_t *points)
{
    for (; *points != 0; points++) {
        int c = uc_bidi_category(*points);
        if (c == UC_BIDI_R || c == UC_BIDI_AL || c == UC_BIDI_AN) {
            return true;
        }
    }
    return false;
}

/* Conditions 1, 5 and 6 for a label that has no right-to-left character. */
static bool left_to_right_ok(const uint32_t *points)
{
    int last = UC_BIDI_ON;
    if (uc_bidi_category(points[0]) != UC_BIDI_L) {
        return false;
    }
    for (; *points != 0; points++) {
        int c = uc_bidi_category(*points);
        if (c != UC_BIDI_L && c != UC_BIDI_EN && c != UC_BIDI_ES && c != UC_BIDI_CS &&
            c != UC_BIDI_ET && c != UC_BIDI_ON && c != UC_BIDI_BN && c != UC_BIDI_NSM) {
            return false;
        }
        last = c == UC_BIDI_NSM ? last : c;
    }
    return last == UC_BIDI_L || last == UC_BIDI_EN;
}

static bool has_right_to_left(struct slice name)
{
    struct slice label;
    bool found = false;
    while (!found && next_label(&name, &label)) {
        uint32_t *points = is_a_label(label) ? decode(label) : NULL;
        found = points != NULL && right_to_left(points);
        idn2_free(points);
    }
    return found;
}

/* libidn2 has judged the labels that hold right-to-left characters; the others remain. */
static bool bidi_ok(struct slice name)
{
    struct slice label;
    bool ok = true;
    if (!has_right_to_left(name)) {
        return true;
    }
    while (ok && next_label(&name, &label)) {
        if (is_a_label(label)) {
            uint32_t *points = decode(label);
            ok = points != NULL && (right_to_left(points) || left_to_right_ok(points));
            idn2_free(points);
        } else if (label.ptr[0] != '*') { /* LDH: letters are L, digits EN, hyphens ES */
            ok = label.ptr[0] >= 'a' && label.ptr[0] <= 'z';
        }
    }
    return ok;
}

const char *policy_idna_wrong(struct slice name)
{
    struct slice rest = name, label;
    const char *wrong = NULL;
    if (!policy_idna_has(name)) {
        return NULL;
    }
    while (wrong == NULL && next_label(&rest, &label)) {
        wrong = is_a_label(label) ? a_label_wrong(label) : NULL;
    }
    return wrong != NULL ? wrong : bidi_ok(name) ? NULL : reason(IDN2_BIDI);
}

/* ---- scripts ---- */

enum { LATIN = 1, HAN = 2, KANA = 4, BOPOMOFO = 8, HANGUL = 16, OTHER = 32 };

static unsigned script_bit(const char *name)
{
    static const struct {
        const char *name;
        unsigned bit;
    } known[] = {{"Latin", LATIN},   {"Han", HAN},           {"Hiragana", KANA},
                 {"Katakana", KANA}, {"Bopomofo", BOPOMOFO}, {"Hangul", HANGUL}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name) == 0) {
            return known[i].bit;
        }
    }
    return OTHER;
}

static bool of_all_scripts(const char *name)
{
    return strcmp(name, "Common") == 0 || strcmp(name, "Inherited") == 0;
}

static const char *label_scripts(const uint32_t *points, const struct policy_list *listed)
{
    const char *other = NULL;
    unsigned seen = 0;
    for (; *points != 0; points++) {
        const uc_script_t *script = uc_script(*points);
        const char *name = script == NULL ? "Unknown" : script->name;
        if (of_all_scripts(name)) {
            continue;
        }
        if (listed->n > 0 && !policy_list_has(listed, slice_str(name))) {
            return "the listed scripts";
        }
        unsigned bit = script_bit(name);
        if (bit == OTHER && other != NULL && strcmp(other, name) != 0) {
            return "labels of one script (UTS 39 5.2)";
        }
        other = bit == OTHER ? name : other;
        seen |= bit;
    }
    bool one = (seen & (seen - 1)) == 0;
    bool east = (seen & ~(unsigned)(LATIN | HAN | KANA)) == 0 ||
                (seen & ~(unsigned)(LATIN | HAN | BOPOMOFO)) == 0 ||
                (seen & ~(unsigned)(LATIN | HAN | HANGUL)) == 0;
    return one || east ? NULL : "labels of one script (UTS 39 5.2)";
}

const char *policy_idna_scripts(struct slice name, const struct policy_list *listed)
{
    struct slice label;
    const char *wrong = NULL;
    while (wrong == NULL && next_label(&name, &label)) {
        if (is_a_label(label)) {
            uint32_t *points = decode(label);
            wrong = points == NULL ? "a readable A-label" : label_scripts(points, listed);
            idn2_free(points);
        }
    }
    return wrong;
}

bool policy_idna_script_known(struct slice name)
{
    char text[64];
    if (name.len == 0 || name.len >= sizeof text || slice_has_nul(name)) {
        return false;
    }
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    return uc_script_byname(text) != NULL;
}

bool policy_idna_ascii(struct slice name, char out[POLICY_IDNA_TEXT])
{
    char text[4 * POLICY_IDNA_TEXT];
    char *ascii = NULL;
    if (name.len == 0 || name.len >= sizeof text || slice_has_nul(name) || !slice_is_utf8(name)) {
        return false;
    }
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    bool ok = idn2_to_ascii_8z(text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK &&
              strlen(ascii) < POLICY_IDNA_TEXT;
    if (ok) {
        memcpy(out, ascii, strlen(ascii) + 1);
    }
    idn2_free(ascii);
    return ok;
}
