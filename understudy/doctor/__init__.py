"""What is wrong with this machine, or with a robot's topics, and how to mend it."""
