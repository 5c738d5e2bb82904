/* The inner loops of a ranking: what `kernel.py` says in NumPy, to the last bit, without its cost for each small array.

   Sums run in one order, in double precision, and are compiled without fused multiply-add, so that a decision can be
   made again on any machine. Arguments come from `kernel.py` alone, which makes sure of types, shapes and ranges;
   here only sizes of items are looked at.  */

#include "_native.h"

#define FNV_PRIME 16777619u

/* The different features of the candidates, numbered in the order in which they are met. */
typedef struct {
    uint32_t slots;     /* of the two below, a power of two */
    int32_t *feature;   /* -1: free */
    int32_t *numbered;
    int32_t count;
    uint32_t *place;    /* of each in the table of weights */
    double *worth;      /* of each under this request */
} Met;

static int32_t
number(Met *of, int32_t feature, uint32_t place)
{
    uint32_t slot = ((uint32_t)feature * 2654435769u) & (of->slots - 1);
    while (of->feature[slot] != feature) {
        if (of->feature[slot] < 0) {
            of->feature[slot] = feature;
            of->numbered[slot] = of->count;
            of->place[of->count] = place;
            return of->count++;
        }
        slot = (slot + 1) & (of->slots - 1);
    }
    return of->numbered[slot];
}

/* Weigh each feature by itself and crossed with every feature of the request, in their order.

   Nearly all time goes into waiting for weights that are anywhere in the table. In a loop that does nothing else, and
   for four features side by side, the processor waits for many of them at once. */
static void
weigh(Met *of, const float *table, uint32_t mask, Py_ssize_t shared, const uint32_t *crossed, const double *values)
{
    int32_t i = 0;
    for (; i + 4 <= of->count; i += 4) {
        uint32_t a = of->place[i], b = of->place[i + 1], c = of->place[i + 2], d = of->place[i + 3];
        double of_a = 0.0, of_b = 0.0, of_c = 0.0, of_d = 0.0;
        for (Py_ssize_t k = 0; k < shared; k++) {
            uint32_t with = crossed[k];
            double value = values[k];
            of_a += (double)table[(with ^ a) & mask] * value;
            of_b += (double)table[(with ^ b) & mask] * value;
            of_c += (double)table[(with ^ c) & mask] * value;
            of_d += (double)table[(with ^ d) & mask] * value;
        }
        of->worth[i] = (double)table[a] + of_a;
        of->worth[i + 1] = (double)table[b] + of_b;
        of->worth[i + 2] = (double)table[c] + of_c;
        of->worth[i + 3] = (double)table[d] + of_d;
    }
    for (; i < of->count; i++) {
        uint32_t a = of->place[i];
        double of_a = 0.0;
        for (Py_ssize_t k = 0; k < shared; k++)
            of_a += (double)table[(crossed[k] ^ a) & mask] * values[k];
        of->worth[i] = (double)table[a] + of_a;
    }
}

