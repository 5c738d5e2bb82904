import subprocess
import sys


def loaded(module: str) -> set[str]:
    """Top-level packages in memory after importing the module in a fresh interpreter."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_moments_load_neither_scipy_nor_statsmodels() -> None:
    assert not loaded("bandstand.stats.moments") & {"scipy", "statsmodels", "pandas"}


def test_comparing_means_does_not_load_statsmodels() -> None:
    assert not loaded("bandstand.stats.means") & {"statsmodels", "pandas"}
