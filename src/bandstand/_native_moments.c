/* Sums over the rows of a log, in one pass over memory: what `stats` says in NumPy, up to the rounding of sums.

   Blocks of rows that stay in the processor's first cache are summed and merge by Chan, Golub and LeVeque (1983).
   Poison (NaN, infinity) is not looked for: it stays in the sums, where the caller finds it. */

#include <math.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "_native.h"

#define BLOCK 1024
#define MOST_COLUMNS 8
#define DIGITS 1e-3 /* a spread below this share of the squares would lose more than three of its 16 digits to them */

typedef double Two __attribute__((vector_size(16)));
typedef int64_t TwoCounts __attribute__((vector_size(16)));

static inline Two
two(const double *x)
{
    Two both;
    memcpy(&both, x, sizeof both);
    return both;
}

/* The lesser of each pair; of `b` where `a` is NaN. */
static inline Two
lesser(Two a, Two b)
{
#ifdef __SSE2__
    return _mm_min_pd(a, b);
#else
    return (Two){a[0] < b[0] ? a[0] : b[0], a[1] < b[1] ? a[1] : b[1]};
#endif
}

static inline Two
greater(Two a, Two b)
{
#ifdef __SSE2__
    return _mm_max_pd(a, b);
#else
    return (Two){a[0] > b[0] ? a[0] : b[0], a[1] > b[1] ? a[1] : b[1]};
#endif
}

static double
least(Two both)
{
    return both[0] < both[1] ? both[0] : both[1];
}

static double
greatest(Two both)
{
    return both[0] > both[1] ? both[0] : both[1];
}

typedef struct {
    int columns;
    double n;
    double means[MOST_COLUMNS];
    double products[MOST_COLUMNS][MOST_COLUMNS]; /* centred; the lower half */
} Crossed;

/* Sums over a block of rows, of values taken from `from`, and of their products. */
typedef struct {
    double from[MOST_COLUMNS];
    double sums[MOST_COLUMNS];
    double products[MOST_COLUMNS][MOST_COLUMNS];
} Sums;

/* `columns` is a constant wherever this is called, so that its loops unroll. */
static inline __attribute__((always_inline)) void
sum_rows(Sums *block, const double *const *rows, Py_ssize_t more, const int columns)
{
    Two sums[MOST_COLUMNS] = {{0.0}}, products[MOST_COLUMNS][MOST_COLUMNS] = {{{0.0}}}, values[MOST_COLUMNS];
    Py_ssize_t i = 0;
    for (; i + 2 <= more; i += 2)
        for (int a = 0; a < columns; a++) {
            values[a] = two(rows[a] + i) - (Two){block->from[a], block->from[a]};
            sums[a] += values[a];
            for (int b = 0; b <= a; b++)
                products[a][b] += values[a] * values[b];
        }
    if (i < more)
        for (int a = 0; a < columns; a++) {
            values[a] = (Two){rows[a][i] - block->from[a], 0.0};
            sums[a] += values[a];
            for (int b = 0; b <= a; b++)
                products[a][b] += values[a] * values[b];
        }
    for (int a = 0; a < columns; a++) {
        block->sums[a] = sums[a][0] + sums[a][1];
        for (int b = 0; b <= a; b++)
            block->products[a][b] = products[a][b][0] + products[a][b][1];
    }
}

static inline __attribute__((always_inline)) void
merge(Crossed *of, const Sums *block, Py_ssize_t more, const int columns)
{
    double centres[MOST_COLUMNS], deltas[MOST_COLUMNS], n = (double)more, share = n / (of->n + n);
    for (int a = 0; a < columns; a++) {
        centres[a] = block->sums[a] / n;
        deltas[a] = block->from[a] + centres[a] - of->means[a];
        for (int b = 0; b <= a; b++)
            of->products[a][b] +=
                block->products[a][b] - centres[a] * block->sums[b] + deltas[a] * deltas[b] * of->n * share;
    }
    for (int a = 0; a < columns; a++)
        of->means[a] += deltas[a] * share;
    of->n += n;
}

