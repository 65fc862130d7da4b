"""Contracts of running robots: what their topics say, a contract drafted from it, and what a contract means."""
