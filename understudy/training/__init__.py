"""What ``understudy train`` was asked for: options, a file, what is usual for the robot, and what that comes to.

Importing it loads neither torch nor the simulator: options that make no sense are refused first.
"""
