"""How well a recorded drive went: traces, scores, goals."""
