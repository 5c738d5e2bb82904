/* Vowpal Wabbit's learning of one example, to the last bit, from the same text and without its cost.

   What `policy/vw.py` asks of it and nothing else: squared loss, the adaptive normalised invariant update of `gd.cc`
   (9.11), `-q ui -q ci`, `power_t` other than 0.5. Each step below takes its operations in that program's order and in
   single precision, as it does; its reader of numbers is repeated too, for it rounds otherwise than `strtof`.
   `tests/contracts/test_learner.py` holds the two equal.  */

#include "_native.h"

#include <float.h>
#include <math.h>

#define FNV_PRIME 16777619u
#define CONSTANT 11650396u

#if defined(__GNUC__) || defined(__clang__)
#define PREFETCH(address) __builtin_prefetch(address, 1)
#else
#define PREFETCH(address) ((void)0)
#endif

static const float X_MIN = 1.084202e-19f;
static const float X2_MIN = 1.084202e-19f * 1.084202e-19f;

/* One place of the table. `power` is what its normaliser comes to in a rate, 0 where that is not known. */
typedef struct {
    float weight, adaptive, normalised, power;
} Place;

/* One feature of an example: the rate of its place, and the feature before it that has the same place, or -1. */
typedef struct {
    uint32_t at;
    float x, rate, power;
    int32_t before;
} Feature;

/* What the table's examples were: their number, and the sum of their features' normalised squares. */
typedef struct {
    double examples, norms;
} Sums;

/* `fast_pow10.h`: powers by one multiplication or division after the other. */
static float
power_of_ten(int exponent)
{
    float power = 1.0f;
    exponent = (int8_t)exponent;
    if (exponent > FLT_MAX_10_EXP)
        return INFINITY;
    if (exponent < FLT_MIN_10_EXP)
        return 0.0f;
    for (; exponent > 0; exponent--)
        power = 10.0f * power;
    for (; exponent < 0; exponent++)
        power = power / 10.0f;
    return power;
}

static int
digit(char c)
{
    return c >= '0' && c <= '9';
}

/* `parse_primitives.h`, `parse_float`. */
static float
number(const char **text)
{
    const char *start = *text, *p = start;
    int sign = 1, decimals = 0, exponent = 0;
    float sum = 0.0f;
    if (*p == '-')
        sign = -1, p++;
    while (digit(*p))
        sum = sum * 10 + *p++ - '0';
    if (*p == '.')
        while (digit(*++p))
            if (decimals < 35)
                sum = sum * 10 + (*p - '0'), decimals++;
    if (*p == 'e' || *p == 'E') {
        int of = 1;
        p++;
        if (*p == '-')
            of = -1, p++;
        while (digit(*p))
            exponent = exponent * 10 + *p++ - '0';
        exponent *= of;
    }
    if (*p == ' ' || *p == '\0') {
        *text = p;
        return (float)sign * (sum * power_of_ten(exponent - decimals));
    }
    char *end;
    float read = strtof(start, &end);
    *text = end;
    return isnan(read) ? 0.0f : read;
}

/* The hash of a namespace's name, which is added to each feature of it (`features.NAMESPACES`). */
static uint32_t
namespace_hash(char name)
{
    switch (name) {
    case 'u':
        return 1646279392u;
    case 'c':
        return 3778205279u;
    case 'i':
        return 2165993515u;
    case 's':
        return 4283091697u;
    default:
        return 2557468570u; /* p */
    }
}

/* Reads `|n hash:value …` to the end; how many of the features are of the namespace that `counted` names. */
static Py_ssize_t
features_of(const char *text, uint32_t mask, char counted, Feature *features, Py_ssize_t *count)
{
    uint32_t hash = 0;
    char name = 0;
    Py_ssize_t found = 0;
    while (*text) {
        if (*text == ' ')
            text++;
        else if (*text == '|') {
            name = text[1];
            hash = namespace_hash(name);
            text += name ? 2 : 1;
        }
        else {
            uint64_t told = 0;
            const char *start = text;
            while (digit(*text))
                told = 10 * told + (uint64_t)(*text++ - '0');
            if (*text != ':')
                return -1;
            text++;
            float x = number(&text);
            if (text <= start + 1 || (*text && *text != ' '))
                return -1;
            if (x != 0.0f) {
                features[(*count)++] = (Feature){.at = ((uint32_t)told + hash) & mask, .x = x};
                found += name == counted;
            }
        }
    }
    return found;
}