/* From about where the means are, so that little cancels when the sums are centred, and equal values have a spread of
   exactly zero. */
static inline __attribute__((always_inline)) void
add_rows(Crossed *of, const double *const *rows, Py_ssize_t more, const int columns)
{
    Sums block;
    for (int a = 0; a < columns; a++) {
        block.from[a] = of->means[a];
        if (of->n == 0) { /* nothing is known of where they are */
            double off = 0.0;
            for (Py_ssize_t i = 0; i < more; i++)
                off += rows[a][i] - rows[a][0];
            block.from[a] = rows[a][0] + off / (double)more;
        }
    }
    sum_rows(&block, rows, more, columns);
    merge(of, &block, more, columns);
}

/* Means, then the products row by row. */
static void
told(const Crossed *of, double *out)
{
    for (int a = 0; a < of->columns; a++) {
        out[a] = of->means[a];
        for (int b = 0; b < of->columns; b++)
            out[of->columns * (a + 1) + b] = of->products[a > b ? a : b][a > b ? b : a];
    }
}

/* crossed(out, column, ...): means and centred products of up to eight columns */
PyObject *
native_crossed(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given < 2 || given > MOST_COLUMNS + 1)
        return needs(given, MOST_COLUMNS + 1);
    Buffers all = {.count = 0, .failed = 0};
    Crossed of = {.columns = (int)given - 1};
    const double *rows[MOST_COLUMNS];
    Py_ssize_t n = 0;
    double *out = contiguous(&all, args[0], 8, 1, NULL);
    for (int a = 0; a < of.columns; a++)
        rows[a] = contiguous(&all, args[a + 1], 8, 0, &n);
    if (all.failed)
        return finished(&all, NULL);
    for (Py_ssize_t start = 0; start < n; start += BLOCK) {
        Py_ssize_t more = n - start < BLOCK ? n - start : BLOCK;
        if (of.columns == 1)
            add_rows(&of, rows, more, 1);
        else if (of.columns == 2)
            add_rows(&of, rows, more, 2);
        else if (of.columns == 3)
            add_rows(&of, rows, more, 3);
        else
            add_rows(&of, rows, more, of.columns);
        for (int a = 0; a < of.columns; a++)
            rows[a] += more;
    }
    told(&of, out);
    return finished(&all, Py_NewRef(Py_None));
}

/* What a call is given: columns of as many numbers, then where to write. */
typedef struct {
    Buffers held;
    const double *columns[4];
    double *out;
    Py_ssize_t n, room;
} Log;

static int
taken(Log *of, PyObject *const *args, Py_ssize_t given, Py_ssize_t wanted, int columns)
{
    Py_ssize_t n = 0;
    of->held.count = of->held.failed = 0;
    if (given != wanted) {
        needs(given, wanted);
        return 0;
    }
    for (int a = 0; a < columns; a++) {
        of->columns[a] = contiguous(&of->held, args[a], 8, 0, &n);
        of->n = a == 0 || n < of->n ? n : of->n;
    }
    of->out = contiguous(&of->held, args[columns], 8, 1, &of->room);
    return !of->held.failed;
}

/* Two rows of a column; of the last alone, it twice. */
static inline Two
rows_at(const double *column, Py_ssize_t i, Py_ssize_t n)
{
    return i + 1 == n ? (Two){column[i], column[i]} : two(column + i);
}

static inline void
put(double *column, Py_ssize_t i, Py_ssize_t n, Two values)
{
    memcpy(column + i, &values, i + 1 == n ? sizeof(double) : sizeof(Two));
}

