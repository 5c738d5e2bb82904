/* The inner loops of the candidate generators. */

#include "_native.h"
#include <math.h>

typedef struct {
    double score;
    int64_t row;
} Scored;

/* Without branches: which of two is worse cannot be foretold. */
static int
worse(Scored a, Scored b)
{
    return (a.score < b.score) | ((a.score == b.score) & (a.row > b.row));
}

static void
rise(Scored *heap, Py_ssize_t at)
{
    Scored moved = heap[at];
    while (at > 0 && worse(moved, heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = moved;
}

/* Let the root of a heap, whose root is the worst, find its place: down to a leaf, then up (Wegener 1993). */
static void
sink(Scored *heap, Py_ssize_t size)
{
    Py_ssize_t at = 0, child;
    Scored moved = heap[0];
    while ((child = 2 * at + 1) + 1 < size) {
        child += worse(heap[child + 1], heap[child]);
        heap[at] = heap[child];
        at = child;
    }
    if (child < size) {
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
    rise(heap, at);
}

#define SAMPLE 512

/* Keep the `limit` best of every `step`th score above `least` in a heap: how many there are. */
static Py_ssize_t
keep_best(const double *scores, const char *allowed, Py_ssize_t n, Py_ssize_t step, double least, Scored *heap,
          Py_ssize_t limit)
{
    Py_ssize_t found = 0;
    for (Py_ssize_t i = 0; i < n; i += step) {
        if (!(scores[i] > least) || !allowed[i])
            continue;
        Scored one = {scores[i], i};
        if (found < limit) {
            heap[found] = one;
            rise(heap, found++);
        }
        else {
            heap[0] = one;
            sink(heap, found);
        }
        if (found == limit)
            least = heap[0].score; /* of equal scores the first row is best: a later one must be higher */
    }
    return found;
}

/* best(scores, allowed, out): the number of rows written to `out`, at most its length

   Of many scores a sample says where the best may begin, so that few need a place in the heap; where it said too much,
   all are looked at again. */
PyObject *
native_best(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 3)
        return needs(given, 3);
    Buffers all = {.count = 0, .failed = 0};
    Py_ssize_t n, limit, found = 0;
    const double *scores = contiguous(&all, args[0], 8, 0, &n);
    const char *allowed = contiguous(&all, args[1], 1, 0, NULL);
    int64_t *out = contiguous(&all, args[2], 8, 1, &limit);
    if (all.failed)
        return finished(&all, NULL);
    Scored *heap = malloc((size_t)(limit + SAMPLE) * sizeof *heap);
    if (heap == NULL) {
        PyErr_NoMemory();
        all.failed = 1;
    }
    else if (limit > 0) {
        double least = 0.0;
        if (n >= 8 * limit && n >= 8 * SAMPLE) {
            Py_ssize_t expected = 2 * limit * SAMPLE / n + 8;
            if (keep_best(scores, allowed, n, n / SAMPLE, 0.0, heap, expected) == expected)
                least = heap[0].score;
        }
        found = keep_best(scores, allowed, n, 1, least, heap, limit);
        if (found < limit && least > 0.0)
            found = keep_best(scores, allowed, n, 1, 0.0, heap, limit);
        for (Py_ssize_t left = found; left > 0; left--) {
            out[left - 1] = heap[0].row;
            heap[0] = heap[left - 1];
            sink(heap, left - 1);
        }
    }
    free(heap);
    return finished(&all, all.failed ? NULL : PyLong_FromSsize_t(found));
}

/* met(neighbours, together, lengths, row, before): one more meeting of `row` with each of `before`, on both sides */
PyObject *
native_met(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 5)
        return needs(given, 5);
    Buffers all = {.count = 0, .failed = 0};
    Py_ssize_t entries, rows, others;
    int32_t *neighbours = contiguous(&all, args[0], 4, 1, &entries);
    int32_t *together = contiguous(&all, args[1], 4, 1, NULL);
    int32_t *lengths = contiguous(&all, args[2], 4, 1, NULL);
    int64_t row = PyLong_AsLongLong(args[3]);
    const int64_t *before = contiguous(&all, args[4], 8, 0, &others);
    if (PyErr_Occurred())
        all.failed = 1;
    if (all.failed)
        return finished(&all, NULL);
    rows = all.held[0].shape[0];
    Py_ssize_t width = rows ? entries / rows : 0;
    for (Py_ssize_t meeting = 0; meeting < 2 * others; meeting++) {
        int64_t here = meeting < others ? row : before[meeting - others];
        int64_t there = meeting < others ? before[meeting] : row;
        int32_t *who = neighbours + here * width, *often = together + here * width;
        Py_ssize_t at = 0, length = lengths[here];
        while (at < length && who[at] != there)
            at++;
        if (at == length) {
            who[at] = (int32_t)there;
            lengths[here]++;
        }
        often[at]++;
    }
    return finished(&all, Py_NewRef(Py_None));
}

/* What the two below are told first: tables of neighbours, and a history. */
typedef struct {
    const int32_t *neighbours, *together, *lengths, *people;
    const int64_t *history;
    const double *weights;
    Py_ssize_t width, n;
    double shrink;
} Heard;

static void
hear(Buffers *all, PyObject *const *args, Heard *of)
{
    Py_ssize_t entries;
    of->neighbours = contiguous(all, args[0], 4, 0, &entries);
    of->together = contiguous(all, args[1], 4, 0, NULL);
    of->lengths = contiguous(all, args[2], 4, 0, NULL);
    of->people = contiguous(all, args[3], 4, 0, NULL);
    of->history = contiguous(all, args[4], 8, 0, &of->n);
    of->weights = contiguous(all, args[5], 8, 0, NULL);
    of->shrink = PyFloat_AsDouble(args[6]);
    all->failed |= PyErr_Occurred() != NULL;
    Py_ssize_t rows = all->failed ? 0 : all->held[0].shape[0];
    of->width = rows ? entries / rows : 0;
}

/* What row `i` of the history says for its neighbour number `at`; `root` is of how many people touched that row. */
static double
says(const Heard *of, Py_ssize_t i, Py_ssize_t at, double root)
{
    Py_ssize_t there = of->history[i] * of->width + at;
    double met = sqrt((double)of->people[of->neighbours[there]]);
    return of->weights[i] * ((double)of->together[there] / (root * met + of->shrink));
}

/* Rows by number: slots of a table that is at most half full, a power of two of them, -1 where one is free. */
typedef struct {
    int32_t *number;
    Py_ssize_t slots;
} Table;

static int
open_table(Table *of, Py_ssize_t most)
{
    of->slots = 64;
    while (of->slots < 2 * most)
        of->slots *= 2;
    of->number = malloc((size_t)of->slots * sizeof *of->number);
    if (of->number != NULL)
        memset(of->number, 0xff, (size_t)of->slots * sizeof *of->number);
    return of->number != NULL;
}

/* The slot of `row`, whose number says where it stands in `rows`, or which is free. */
static int32_t *
slot(const Table *of, const int64_t *rows, int64_t row)
{
    Py_ssize_t at = (Py_ssize_t)((uint64_t)row * 11400714819323198485u >> 32) & (of->slots - 1);
    while (of->number[at] >= 0 && rows[of->number[at]] != row)
        at = (at + 1) & (of->slots - 1);
    return of->number + at;
}

/* heard(neighbours, together, lengths, people, history, weights, shrink, size, touched, rows, scores): what the history
   says for each different neighbour below `size`, added up, and 0 for those that were touched; how many there are */
PyObject *
native_heard(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 11)
        return needs(given, 11);
    Buffers all = {.count = 0, .failed = 0};
    Heard of;
    Py_ssize_t others, room, most = 0;
    int32_t found = 0;
    hear(&all, args, &of);
    int64_t size = PyLong_AsLongLong(args[7]);
    const int64_t *touched = contiguous(&all, args[8], 8, 0, &others);
    int64_t *rows = contiguous(&all, args[9], 8, 1, &room);
    double *scores = contiguous(&all, args[10], 8, 1, NULL);
    all.failed |= PyErr_Occurred() != NULL;
    if (all.failed)
        return finished(&all, NULL);
    for (Py_ssize_t i = 0; i < of.n; i++)
        most += of.lengths[of.history[i]];
    Table known;
    if (room < most) {
        PyErr_Format(PyExc_ValueError, "%zd rows, must be %zd", room, most);
        all.failed = 1;
    }
    else if (!open_table(&known, most)) {
        PyErr_NoMemory();
        all.failed = 1;
    }
    if (all.failed)
        return finished(&all, NULL);
    for (Py_ssize_t i = 0; i < of.n; i++) {
        const int32_t *who = of.neighbours + of.history[i] * of.width;
        double root = sqrt((double)of.people[of.history[i]]);
        for (Py_ssize_t at = 0; at < of.lengths[of.history[i]]; at++) {
            if (who[at] >= size)
                continue;
            int32_t *here = slot(&known, rows, who[at]);
            if (*here < 0) {
                rows[found] = who[at];
                scores[found] = 0.0;
                *here = found++;
            }
            scores[*here] += says(&of, i, at, root);
        }
    }
    for (Py_ssize_t i = 0; i < others; i++) {
        int32_t here = *slot(&known, rows, touched[i]);
        if (here >= 0)
            scores[here] = 0.0;
    }
    free(known.number);
    return finished(&all, PyLong_FromLong(found));
}