static Py_ssize_t
colons(const char *text)
{
    Py_ssize_t count = 0;
    for (; *text; text++)
        count += *text == ':';
    return count;
}

static float
predicted(const Place *table, const Feature *features, Py_ssize_t count)
{
    float sum = 0.0f;
    for (Py_ssize_t k = 0; k < count; k++)
        sum += table[features[k].at].weight * features[k].x;
    if (isnan(sum))
        return 0.0f;
    return sum > 1000000.0f ? 1000000.0f : sum < -1000000.0f ? -1000000.0f : sum;
}

/* `compute_rate_decay`: the normaliser's part seldom changes, and takes as long as the other. */
static float
decayed(const Place *place, float *power, float power_t)
{
    float rate = powf(place->adaptive, -power_t), scale2 = place->normalised * place->normalised;
    if (scale2 == 1.0f) /* so is any power of it */
        return rate;
    if (*power == 0.0f)
        *power = powf(scale2, power_t - 1.0f);
    return rate * *power;
}

/* `pred_per_update_feature` over all features: accumulators of their places, and rates.

   A place met is marked by its normaliser's sign, and says which feature it was met by last. */
static float
sensitivity(Place *table, Feature *features, Py_ssize_t count, float gradient2, float power_t, float *norms)
{
    float sum = 0.0f, norm = 0.0f;
    for (Py_ssize_t k = 0; k < count; k++) {
        Feature *feature = &features[k];
        Place *place = &table[feature->at];
        if (signbit(place->normalised)) {
            memcpy(&feature->before, &place->power, sizeof feature->before);
            feature->power = features[feature->before].power;
            place->normalised = -place->normalised;
        }
        else {
            feature->before = -1;
            feature->power = place->power;
        }
        float x = feature->x, x2 = x * x;
        if (x2 < X2_MIN) {
            x = x > 0 ? X_MIN : -X_MIN;
            x2 = X2_MIN;
        }
        place->adaptive += gradient2 * x2;
        float size = fabsf(x);
        if (size > place->normalised) {
            if (place->normalised > 0.0f) {
                float rescale = size / place->normalised;
                place->weight *= powf(rescale * rescale, power_t - 1.0f);
            }
            place->normalised = size;
            feature->power = 0.0f;
        }
        norm += x2 > FLT_MAX ? 1.0f : x2 / (place->normalised * place->normalised);
        feature->rate = decayed(place, &feature->power, power_t);
        sum += x2 * feature->rate;
        int32_t met = (int32_t)k;
        memcpy(&place->power, &met, sizeof met);
        place->normalised = -place->normalised;
    }
    *norms = norm;
    return sum;
}

/* `train`: the rate of a place is the last that it was given. */
static void
trained(Place *table, Feature *features, Py_ssize_t count, float step, int learns)
{
    for (Py_ssize_t k = count - 1; k >= 0; k--)
        if (features[k].before >= 0) {
            features[features[k].before].rate = features[k].rate;
            features[features[k].before].power = features[k].power;
        }
    for (Py_ssize_t k = 0; k < count; k++) {
        Place *place = &table[features[k].at];
        float x = features[k].x;
        if (learns && x < FLT_MAX && x > -FLT_MAX)
            place->weight += step * (x * features[k].rate);
        place->normalised = fabsf(place->normalised);
        place->power = features[k].power;
    }
}

/* `compute_update`. */
static void
update(Place *table, Sums *sums, Feature *features, Py_ssize_t count, float rate, float power_t, float label)
{
    float prediction = predicted(table, features, count), error = prediction - label, norms;
    if (!(error * error > 0.0f))
        return;
    float per_update = sensitivity(table, features, count, 4.0f * error * error, power_t, &norms);
    sums->norms += 1.0 * norms;
    sums->examples += 1.0;
    float multiplier = powf((float)sums->norms / (float)sums->examples, power_t - 1.0f), step;
    per_update *= multiplier;
    if (rate * per_update < 1e-6)
        step = 2.0f * (label - prediction) * rate;
    else
        step = (label - prediction) * (1.0f - expf(-2.0f * rate * per_update)) / per_update;
    trained(table, features, count, step * multiplier, !isnan(step) && step != 0.0f);
}