/* scores(table, constant, shared places, shared values, rows, features, values, places, source places, sources, out) */
static PyObject *
native_scores(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 11)
        return needs(given, 11);
    Buffers all = {.count = 0, .failed = 0};
    Py_ssize_t size, shared, n, rows, entries, columns;
    const float *table = contiguous(&all, args[0], 4, 0, &size);
    unsigned long constant = PyLong_AsUnsignedLong(args[1]);
    const uint32_t *firsts = contiguous(&all, args[2], 4, 0, &shared);
    const float *first_values = contiguous(&all, args[3], 4, 0, NULL);
    const int64_t *row = contiguous(&all, args[4], 8, 0, &n);
    const int32_t *features = contiguous(&all, args[5], 4, 0, &entries);
    const float *values = contiguous(&all, args[6], 4, 0, NULL);
    const uint32_t *places = contiguous(&all, args[7], 4, 0, NULL);
    const uint32_t *source_places = contiguous(&all, args[8], 4, 0, &columns);
    const float *sources = contiguous(&all, args[9], 4, 0, NULL);
    double *out = contiguous(&all, args[10], 8, 1, NULL);
    if (PyErr_Occurred())
        all.failed = 1;
    if (all.failed)
        return finished(&all, NULL);
    rows = all.held[4].shape[0];
    Py_ssize_t width = rows ? entries / rows : 0;

    uint32_t slots = 64;
    while ((Py_ssize_t)slots < 2 * n * width)
        slots *= 2;
    uint32_t *crossed = malloc((size_t)(shared + 1) * sizeof *crossed);
    double *doubles = malloc((size_t)(shared + columns + 1) * sizeof *doubles);
    int32_t *numbers = malloc((size_t)(2 * slots + n * width) * sizeof *numbers);
    uint32_t *place = malloc((size_t)(n * width + 1) * sizeof *place);
    double *worth = malloc((size_t)(n * width + 1) * sizeof *worth);
    if (crossed == NULL || doubles == NULL || numbers == NULL || place == NULL || worth == NULL) {
        PyErr_NoMemory();
        all.failed = 1;
    }
    else {
        uint32_t mask = (uint32_t)(size - 1);
        int32_t *met = numbers + 2 * slots;
        Met of = {slots, numbers, numbers + slots, 0, place, worth};
        double common = (double)table[(uint32_t)constant & mask], said = 0.0;
        memset(of.feature, 0xff, (size_t)slots * sizeof *of.feature);
        for (Py_ssize_t k = 0; k < shared; k++) {
            uint32_t place = firsts[k] & mask;
            crossed[k] = place * FNV_PRIME;
            doubles[k] = (double)first_values[k];
            said += (double)table[place] * doubles[k];
        }
        common += said;
        double *source_weights = doubles + shared;
        for (Py_ssize_t s = 0; s < columns; s++)
            source_weights[s] = (double)table[source_places[s] & mask];
        for (Py_ssize_t i = 0; i < n; i++) {
            const int32_t *has = features + row[i] * width;
            const float *value = values + row[i] * width;
            for (Py_ssize_t w = 0; w < width; w++)
                met[i * width + w] = value[w] != 0.0f ? number(&of, has[w], places[has[w]] & mask) : 0;
        }
        weigh(&of, table, mask, shared, crossed, doubles);
        for (Py_ssize_t i = 0; i < n; i++) {
            const float *value = values + row[i] * width;
            double sum = 0.0;
            for (Py_ssize_t w = 0; w < width; w++)
                if (value[w] != 0.0f)
                    sum += worth[met[i * width + w]] * (double)value[w];
            sum += common;
            if (columns) {
                double from = 0.0;
                for (Py_ssize_t s = 0; s < columns; s++)
                    from += (double)sources[i * columns + s] * source_weights[s];
                sum += from;
            }
            out[i] = sum;
        }
    }
    free(crossed);
    free(doubles);
    free(numbers);
    free(place);
    free(worth);
    return finished(&all, Py_NewRef(Py_None));
}

/* A slate of n candidates that is being filled; `groups` and `members` have n entries for each cap and each mixture. */
typedef struct {
    Py_ssize_t n, caps, mixtures;
    const double *scores;
    const int32_t *groups;
    const int64_t *most;
    Py_ssize_t named; /* groups of a cap, at most */
    int32_t *counts;  /* picks of each, a table for each cap */
    const double *shares;
    const uint8_t *members;
    uint8_t *taken;
    int64_t *left; /* the items that the next slot may hold */
    double *added; /* what mixtures add to the chance of each of these */
} Filling;

static int
permitted(const Filling *of, Py_ssize_t i)
{
    for (Py_ssize_t c = 0; c < of->caps; c++) {
        int32_t group = of->groups[c * of->n + i];
        if (group >= 0 && of->counts[c * of->named + group] >= of->most[c])
            return 0;
    }
    return 1;
}

static void
count_pick(Filling *of, Py_ssize_t i)
{
    for (Py_ssize_t c = 0; c < of->caps; c++) {
        int32_t group = of->groups[c * of->n + i];
        if (group >= 0)
            of->counts[c * of->named + group]++;
    }
}

