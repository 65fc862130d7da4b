"""Interactive learning on a simulated robot, as the command line runs it: settings, parts, rounds, bundle, page."""
