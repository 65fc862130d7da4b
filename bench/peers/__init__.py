"""Libraries that benches compare with: their pins, and trainings in their own environments."""
