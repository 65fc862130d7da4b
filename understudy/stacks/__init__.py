"""Nodes that run together: which they are, how they are started, watched and ended."""
