"""Changes to training observations under which the right action stays the same, or changes in a known way."""

from models.augment.photometric import vary_light

__all__ = ["vary_light"]
