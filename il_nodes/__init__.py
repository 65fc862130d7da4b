"""ROS 2: nodes, and the code that turns messages into arrays. The only package that imports rclpy; at run time on a robot it loads neither torch nor pybullet."""
