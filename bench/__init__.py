"""Measurements: each module prints one JSON line last, writes ``bench/results/NAME.json`` and judges its own goals."""
