"""Grasping: an arm over a cluttered table, its cameras, and the expert who knows where everything lies."""
