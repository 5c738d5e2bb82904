/* The inner loops around a request: its text looked through, its names looked up, and its chances hashed. */

#include "_native.h"

#define DEEPEST 32
#define MOST_NAMES 256
#define LONGEST_NUMBER 4000

typedef struct {
    const unsigned char *text;
    Py_ssize_t length;
} Name;

/* Whether one of the names from `first` on is the last of them. */
static int
repeated(const Name *names, int first, int count)
{
    const Name *last = &names[count - 1];
    for (int i = first; i < count - 1; i++)
        if (names[i].length == last->length && memcmp(names[i].text, last->text, (size_t)last->length) == 0)
            return 1;
    return 0;
}

/* Where the text that begins behind this quotation mark ends, or NULL where it needs a closer look. */
static const unsigned char *
closing(const unsigned char *at, const unsigned char *end, int *escapes)
{
    for (*escapes = 0; at < end && *at != '"'; at++) {
        if (*at < 0x20)
            return NULL;
        if (*at == '\\') {
            *escapes = 1;
            at++;
        }
    }
    return at < end ? at : NULL;
}

/* doubtful(body): whether JSON that one decoder has taken needs another, stricter one; a name may be given twice in a
   table, or the text is deeper, longer or stranger than what is looked at here */
PyObject *
native_doubtful(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 1)
        return needs(given, 1);
    char *body;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(args[0], &body, &length) < 0)
        return NULL;
    const unsigned char *at = (const unsigned char *)body, *end = at + length, *number = NULL;
    Name names[MOST_NAMES];
    int first[DEEPEST], table[DEEPEST], depth = 0, count = 0, named = 0, doubt = 0;
    for (; at < end && !doubt; at++) {
        switch (*at) {
        case '{':
        case '[':
            if (++depth == DEEPEST) {
                doubt = 1;
                break;
            }
            table[depth] = named = *at == '{';
            first[depth] = count;
            break;
        case '}':
        case ']':
            if (depth == 0) {
                doubt = 1;
                break;
            }
            count = first[depth--];
            named = 0;
            break;
        case ',':
            named = depth > 0 && table[depth];
            break;
        case '"': {
            int escapes;
            const unsigned char *begin = at + 1;
            const unsigned char *last = closing(begin, end, &escapes);
            doubt = last == NULL || (named && (escapes || count == MOST_NAMES));
            if (doubt)
                break;
            at = last;
            if (named) {
                names[count++] = (Name){begin, last - begin};
                doubt = repeated(names, first[depth], count);
                named = 0;
            }
            break;
        }
        default:
            if (*at >= '0' && *at <= '9') {
                number = number == NULL ? at : number;
                doubt = at - number > LONGEST_NUMBER;
                continue;
            }
        }
        number = NULL;
    }
    return PyBool_FromLong(doubt);
}

/* Whether this row is new to a table of so many slots, a power of two, of which -1 says that they are free. */
static int
new_row(int64_t *table, Py_ssize_t slots, int64_t row)
{
    Py_ssize_t slot = (Py_ssize_t)((uint64_t)row * 11400714819323198485u >> 32) & (slots - 1);
    for (; table[slot] != row; slot = (slot + 1) & (slots - 1))
        if (table[slot] < 0) {
            table[slot] = row;
            return 1;
        }
    return 0;
}

/* found(rows by name, candidates, out): the different texts among the candidates in their order, their rows in `out`,
   -1 where there is none, and the candidates that are no texts */
PyObject *
native_found(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 3)
        return needs(given, 3);
    if (!PyDict_Check(args[0]) || !PyTuple_Check(args[1]))
        return PyErr_Format(PyExc_TypeError, "rows must be a dict, candidates a tuple");
    Buffers all = {.count = 0, .failed = 0};
    Py_ssize_t room, n = PyTuple_Size(args[1]), slots = 64;
    int64_t *out = contiguous(&all, args[2], 8, 1, &room);
    while (slots < 2 * n)
        slots *= 2;
    int64_t *table = malloc((size_t)slots * sizeof *table);
    PyObject *unknown = PySet_New(NULL), *texts = PyList_New(0), *others = PyList_New(0);
    if (table == NULL)
        PyErr_NoMemory();
    else
        memset(table, 0xff, (size_t)slots * sizeof *table);
    all.failed |= table == NULL || unknown == NULL || texts == NULL || others == NULL;
    if (!all.failed && room < n) {
        PyErr_Format(PyExc_ValueError, "%zd rows, must be %zd", room, n);
        all.failed = 1;
    }
    for (Py_ssize_t i = 0, different = 0; i < n && !all.failed; i++) {
        PyObject *one = PyTuple_GetItem(args[1], i);
        if (!PyUnicode_Check(one)) {
            all.failed = PyList_Append(others, one) < 0;
            continue;
        }
        PyObject *known = PyDict_GetItemWithError(args[0], one);
        int64_t row = known == NULL ? -1 : PyLong_AsLongLong(known);
        Py_ssize_t before = known == NULL ? PySet_Size(unknown) : 0;
        all.failed = (row < 0 && PyErr_Occurred() != NULL) || (known == NULL && PySet_Add(unknown, one) < 0);
        if (!all.failed && (known == NULL ? PySet_Size(unknown) > before : new_row(table, slots, row))) {
            out[different++] = row;
            all.failed = PyList_Append(texts, one) < 0;
        }
    }
    PyObject *pair = all.failed ? NULL : PyTuple_Pack(2, texts, others);
    all.failed |= pair == NULL;
    free(table);
    Py_XDECREF(unknown);
    Py_XDECREF(texts);
    Py_XDECREF(others);
    return finished(&all, pair);
}

