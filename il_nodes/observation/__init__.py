"""From messages to observations: one path for live nodes and recordings. No rclpy in here, but for the intake."""