/* How many items the next slot may hold: those permitted, or, where none is, all that are left. */
static Py_ssize_t
find_left(Filling *of)
{
    Py_ssize_t count = 0;
    for (Py_ssize_t i = 0; i < of->n; i++)
        if (!of->taken[i] && permitted(of, i))
            of->left[count++] = i;
    if (count == 0 && of->caps)
        for (Py_ssize_t i = 0; i < of->n; i++)
            if (!of->taken[i])
                of->left[count++] = i;
    return count;
}

/* What mixtures leave to the policy; what they add to each item left goes to `added`. */
static double
mix(Filling *of, Py_ssize_t left)
{
    double kept = 1.0;
    memset(of->added, 0, (size_t)left * sizeof *of->added);
    for (Py_ssize_t m = 0; m < of->mixtures; m++) {
        const uint8_t *member = of->members + m * of->n;
        Py_ssize_t count = 0;
        for (Py_ssize_t k = 0; k < left; k++)
            count += member[of->left[k]];
        if (count == 0)
            continue;
        double each = of->shares[m] / (double)count;
        kept -= of->shares[m];
        for (Py_ssize_t k = 0; k < left; k++)
            if (member[of->left[k]])
                of->added[k] += each;
    }
    return kept;
}

/* The item that this chance draws from those left, and its propensity. */
static int64_t
drawn(Filling *of, Py_ssize_t left, double epsilon, double chance, double *propensity)
{
    double best = of->scores[of->left[0]], total = 0.0, sum = 0.0, found = 0.0;
    Py_ssize_t ties = 0, at = -1;
    for (Py_ssize_t k = 1; k < left; k++)
        if (of->scores[of->left[k]] > best)
            best = of->scores[of->left[k]];
    for (Py_ssize_t k = 0; k < left; k++)
        ties += of->scores[of->left[k]] == best;
    double kept = mix(of, left), floor = epsilon / (double)left, top = floor + (1 - epsilon) / (double)ties;
    floor *= kept, top *= kept;
    for (Py_ssize_t k = 0; k < left; k++) {
        of->added[k] += of->scores[of->left[k]] == best ? top : floor;
        total += of->added[k];
    }
    double passed = chance * total;
    for (Py_ssize_t k = 0; k < left; k++) {
        sum += of->added[k];
        if (of->added[k] != 0.0)
            at = k, found = of->added[k];
        if (sum > passed)
            break;
    }
    *propensity = found;
    return of->left[at];
}

/* greedy(scores, epsilon, chances, indices, propensities,
          groups, most, shares, members, first position, places of pins, pins)

   Pins in the order of their places, rising. */