/* brought(neighbours, together, lengths, people, history, weights, shrink, rows, most, out): the number in the history
   of the row that says most for each of the rows, 0 and up; `most` is what it says */
PyObject *
native_brought(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 10)
        return needs(given, 10);
    Buffers all = {.count = 0, .failed = 0};
    Heard of;
    Py_ssize_t n;
    hear(&all, args, &of);
    const int64_t *rows = contiguous(&all, args[7], 8, 0, &n);
    double *most = contiguous(&all, args[8], 8, 1, NULL);
    int64_t *out = contiguous(&all, args[9], 8, 1, NULL);
    Table asked;
    if (!all.failed && !open_table(&asked, n)) {
        PyErr_NoMemory();
        all.failed = 1;
    }
    if (all.failed)
        return finished(&all, NULL);
    for (Py_ssize_t i = 0; i < n; i++)
        *slot(&asked, rows, rows[i]) = (int32_t)i;
    for (Py_ssize_t i = 0; i < of.n; i++) {
        const int32_t *who = of.neighbours + of.history[i] * of.width;
        double root = sqrt((double)of.people[of.history[i]]);
        for (Py_ssize_t at = 0; at < of.lengths[of.history[i]]; at++) {
            int32_t to = *slot(&asked, rows, who[at]);
            if (to < 0)
                continue;
            double said = says(&of, i, at, root);
            if (said > most[to]) {
                most[to] = said;
                out[to] = i;
            }
        }
    }
    free(asked.number);
    return finished(&all, Py_NewRef(Py_None));
}

