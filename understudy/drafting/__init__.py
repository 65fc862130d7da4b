"""A contract drafted from what a running robot says."""
