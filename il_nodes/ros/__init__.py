"""What every node shares: base class, executor, parameters, quality of service, diagnostics.

Importing the package loads no rclpy, and ``middleware`` needs none: a supervisor reads it too.
"""