/* listed(starts, lengths, rows, weights, words, strengths, scores): add up strength times weight over words' lists */
PyObject *
native_listed(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 7)
        return needs(given, 7);
    Buffers all = {.count = 0, .failed = 0};
    Py_ssize_t n, size;
    const int32_t *starts = contiguous(&all, args[0], 4, 0, NULL);
    const int32_t *lengths = contiguous(&all, args[1], 4, 0, NULL);
    const int32_t *rows = contiguous(&all, args[2], 4, 0, NULL);
    const float *weights = contiguous(&all, args[3], 4, 0, NULL);
    const int32_t *words = contiguous(&all, args[4], 4, 0, &n);
    const float *strengths = contiguous(&all, args[5], 4, 0, NULL);
    double *scores = contiguous(&all, args[6], 8, 1, &size);
    if (all.failed)
        return finished(&all, NULL);
    for (Py_ssize_t i = 0; i < n; i++)
        for (Py_ssize_t at = starts[words[i]], end = at + lengths[words[i]]; at < end; at++)
            if (rows[at] < size)
                scores[rows[at]] += (double)(weights[at] * strengths[i]);
    return finished(&all, Py_NewRef(Py_None));
}

static double
likeness(const int32_t *places, const float *weights, int32_t start, int32_t end, const float *profile, float share)
{
    double sum = 0.0;
    for (int32_t at = start; at < end; at++)
        sum += (double)(profile[places[at]] * (weights[at] * share));
    return sum;
}

/* profile(starts, places, weights, documents, shares, profile, words): add up the documents' vectors times their shares
   in double precision, and write down each word's sum, if it is not 0: how many words these are. `profile` is zero for
   each word before. */
