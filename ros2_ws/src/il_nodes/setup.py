"""The ament_python package: the folders beside this file are links to the repository's own."""

from glob import glob

from setuptools import find_packages, setup

NODES = ("sim", "expert", "teleop", "noise", "labeller", "observation", "policy", "gate", "recorder")

setup(
    name="il_nodes",
    version="0.1.0",
    packages=find_packages(include=["il_nodes*", "models*", "sim*", "understudy*"]),
    package_data={
        "il_nodes": ["*.xml"],
        "sim": ["driving/*.urdf", "grasping/*.urdf", "control/experts/*.txt"],
        "understudy": ["relabel/*.html"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/il_nodes"]),
        ("share/il_nodes", ["package.xml"]),
        ("share/il_nodes/launch", glob("launch/*.launch.py")),
        ("share/il_nodes/launch/params", glob("launch/params/*.yaml")),
        ("share/il_nodes/contracts", glob("contracts/*.yaml")),
        ("share/il_nodes/contracts/noise", glob("contracts/noise/*.yaml")),
        ("share/il_nodes/security", glob("security/*.xml")),
    ],
    # Data files are found beside the modules.
    zip_safe=False,
    entry_points={
        "console_scripts": [
            *(f"{name} = il_nodes.nodes.{name}:main" for name in NODES),
            "understudy = understudy.__main__:main",
        ]
    },
)
