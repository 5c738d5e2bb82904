"""A contextual-bandit ranking server with its own experiment platform."""