/* weighed(target, logging, out): the quotients; whether both are such propensities, and the quotients finite */
PyObject *
native_weighed(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    Log log;
    if (!taken(&log, args, given, 3, 2))
        return finished(&log.held, NULL);
    Two low_target = {0.0, 0.0}, high_target = {1.0, 1.0}, low_logging = {1.0, 1.0}, high_logging = {1.0, 1.0};
    Two poison = {0.0, 0.0};
    for (Py_ssize_t i = 0; i < log.n; i += 2) {
        Two wanted = rows_at(log.columns[0], i, log.n), logged = rows_at(log.columns[1], i, log.n);
        Two weights = wanted / logged;
        put(log.out, i, log.n, weights);
        low_target = lesser(wanted, low_target);
        high_target = greater(wanted, high_target);
        low_logging = lesser(logged, low_logging);
        high_logging = greater(logged, high_logging);
        poison += weights * (Two){0.0, 0.0};
    }
    int fine = least(low_target) >= 0 && greatest(high_target) <= 1 && least(low_logging) > 0 &&
               greatest(high_logging) <= 1 && poison[0] + poison[1] == 0;
    return finished(&log.held, PyBool_FromLong(fine));
}

/* shrunk(weights, out, most, cap, base, slope, bend): of each w up to `most`, and 0 above it, the lesser of w and `cap`
   over base + w (slope + bend w); whether all weights are finite and none negative */
PyObject *
native_shrunk(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    Log log;
    if (!taken(&log, args, given, 7, 1))
        return finished(&log.held, NULL);
    Two form[5], low = {0.0, 0.0}, poison = {0.0, 0.0};
    for (int a = 0; a < 5; a++) {
        double number = PyFloat_AsDouble(args[a + 2]);
        form[a] = (Two){number, number};
    }
    if (PyErr_Occurred())
        return finished(&log.held, NULL);
    int straight = form[3][0] == 0 && form[4][0] == 0 && form[2][0] == 1; /* a division by one takes as long as any */
    for (Py_ssize_t i = 0; i < log.n; i += 2) {
        Two w = rows_at(log.columns[0], i, log.n);
        TwoCounts kept = (TwoCounts)lesser(w, form[1]) & (TwoCounts)(w <= form[0]);
        put(log.out, i, log.n, straight ? (Two)kept : (Two)kept / (form[2] + w * (form[3] + form[4] * w)));
        low = lesser(w, low);
        poison += w * (Two){0.0, 0.0};
    }
    return finished(&log.held, PyBool_FromLong(least(low) >= 0 && poison[0] + poison[1] == 0));
}

/* weighted(rewards, weights, out): Σw, Σw², Σwr, Σw²r, Σw²r², Σr, rows with wr ≠ 0, least and greatest w, least and
   greatest r, then the moments of w and wr */
PyObject *
native_weighted(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    Log log;
    if (!taken(&log, args, given, 3, 2))
        return finished(&log.held, NULL);
    Crossed of = {.columns = 2};
    double product[BLOCK], sums[6] = {0.0};
    Two low_w = {INFINITY, INFINITY}, high_w = -low_w, low_r = low_w, high_r = high_w;
    TwoCounts events = {0, 0};
    for (Py_ssize_t start = 0; start < log.n; start += BLOCK) {
        Py_ssize_t more = log.n - start < BLOCK ? log.n - start : BLOCK;
        const double *rewards = log.columns[0] + start, *rows[] = {log.columns[1] + start, product};
        Two all_rewards = {0.0, 0.0};
        for (Py_ssize_t i = 0; i < more; i += 2) {
            Two w = rows_at(rows[0], i, more), r = rows_at(rewards, i, more);
            Two counted = {1.0, i + 1 == more ? 0.0 : 1.0}, wr = w * r * counted;
            put(product, i, more, wr);
            all_rewards += r * counted;
            events -= wr != (Two){0.0, 0.0}; /* true is −1 */
            low_w = lesser(w, low_w);
            high_w = greater(w, high_w);
            low_r = lesser(r, low_r);
            high_r = greater(r, high_r);
        }
        Sums raw = {.from = {0.0, 0.0}};
        sum_rows(&raw, rows, more, 2);
        double found[] = {raw.sums[0],        raw.products[0][0], raw.sums[1],
                          raw.products[1][0], raw.products[1][1], all_rewards[0] + all_rewards[1]};
        int kept = 1;
        for (int a = 0; a < 6; a++)
            sums[a] += found[a];
        for (int a = 0; a < 2; a++)
            kept &= raw.products[a][a] - raw.sums[a] * raw.sums[a] / (double)more > DIGITS * raw.products[a][a];
        if (kept)
            merge(&of, &raw, more, 2);
        else
            add_rows(&of, rows, more, 2);
    }
    double found[] = {(double)(events[0] + events[1]), least(low_w), greatest(high_w), least(low_r), greatest(high_r)};
    memcpy(log.out, sums, sizeof sums);
    memcpy(log.out + 6, found, sizeof found);
    told(&of, log.out + 11);
    return finished(&log.held, Py_NewRef(Py_None));
}

