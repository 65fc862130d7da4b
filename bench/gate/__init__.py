"""The gate fuzzed, covered, mutated and timed; ``python -m bench.gate``."""
