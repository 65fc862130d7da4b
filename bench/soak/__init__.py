"""An hour of driving; ``python -m bench.soak``."""
