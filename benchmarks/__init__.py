"""How fast Bandstand is, each figure beside a named peer or floor in the same run; `python -m benchmarks --help`."""
