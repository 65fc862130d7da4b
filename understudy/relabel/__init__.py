"""Relabelling of recorded episodes in slow motion: a page on this machine shows the camera, and draws what you command.

Owns the local web server, its page, and the labels in the making. Never touches a recording.
"""
