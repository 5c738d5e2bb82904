/* The inner loops of a ranking: what `kernel.py` says in NumPy, to the last bit, without its cost for each small array.

   Sums run in one order, in double precision, and are compiled without fused multiply-add, so that a decision can be
   made again on any machine. Arguments come from `kernel.py` alone, which makes sure of types, shapes and ranges;
   here only sizes of items are looked at.  */

#include "_native.h"

#define FNV_PRIME 16777619u

/* What each feature of the candidates is worth under this request, computed when it is met first. */
typedef struct {
    const float *table;
    uint32_t mask;
    Py_ssize_t shared;
    const uint32_t *crossed; /* place of each shared feature, times the prime */
    const double *values;
    uint32_t slots;   /* of the two below, a power of two */
    int32_t *feature; /* -1: free */
    double *worth;
} Worths;

static double
worth(Worths *of, int32_t feature, uint32_t place)
{
    uint32_t slot = ((uint32_t)feature * 2654435769u) & (of->slots - 1);
    while (of->feature[slot] != feature) {
        if (of->feature[slot] < 0) {
            double sum = 0.0;
            place &= of->mask;
            for (Py_ssize_t k = 0; k < of->shared; k++)
                sum += (double)of->table[(of->crossed[k] ^ place) & of->mask] * of->values[k];
            of->feature[slot] = feature;
            of->worth[slot] = (double)of->table[place] + sum;
            break;
        }
        slot = (slot + 1) & (of->slots - 1);
    }
    return of->worth[slot];
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
    int32_t *feature = malloc((size_t)slots * sizeof *feature);
    double *worths = malloc((size_t)slots * sizeof *worths);
    if (crossed == NULL || doubles == NULL || feature == NULL || worths == NULL) {
        PyErr_NoMemory();
        all.failed = 1;
    }
    else {
        uint32_t mask = (uint32_t)(size - 1);
        Worths of = {table, mask, shared, crossed, doubles, slots, feature, worths};
        double common = (double)table[(uint32_t)constant & mask], said = 0.0;
        memset(feature, 0xff, (size_t)slots * sizeof *feature);
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
            double sum = 0.0;
            for (Py_ssize_t w = 0; w < width; w++)
                if (value[w] != 0.0f)
                    sum += worth(&of, has[w], places[has[w]]) * (double)value[w];
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
    free(feature);
    free(worths);
    return finished(&all, Py_NewRef(Py_None));
}

/* greedy(scores, epsilon, chances, indices, propensities) */
static PyObject *
native_greedy(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 5)
        return needs(given, 5);
    Buffers all = {.count = 0, .failed = 0};
    Py_ssize_t n, slots;
    const double *scores = contiguous(&all, args[0], 8, 0, &n);
    double epsilon = PyFloat_AsDouble(args[1]);
    const double *chances = contiguous(&all, args[2], 8, 0, &slots);
    int64_t *indices = contiguous(&all, args[3], 8, 1, NULL);
    double *propensities = contiguous(&all, args[4], 8, 1, NULL);
    if (PyErr_Occurred())
        all.failed = 1;
    if (all.failed)
        return finished(&all, NULL);
    double *left = malloc((size_t)(n + 1) * sizeof *left);
    int64_t *index = malloc((size_t)(n + 1) * sizeof *index);
    if (left == NULL || index == NULL) {
        PyErr_NoMemory();
        all.failed = 1;
    }
    else {
        memcpy(left, scores, (size_t)n * sizeof *left);
        for (Py_ssize_t i = 0; i < n; i++)
            index[i] = i;
        for (Py_ssize_t slot = 0; slot < slots; slot++, n--) {
            double best = left[0];
            Py_ssize_t ties = 0, at = -1, last = -1;
            for (Py_ssize_t i = 1; i < n; i++)
                if (left[i] > best)
                    best = left[i];
            for (Py_ssize_t i = 0; i < n; i++)
                ties += left[i] == best;
            double floor = epsilon / (double)n, top = floor + (1 - epsilon) / (double)ties, total = 0.0, sum = 0.0;
            for (Py_ssize_t i = 0; i < n; i++)
                total += left[i] == best ? top : floor;
            double passed = chances[slot] * total;
            for (Py_ssize_t i = 0; i < n && at < 0; i++) {
                double chance = left[i] == best ? top : floor;
                sum += chance;
                if (chance != 0.0)
                    last = i;
                if (sum > passed)
                    at = i;
            }
            if (at < 0)
                at = last;
            indices[slot] = index[at];
            propensities[slot] = left[at] == best ? top : floor;
            memmove(left + at, left + at + 1, (size_t)(n - at - 1) * sizeof *left);
            memmove(index + at, index + at + 1, (size_t)(n - at - 1) * sizeof *index);
        }
    }
    free(left);
    free(index);
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
    {"alike", (PyCFunction)(void (*)(void))native_alike, METH_FASTCALL, NULL},
    {"nearest", (PyCFunction)(void (*)(void))native_nearest, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_native", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&module);
}
