"""A simulator as a robot: its topics, its episodes, its time."""
