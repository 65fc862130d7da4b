"""The face: command line, supervisor, demo, reports. May import everything below it; nothing imports it."""
