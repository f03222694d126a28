"""How fast the engine is, as ratios against the plain way, in one run on one machine."""
