"""Classic control: dynamics, experts, and who learns them from observation alone."""
