"""Worlds of a few hundred states, written down as tables: grids, a highway, and the road in steps. No PyBullet."""
