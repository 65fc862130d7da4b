"""Recordings: one episode is one rosbag2 folder that any MCAP tool opens, and that knows whether it is whole.

A folder ``<episode id>`` holds the MCAP file, rosbag2's ``metadata.yaml``, and ``manifest.json`` with checksums and
counts. While it is written it is called ``<episode id>.partial``; it gets its name in one step, after everything is on
the disk. So a folder without the suffix is complete, whatever was killed or unplugged.
"""

from il_nodes.bags.files import PARTIAL_SUFFIX, find_bags
from il_nodes.bags.reader import BagReader
from il_nodes.bags.writer import BagWriter, RecordedTopic

__all__ = ["PARTIAL_SUFFIX", "BagReader", "BagWriter", "RecordedTopic", "find_bags"]
