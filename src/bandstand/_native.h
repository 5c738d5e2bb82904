/* What the compiled loops have in common: arrays come in as buffers, and are let go at the end of the call. */

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BUFFERS 12

/* Buffers of one call, all let go at its end. */
typedef struct {
    Py_buffer held[MOST_BUFFERS];
    int count;
    int failed;
} Buffers;

static void *
contiguous(Buffers *all, PyObject *array, Py_ssize_t size, int writable, Py_ssize_t *length)
{
    if (all->failed)
        return NULL;
    Py_buffer *view = &all->held[all->count];
    if (PyObject_GetBuffer(array, view, PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0)) < 0) {
        all->failed = 1;
        return NULL;
    }
    all->count++;
    if (view->itemsize != size) {
        PyErr_Format(PyExc_TypeError, "item size == %zd, must be %zd", view->itemsize, size);
        all->failed = 1;
        return NULL;
    }
    if (length != NULL)
        *length = view->len / size;
    return view->buf;
}

static PyObject *
finished(Buffers *all, PyObject *result)
{
    while (all->count > 0)
        PyBuffer_Release(&all->held[--all->count]);
    if (all->failed) {
        Py_XDECREF(result);
        return NULL;
    }
    return result;
}

static PyObject *
needs(Py_ssize_t given, Py_ssize_t wanted)
{
    return PyErr_Format(PyExc_TypeError, "%zd arguments, must be %zd", given, wanted);
}

PyObject *native_best(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_met(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_heard(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_brought(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_listed(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_profile(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_alike(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_nearest(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_crossed(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_weighed(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_shrunk(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_weighted(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_robust(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_direct(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_doubtful(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_found(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_hashed(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_uniforms(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_keep(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_learn(PyObject *module, PyObject *const *args, Py_ssize_t given);
PyObject *native_fused(PyObject *module, PyObject *const *args, Py_ssize_t given);
