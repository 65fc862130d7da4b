"""What a node's process inherits."""

from pathlib import Path

from understudy.environment.ros_environment import drop_foreign_ros_libraries, node_environment


def test_another_environments_ros_libraries_do_not_reach_a_node() -> None:
    """A node would silently load the other environment's Fast DDS, and still say that it is ours."""
    foreign, own = "/opt/other", "/opt/own"
    wheels = "lib/python3.11/site-packages/ros_jazzy_rclpy.libs"
    inherited = {
        "LD_LIBRARY_PATH": f"{foreign}/{wheels}:{foreign}/lib:/usr/local/cuda/lib64",
        "_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1",
    }
    assert drop_foreign_ros_libraries(inherited, own) == {"LD_LIBRARY_PATH": "/usr/local/cuda/lib64"}
    same = {"LD_LIBRARY_PATH": f"{own}/{wheels}:{own}/lib", "_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1"}
    assert drop_foreign_ros_libraries(same, own) == same
    assert drop_foreign_ros_libraries({"_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1"}, own) == {}


def test_a_node_gets_the_profile_under_the_name_that_is_read(tmp_path: Path) -> None:
    environment = node_environment(7, tmp_path, {"ROS_LOCALHOST_ONLY": "1", "ROS_DOMAIN_ID": "0"})
    assert Path(environment["FASTRTPS_DEFAULT_PROFILES_FILE"]).is_file()
    assert environment["ROS_DOMAIN_ID"] == "7"
    assert environment["PYTHONUTF8"] == "1"  # paths with letters of any language, in any locale
    assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert environment["RMW_IMPLEMENTATION"] == "rmw_fastrtps_cpp"
    assert "ROS_LOCALHOST_ONLY" not in environment