PyObject *
native_profile(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 7)
        return needs(given, 7);
    Buffers all = {.count = 0, .failed = 0};
    Py_ssize_t n, room, entries = 0, slots = 64, different = 0, found = 0;
    const int32_t *starts = contiguous(&all, args[0], 4, 0, NULL);
    const int32_t *places = contiguous(&all, args[1], 4, 0, NULL);
    const float *weights = contiguous(&all, args[2], 4, 0, NULL);
    const int32_t *documents = contiguous(&all, args[3], 4, 0, &n);
    const float *shares = contiguous(&all, args[4], 4, 0, NULL);
    float *profile = contiguous(&all, args[5], 4, 1, NULL);
    int64_t *words = contiguous(&all, args[6], 8, 1, &room);
    if (all.failed)
        return finished(&all, NULL);
    for (Py_ssize_t i = 0; i < n; i++)
        entries += starts[documents[i] + 1] - starts[documents[i]];
    while (slots < 2 * entries)
        slots *= 2;
    int32_t *numbered = malloc((size_t)slots * sizeof *numbered);
    double *sums = malloc((size_t)(entries + 1) * sizeof *sums);
    if (numbered == NULL || sums == NULL) {
        PyErr_NoMemory();
        all.failed = 1;
    }
    else if (room < entries) {
        PyErr_Format(PyExc_ValueError, "%zd words, must be %zd", room, entries);
        all.failed = 1;
    }
    else {
        memset(numbered, 0xff, (size_t)slots * sizeof *numbered);
        for (Py_ssize_t i = 0; i < n; i++)
            for (int32_t at = starts[documents[i]]; at < starts[documents[i] + 1]; at++) {
                Py_ssize_t slot = (Py_ssize_t)(((uint32_t)places[at] * 2654435769u) >> 7) & (slots - 1);
                while (numbered[slot] >= 0 && words[numbered[slot]] != places[at])
                    slot = (slot + 1) & (slots - 1);
                if (numbered[slot] < 0) {
                    words[different] = places[at];
                    sums[different] = 0.0;
                    numbered[slot] = (int32_t)different++;
                }
                sums[numbered[slot]] += (double)(weights[at] * shares[i]);
            }
        for (Py_ssize_t i = 0; i < different; i++)
            if ((float)sums[i] != 0.0f) {
                profile[words[i]] = (float)sums[i];
                words[found++] = words[i];
            }
    }
    free(numbered);
    free(sums);
    return finished(&all, all.failed ? NULL : PyLong_FromSsize_t(found));
}

/* alike(starts, places, weights, documents, profile, out): the inner product of each document with the profile */
PyObject *
native_alike(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 6)
        return needs(given, 6);
    Buffers all = {.count = 0, .failed = 0};
    Py_ssize_t n;
    const int32_t *starts = contiguous(&all, args[0], 4, 0, NULL);
    const int32_t *places = contiguous(&all, args[1], 4, 0, NULL);
    const float *weights = contiguous(&all, args[2], 4, 0, NULL);
    const int32_t *documents = contiguous(&all, args[3], 4, 0, &n);
    const float *profile = contiguous(&all, args[4], 4, 0, NULL);
    double *out = contiguous(&all, args[5], 8, 1, NULL);
    if (all.failed)
        return finished(&all, NULL);
    for (Py_ssize_t i = 0; i < n; i++)
        out[i] = likeness(places, weights, starts[documents[i]], starts[documents[i] + 1], profile, 1.0f);
    return finished(&all, Py_NewRef(Py_None));
}

/* nearest(starts, places, weights, candidates, liked, shares, profile, out): for each candidate the number of the liked
   document with the largest inner product, times its share; `profile` is zero for each word, and is so again */
PyObject *
native_nearest(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 8)
        return needs(given, 8);
    Buffers all = {.count = 0, .failed = 0};
    Py_ssize_t n, others;
    const int32_t *starts = contiguous(&all, args[0], 4, 0, NULL);
    const int32_t *places = contiguous(&all, args[1], 4, 0, NULL);
    const float *weights = contiguous(&all, args[2], 4, 0, NULL);
    const int32_t *candidates = contiguous(&all, args[3], 4, 0, &n);
    const int32_t *liked = contiguous(&all, args[4], 4, 0, &others);
    const float *shares = contiguous(&all, args[5], 4, 0, NULL);
    float *profile = contiguous(&all, args[6], 4, 1, NULL);
    int64_t *out = contiguous(&all, args[7], 8, 1, NULL);
    if (all.failed)
        return finished(&all, NULL);
    for (Py_ssize_t i = 0; i < n; i++) {
        int32_t start = starts[candidates[i]], end = starts[candidates[i] + 1];
        double most = -1.0;
        for (int32_t at = start; at < end; at++)
            profile[places[at]] = weights[at];
        for (Py_ssize_t j = 0; j < others; j++) {
            double alike = likeness(places, weights, starts[liked[j]], starts[liked[j] + 1], profile, shares[j]);
            if (alike > most) {
                most = alike;
                out[i] = j;
            }
        }
        for (int32_t at = start; at < end; at++)
            profile[places[at]] = 0.0f;
    }
    return finished(&all, Py_NewRef(Py_None));
}

/* Candidates that are being fused: the different rows of all proposals, in the order in which they are met. */
typedef struct {
    Py_ssize_t slots;  /* of the table, a power of two */
    int32_t *table;    /* the number of a row, -1: free */
    int64_t *row;
    double *fused;
    uint8_t *promised;
    int32_t *place;    /* among those chosen, or -1 */
    int32_t count;
} Fusing;

