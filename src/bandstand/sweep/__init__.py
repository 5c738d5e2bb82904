"""Which settings of a strategy do best, on a log or in a world: grid, random and successive-halving search."""
