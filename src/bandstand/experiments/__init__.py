"""Experiments: what is compared, for whom, and in which state of its life the comparison is."""
