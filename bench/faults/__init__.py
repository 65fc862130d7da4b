"""Faults injected into running nodes; ``python -m bench.faults``."""