static PyObject *
native_greedy(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 12)
        return needs(given, 12);
    Buffers all = {.count = 0, .failed = 0};
    Filling of = {0};
    Py_ssize_t slots, pins;
    of.scores = contiguous(&all, args[0], 8, 0, &of.n);
    double epsilon = PyFloat_AsDouble(args[1]);
    const double *chances = contiguous(&all, args[2], 8, 0, &slots);
    int64_t *indices = contiguous(&all, args[3], 8, 1, NULL);
    double *propensities = contiguous(&all, args[4], 8, 1, NULL);
    of.groups = contiguous(&all, args[5], 4, 0, NULL);
    of.most = contiguous(&all, args[6], 8, 0, &of.caps);
    of.shares = contiguous(&all, args[7], 8, 0, &of.mixtures);
    of.members = contiguous(&all, args[8], 1, 0, NULL);
    long long position = PyLong_AsLongLong(args[9]);
    const int64_t *places = contiguous(&all, args[10], 8, 0, &pins);
    const int64_t *pinned = contiguous(&all, args[11], 8, 0, NULL);
    if (PyErr_Occurred())
        all.failed = 1;
    if (all.failed)
        return finished(&all, NULL);
    for (Py_ssize_t i = 0; i < of.caps * of.n; i++)
        if (of.groups[i] >= of.named)
            of.named = of.groups[i] + 1;
    of.counts = calloc((size_t)(of.caps * of.named + 1), sizeof *of.counts);
    of.taken = calloc((size_t)(of.n + 1), 1);
    of.left = malloc((size_t)(of.n + 1) * sizeof *of.left);
    of.added = malloc((size_t)(of.n + 1) * sizeof *of.added);
    if (of.counts == NULL || of.taken == NULL || of.left == NULL || of.added == NULL) {
        PyErr_NoMemory();
        all.failed = 1;
    }
    else {
        for (Py_ssize_t p = 0; p < pins; p++) {
            of.taken[pinned[p]] = 1;
            count_pick(&of, pinned[p]);
        }
        for (Py_ssize_t slot = 0, next = 0; slot < slots; slot++, position++) {
            Py_ssize_t left = find_left(&of);
            if (next < pins && (places[next] <= position || left == 0)) {
                indices[slot] = pinned[next++];
                propensities[slot] = 1.0;
                continue;
            }
            indices[slot] = drawn(&of, left, epsilon, chances[slot], &propensities[slot]);
            of.taken[indices[slot]] = 1;
            count_pick(&of, indices[slot]);
        }
    }
    free(of.counts);
    free(of.taken);
    free(of.left);
    free(of.added);
    return finished(&all, Py_NewRef(Py_None));
}

static PyMethodDef methods[] = {
    {"scores", (PyCFunction)(void (*)(void))native_scores, METH_FASTCALL, NULL},
    {"greedy", (PyCFunction)(void (*)(void))native_greedy, METH_FASTCALL, NULL},
    {"best", (PyCFunction)(void (*)(void))native_best, METH_FASTCALL, NULL},
    {"met", (PyCFunction)(void (*)(void))native_met, METH_FASTCALL, NULL},
    {"heard", (PyCFunction)(void (*)(void))native_heard, METH_FASTCALL, NULL},
    {"brought", (PyCFunction)(void (*)(void))native_brought, METH_FASTCALL, NULL},
    {"listed", (PyCFunction)(void (*)(void))native_listed, METH_FASTCALL, NULL},
    {"profile", (PyCFunction)(void (*)(void))native_profile, METH_FASTCALL, NULL},
    {"alike", (PyCFunction)(void (*)(void))native_alike, METH_FASTCALL, NULL},
    {"nearest", (PyCFunction)(void (*)(void))native_nearest, METH_FASTCALL, NULL},
    {"crossed", (PyCFunction)(void (*)(void))native_crossed, METH_FASTCALL, NULL},
    {"weighed", (PyCFunction)(void (*)(void))native_weighed, METH_FASTCALL, NULL},
    {"shrunk", (PyCFunction)(void (*)(void))native_shrunk, METH_FASTCALL, NULL},
    {"weighted", (PyCFunction)(void (*)(void))native_weighted, METH_FASTCALL, NULL},
    {"robust", (PyCFunction)(void (*)(void))native_robust, METH_FASTCALL, NULL},
    {"direct", (PyCFunction)(void (*)(void))native_direct, METH_FASTCALL, NULL},
    {"fused", (PyCFunction)(void (*)(void))native_fused, METH_FASTCALL, NULL},
    {"doubtful", (PyCFunction)(void (*)(void))native_doubtful, METH_FASTCALL, NULL},
    {"found", (PyCFunction)(void (*)(void))native_found, METH_FASTCALL, NULL},
    {"hashed", (PyCFunction)(void (*)(void))native_hashed, METH_FASTCALL, NULL},
    {"uniforms", (PyCFunction)(void (*)(void))native_uniforms, METH_FASTCALL, NULL},
    {"keep", (PyCFunction)(void (*)(void))native_keep, METH_FASTCALL, NULL},
    {"learn", (PyCFunction)(void (*)(void))native_learn, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_native", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&module);
}
