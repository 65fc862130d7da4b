"""Max-margin, projection, MWAL and MaxEnt in worlds that are written down."""