/* hashed(features, hash of a name, namespace, places, values): both are written in the order of the features */
PyObject *
native_hashed(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 5)
        return needs(given, 5);
    Buffers all = {.count = 0, .failed = 0};
    Py_ssize_t room, at = 0, n = 0;
    unsigned long space = PyLong_AsUnsignedLong(args[2]);
    uint32_t *places = contiguous(&all, args[3], 4, 1, &room);
    float *values = contiguous(&all, args[4], 4, 1, NULL);
    all.failed |= PyErr_Occurred() != NULL;
    PyObject *name, *value;
    while (!all.failed && n < room && PyDict_Next(args[0], &at, &name, &value)) {
        PyObject *hash = PyObject_CallFunctionObjArgs(args[1], name, NULL);
        if (hash == NULL) {
            all.failed = 1;
            break;
        }
        places[n] = (uint32_t)(PyLong_AsUnsignedLong(hash) + space);
        values[n++] = (float)PyFloat_AsDouble(value);
        Py_DECREF(hash);
        all.failed = PyErr_Occurred() != NULL;
    }
    return finished(&all, Py_NewRef(Py_None));
}

/* BLAKE2b of one block (RFC 7693), as far as it is needed: 8 bytes of digest, no key. */

static const uint64_t START[8] = {
    0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu, 0xa54ff53a5f1d36f1u,
    0x510e527fade682d1u, 0x9b05688c2b3e6c1fu, 0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u,
};

static const uint8_t ORDER[12][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
};

#define TURNED(word, right) ((word) >> (right) | (word) << (64 - (right)))
#define STIR(a, b, c, d, x, y)                                                                                         \
    a += b + (x), d = TURNED(d ^ a, 32), c += d, b = TURNED(b ^ c, 24);                                                \
    a += b + (y), d = TURNED(d ^ a, 16), c += d, b = TURNED(b ^ c, 63)

static uint64_t
word(const uint8_t *of)
{
    return (uint64_t)of[0] | (uint64_t)of[1] << 8 | (uint64_t)of[2] << 16 | (uint64_t)of[3] << 24 |
           (uint64_t)of[4] << 32 | (uint64_t)of[5] << 40 | (uint64_t)of[6] << 48 | (uint64_t)of[7] << 56;
}

/* The first word of the digest of a block of so many bytes, filled up with zeros. */
static uint64_t
digest(const uint8_t *block, Py_ssize_t length)
{
    uint64_t v[16], m[16], first = START[0] ^ 0x01010008u;
    for (int i = 0; i < 16; i++) {
        m[i] = word(block + 8 * i);
        v[i] = START[i & 7];
    }
    v[0] = first;
    v[12] ^= (uint64_t)length;
    v[14] = ~v[14];
    for (int round = 0; round < 12; round++) {
        const uint8_t *of = ORDER[round];
        STIR(v[0], v[4], v[8], v[12], m[of[0]], m[of[1]]);
        STIR(v[1], v[5], v[9], v[13], m[of[2]], m[of[3]]);
        STIR(v[2], v[6], v[10], v[14], m[of[4]], m[of[5]]);
        STIR(v[3], v[7], v[11], v[15], m[of[6]], m[of[7]]);
        STIR(v[0], v[5], v[10], v[15], m[of[8]], m[of[9]]);
        STIR(v[1], v[6], v[11], v[12], m[of[10]], m[of[11]]);
        STIR(v[2], v[7], v[8], v[13], m[of[12]], m[of[13]]);
        STIR(v[3], v[4], v[9], v[14], m[of[14]], m[of[15]]);
    }
    return first ^ v[0] ^ v[8];
}

/* uniforms(parts as they are hashed, first position, count): a list of numbers in [0, 1), or None where the parts and
   a position do not fit into one block */
PyObject *
native_uniforms(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 3)
        return needs(given, 3);
    char *parts;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(args[0], &parts, &length) < 0)
        return NULL;
    long first = PyLong_AsLong(args[1]), count = PyLong_AsLong(args[2]);
    if (PyErr_Occurred())
        return NULL;
    if (length > 100 || first < 0 || first > 1000000000 - count)
        return Py_NewRef(Py_None);
    PyObject *list = PyList_New(0);
    for (long position = first; list != NULL && position < first + count; position++) {
        uint8_t block[128] = {0};
        char digits[16];
        int size = 0;
        for (long rest = position; size == 0 || rest > 0; rest /= 10)
            digits[size++] = (char)('0' + rest % 10);
        memcpy(block, parts, (size_t)length);
        block[length + 3] = (uint8_t)size;
        for (int i = 0; i < size; i++)
            block[length + 4 + i] = (uint8_t)digits[size - 1 - i];
        uint64_t found = digest(block, length + 4 + size), turned_round = 0;
        for (int i = 0; i < 8; i++)
            turned_round = turned_round << 8 | (found >> 8 * i & 0xff);
        PyObject *number = PyFloat_FromDouble((double)(turned_round >> 11) / 9007199254740992.0);
        if (number == NULL || PyList_Append(list, number) < 0)
            Py_CLEAR(list);
        Py_XDECREF(number);
    }
    return list;
}
