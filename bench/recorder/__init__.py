"""The recorder at full rate, and killed; ``python -m bench.recorder``."""
