/* What folding a log does over and over to tables of generators: what is said beside it in NumPy, to the last bit. */

#include "_native.h"

#include <math.h>

typedef struct {
    double strength;
    Py_ssize_t at;
} Neighbour;

/* The strongest first; of equals the latest. */
static int
stronger(const void *one, const void *other)
{
    const Neighbour *a = one, *b = other;
    if (a->strength != b->strength)
        return a->strength > b->strength ? -1 : 1;
    return a->at > b->at ? -1 : 1;
}

/* keep(neighbours, together, people, row, length, shrink, most): of this row's `length` neighbours the `most` strongest,
   in the order in which they stood; what is free behind them is 0. */
PyObject *
native_keep(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 7)
        return needs(given, 7);
    Buffers all = {.count = 0, .failed = 0};
    int32_t *neighbours = contiguous(&all, args[0], 4, 1, NULL);
    int32_t *together = contiguous(&all, args[1], 4, 1, NULL);
    const int32_t *people = contiguous(&all, args[2], 4, 0, NULL);
    Py_ssize_t row = PyLong_AsSsize_t(args[3]), length = PyLong_AsSsize_t(args[4]), most = PyLong_AsSsize_t(args[6]);
    double shrink = PyFloat_AsDouble(args[5]);
    if (PyErr_Occurred())
        all.failed = 1;
    if (all.failed)
        return finished(&all, NULL);
    Neighbour *found = malloc((size_t)(length + 1) * sizeof *found);
    uint8_t *kept = calloc((size_t)(length + 1), 1);
    if (found == NULL || kept == NULL) {
        PyErr_NoMemory();
        all.failed = 1;
    }
    else {
        neighbours += row * all.held[0].shape[1];
        together += row * all.held[1].shape[1];
        double root = sqrt((double)people[row]);
        for (Py_ssize_t at = 0; at < length; at++)
            found[at] = (Neighbour){together[at] / (root * sqrt((double)people[neighbours[at]]) + shrink), at};
        qsort(found, (size_t)length, sizeof *found, stronger);
        for (Py_ssize_t k = 0; k < most && k < length; k++)
            kept[found[k].at] = 1;
        Py_ssize_t next = 0;
        for (Py_ssize_t at = 0; at < length; at++)
            if (kept[at]) {
                neighbours[next] = neighbours[at];
                together[next++] = together[at];
            }
        memset(neighbours + next, 0, (size_t)(length - next) * sizeof *neighbours);
        memset(together + next, 0, (size_t)(length - next) * sizeof *together);
    }
    free(found);
    free(kept);
    return finished(&all, Py_NewRef(Py_None));
}
