"""Who does the work: processes of this machine, or a Dask cluster, through joblib."""

from collections.abc import Iterator
from contextlib import contextmanager

from joblib import parallel_config

from bandstand.errors import InputError


@contextmanager
def workers(*, n_jobs: int, cluster: str | None) -> Iterator[None]:
    """Within, joblib's work is done by `n_jobs` processes (-1: one a core), or by the Dask cluster whose scheduler is
    at that address, as tcp://10.0.0.5:8786. Its workers need this package, and a database that they reach."""
    if not n_jobs:
        raise InputError("jobs == 0, must be a number of processes, or -1 for one a core", field="jobs")
    if cluster is None:
        with parallel_config(backend="loky", n_jobs=n_jobs, inner_max_num_threads=1):
            yield
        return
    try:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port, resolve_address
    except ImportError as error:
        raise InputError("cluster: Dask is not installed; install bandstand[dask]", field="cluster") from error
    try:
        # Looked at first: a client that fails half made leaves a loop behind, which ends in a traceback.
        get_address_host_port(resolve_address(cluster), strict=True)
        client = Client(cluster, timeout="10s", set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InputError(
            f"cluster {cluster!r}: no Dask scheduler answers there ({error}); give its address, as tcp://host:8786",
            field="cluster",
        ) from error
    with client, parallel_config(backend="dask", client=client, wait_for_workers_timeout=60):
        yield
