"""A learning beside a robot that drives: whether it keeps its deadlines, and what the rounds come to."""
