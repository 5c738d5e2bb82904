"""Experiments that run themselves: looks at all that run, does what their definitions ask for, and tells who wants to
know."""
