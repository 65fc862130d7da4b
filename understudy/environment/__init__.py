"""The machine around a run: ROS domains, environment variables, shared memory, limits of the system."""