static int32_t
candidate(Fusing *of, int64_t row)
{
    Py_ssize_t slot = (Py_ssize_t)((uint64_t)row * 11400714819323198485u >> 32) & (of->slots - 1);
    for (; of->table[slot] >= 0; slot = (slot + 1) & (of->slots - 1))
        if (of->row[of->table[slot]] == row)
            return of->table[slot];
    int32_t number = of->table[slot] = of->count++;
    of->row[number] = row;
    of->fused[number] = 0.0;
    of->promised[number] = 0;
    of->place[number] = -1;
    return number;
}

/* The best of the candidates, those promised first of all, best first: their number. `heap` has room for `limit`. */
static Py_ssize_t
choose(Fusing *of, Scored *heap, Py_ssize_t limit, int64_t *out)
{
    Py_ssize_t found = 0, room = limit;
    for (int32_t i = 0; i < of->count; i++)
        room -= of->promised[i];
    for (int32_t i = 0; i < of->count && room > 0; i++) {
        Scored one = {of->fused[i], of->row[i]};
        if (of->promised[i])
            continue;
        if (found < room) {
            heap[found] = one;
            rise(heap, found++);
        }
        else if (worse(heap[0], one)) {
            heap[0] = one;
            sink(heap, found);
        }
    }
    for (int32_t i = 0; i < of->count; i++)
        if (of->promised[i]) {
            heap[found] = (Scored){of->fused[i], of->row[i]};
            rise(heap, found++);
        }
    for (Py_ssize_t left = found; left > 0; left--) {
        out[left - 1] = heap[0].row;
        of->place[candidate(of, heap[0].row)] = (int32_t)(left - 1);
        heap[0] = heap[left - 1];
        sink(heap, left - 1);
    }
    return found;
}

/* fused(rows, lengths, scaled, strengths, k, share, limit, out, scores, ranks): the proposals of several generators end
   to end; the number of rows written to `out`, and to `scores` and `ranks`, n by generator, what each said of them */
PyObject *
native_fused(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 10)
        return needs(given, 10);
    Buffers all = {.count = 0, .failed = 0};
    Py_ssize_t total, generators, found = 0, slots = 64;
    const int64_t *rows = contiguous(&all, args[0], 8, 0, &total);
    const int64_t *lengths = contiguous(&all, args[1], 8, 0, &generators);
    const double *scaled = contiguous(&all, args[2], 8, 0, NULL);
    const double *strengths = contiguous(&all, args[3], 8, 0, NULL);
    double k = PyFloat_AsDouble(args[4]);
    Py_ssize_t share = PyLong_AsSsize_t(args[5]), limit = PyLong_AsSsize_t(args[6]);
    int64_t *out = contiguous(&all, args[7], 8, 1, NULL);
    float *scores = contiguous(&all, args[8], 4, 1, NULL);
    int32_t *ranks = contiguous(&all, args[9], 4, 1, NULL);
    if (PyErr_Occurred())
        all.failed = 1;
    if (all.failed)
        return finished(&all, NULL);
    while (slots < 2 * total)
        slots *= 2;
    size_t room = (size_t)total + 1;
    int32_t *numbers = malloc(((size_t)slots + 2 * room) * sizeof *numbers);
    int64_t *row = malloc(room * sizeof *row);
    double *fused = malloc(room * sizeof *fused);
    uint8_t *promised = malloc(room);
    Scored *heap = malloc((size_t)(limit + 1) * sizeof *heap);
    if (numbers == NULL || row == NULL || fused == NULL || promised == NULL || heap == NULL) {
        PyErr_NoMemory();
        all.failed = 1;
    }
    else {
        int32_t *of_entry = numbers + slots;
        Fusing of = {slots, numbers, row, fused, promised, of_entry + room, 0};
        memset(numbers, 0xff, (size_t)slots * sizeof *numbers);
        for (Py_ssize_t g = 0, at = 0; g < generators; g++)
            for (Py_ssize_t rank = 0; rank < lengths[g]; rank++, at++) {
                int32_t number = of_entry[at] = candidate(&of, rows[at]);
                fused[number] += strengths[g] / (k + 1.0 + (double)rank);
                promised[number] |= rank < share;
            }
        found = choose(&of, heap, limit, out);
        for (Py_ssize_t g = 0, at = 0; g < generators; g++)
            for (Py_ssize_t rank = 0; rank < lengths[g]; rank++, at++) {
                int32_t place = of.place[of_entry[at]];
                if (place >= 0) {
                    scores[place * generators + g] = (float)scaled[at];
                    ranks[place * generators + g] = (int32_t)rank;
                }
            }
    }
    free(numbers);
    free(row);
    free(fused);
    free(promised);
    free(heap);
    return finished(&all, all.failed ? NULL : PyLong_FromSsize_t(found));
}
