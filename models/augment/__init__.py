"""Changes to training examples under which the right action stays the same, or changes in a way that geometry tells.

An :class:`Augmentation` takes :class:`Examples` (observations with their actions) and gives as many others. It works on
a dataset (:func:`augmented_examples`) and inside a learner (``BehavioralCloningConfig.augmentation``). NumPy and OpenCV
only: no simulator, no ROS; ``vary_light`` alone needs torch, and imports it when it is called.
"""

from models.augment.alvinn import ShiftAndRotate
from models.augment.augmentation import Augmentation, Chain, Examples
from models.augment.ground_plane import GroundCamera, Motion
from models.augment.offline import augmented_examples, recorded_examples
from models.augment.photometric import Photometric, vary_light
from models.augment.poses import Poses
from models.augment.relabel import YawRateReading
from models.augment.side_cameras import CameraStream, SideCameras
from models.augment.trail import TrailCameras
from models.augment.vehicle import Vehicle
from models.augment.view import View

__all__ = [
    "Augmentation",
    "CameraStream",
    "Chain",
    "Examples",
    "GroundCamera",
    "Motion",
    "Photometric",
    "Poses",
    "ShiftAndRotate",
    "SideCameras",
    "TrailCameras",
    "Vehicle",
    "View",
    "YawRateReading",
    "augmented_examples",
    "recorded_examples",
    "vary_light",
]
