"""The gate's logic: who drives on this tick, and with which command. No rclpy, no policy, no clock of its own."""
