"""From camera to command; ``python -m bench.latency``."""
