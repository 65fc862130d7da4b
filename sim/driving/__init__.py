"""Driving: a car with real dynamics and cameras on a closed road, and the expert who knows the way."""