/* The pairs of this shared feature with each of the item's. */
static Py_ssize_t
crossed(const Place *table, Feature *features, Py_ssize_t one, Py_ssize_t first, Py_ssize_t items, uint32_t mask,
        Py_ssize_t count)
{
    uint32_t half = features[one].at * FNV_PRIME;
    for (Py_ssize_t other = first; other < first + items; other++) {
        features[count].at = (features[other].at ^ half) & mask;
        PREFETCH(&table[features[count].at]);
        features[count++].x = features[one].x * features[other].x;
    }
    return count;
}

/* A whole example from the text of its pick, after `firsts` shared features of which the first `users` are of the user;
   0 where the text cannot be read. The order of a sum is that of the features: as the text has them, the constant, then
   pairs with the context, then with the user. */
static int
learned(Place *table, Sums *sums, uint32_t mask, float rate, float power_t, Feature *features, Py_ssize_t users,
        Py_ssize_t firsts, const char *pick, const char *reward)
{
    Py_ssize_t count = firsts, items = features_of(pick, mask, 'i', features, &count);
    if (items < 0)
        return 0;
    features[count++] = (Feature){.at = CONSTANT & mask, .x = 1.0f};
    for (Py_ssize_t one = users; one < firsts; one++)
        count = crossed(table, features, one, firsts, items, mask, count);
    for (Py_ssize_t one = 0; one < users; one++)
        count = crossed(table, features, one, firsts, items, mask, count);
    update(table, sums, features, count, rate, power_t, number(&reward));
    return 1;
}

/* learn(table, sums, rate, power_t, shared, picks, rewards), what was learned is in the first two.

   One text for what the picks have in common, a list of one for each, and a list of what each earned, as text too. */
PyObject *
native_learn(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t given)
{
    if (given != 7)
        return needs(given, 7);
    Buffers all = {.count = 0, .failed = 0};
    Py_ssize_t entries = 0, examples = PyList_Size(args[5]), most = 0;
    Place *table = contiguous(&all, args[0], 4, 1, &entries);
    Sums *sums = contiguous(&all, args[1], 8, 1, NULL);
    float rate = (float)PyFloat_AsDouble(args[2]), power_t = (float)PyFloat_AsDouble(args[3]);
    const char *shared = PyUnicode_AsUTF8AndSize(args[4], NULL);
    for (Py_ssize_t one = 0; one < examples; one++) {
        const char *pick = PyUnicode_AsUTF8AndSize(PyList_GetItem(args[5], one), NULL);
        Py_ssize_t features = pick == NULL ? 0 : colons(pick);
        most = features > most ? features : most;
    }
    if (PyErr_Occurred() || shared == NULL) {
        all.failed = 1;
        return finished(&all, NULL);
    }
    uint32_t mask = (uint32_t)(entries / 4 - 1);
    Py_ssize_t firsts = 0;
    Feature *features = malloc((size_t)((colons(shared) + 1) * (most + 1)) * sizeof *features);
    if (features == NULL) {
        PyErr_NoMemory();
        all.failed = 1;
        return finished(&all, NULL);
    }
    Py_ssize_t users = features_of(shared, mask, 'u', features, &firsts);
    int fine = users >= 0;
    for (Py_ssize_t one = 0; fine && one < examples; one++) {
        const char *pick = PyUnicode_AsUTF8AndSize(PyList_GetItem(args[5], one), NULL);
        const char *reward = PyUnicode_AsUTF8AndSize(PyList_GetItem(args[6], one), NULL);
        if (reward == NULL)
            break;
        fine = learned(table, sums, mask, rate, power_t, features, users, firsts, pick, reward);
    }
    if (!fine)
        PyErr_SetString(PyExc_ValueError, "features: must be '|n hash:value …'");
    if (PyErr_Occurred())
        all.failed = 1;
    free(features);
    return finished(&all, Py_NewRef(Py_None));
}
