"""What every node shares: base class, executor, parameters, quality of service, diagnostics.

Importing the package loads no rclpy; ``middleware`` and ``run_node``'s exit codes serve supervisors too.
"""
