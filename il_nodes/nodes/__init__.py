"""One thin rclpy shell a file: parameters, topics, timers. Decisions live in plain classes that are told the time."""