/* robust(rewards, weights, predicted, direct, out): the moments of direct, of w(r − predicted) and of w, the least w */
PyObject *
native_robust(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    Log log;
    if (!taken(&log, args, given, 5, 4))
        return finished(&log.held, NULL);
    Crossed of = {.columns = 3};
    double correction[BLOCK];
    Two low = {INFINITY, INFINITY};
    for (Py_ssize_t start = 0; start < log.n; start += BLOCK) {
        Py_ssize_t more = log.n - start < BLOCK ? log.n - start : BLOCK;
        const double *rewards = log.columns[0] + start, *weights = log.columns[1] + start;
        const double *predicted = log.columns[2] + start;
        for (Py_ssize_t i = 0; i < more; i += 2) {
            Two w = rows_at(weights, i, more);
            put(correction, i, more, w * (rows_at(rewards, i, more) - rows_at(predicted, i, more)));
            low = lesser(w, low);
        }
        add_rows(&of, (const double *[]){log.columns[3] + start, correction, weights}, more, 3);
    }
    told(&of, log.out);
    log.out[12] = least(low);
    return finished(&log.held, Py_NewRef(Py_None));
}

/* direct(target, predicted, out, one, shown, own): Σ_a target × predicted of each row, of as many as `out` has; whether
   each target is a distribution up to `one`, and each value finite. Where `shown` has the actions of all rows, what is
   predicted of them goes to `own`, and each must be one of the row's. */
PyObject *
native_direct(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    Log log;
    Py_ssize_t picked = 0, room = 0;
    if (!taken(&log, args, given, 6, 2))
        return finished(&log.held, NULL);
    double one = PyFloat_AsDouble(args[3]);
    const int64_t *shown = contiguous(&log.held, args[4], 8, 0, &picked);
    double *own = contiguous(&log.held, args[5], 8, 1, &room);
    if (PyErr_Occurred())
        return finished(&log.held, NULL);
    Py_ssize_t rows = log.room, actions = rows > 0 ? log.n / rows : 0;
    Two low = {0.0, 0.0};
    double far = 0.0, poison = 0.0;
    int known = 1, picks = picked == rows && room == rows;
    for (Py_ssize_t i = 0; i < rows && known; i++) {
        const double *pi = log.columns[0] + i * actions, *q = log.columns[1] + i * actions;
        Two sums = {0.0, 0.0}, values = {0.0, 0.0};
        Py_ssize_t a = 0;
        for (; a + 2 <= actions; a += 2) {
            Two chance = two(pi + a);
            sums += chance;
            values += chance * two(q + a);
            low = lesser(chance, low);
        }
        if (a < actions) {
            sums[0] += pi[a];
            values[0] += pi[a] * q[a];
            low = lesser((Two){pi[a], pi[a]}, low);
        }
        double off = fabs(sums[0] + sums[1] - 1.0);
        log.out[i] = values[0] + values[1];
        far = off > far ? off : far;
        poison += 0.0 * (off + log.out[i]);
        if (picks) {
            known = shown[i] >= 0 && shown[i] < actions;
            own[i] = known ? q[shown[i]] : 0.0;
        }
    }
    return finished(&log.held, PyBool_FromLong(known && least(low) >= 0.0 && far <= one && poison == 0.0));
}
