"""A look at a running robot: who says what, how often. It only listens."""
