"""A human as the expert: joystick, keyboard or leader, and what becomes of their wishes."""
