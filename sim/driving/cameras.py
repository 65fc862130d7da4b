"""Cameras on the car: where they sit. Their mount is ``base_link``, below the middle of the rear axle.

As on the DAVE-2 car (Bojarski et al. 2016, "End to End Learning for Self-Driving Cars", section 3) a left and a right
camera look parallel to the front one, 0.6 m to each side. Their frames show what the front camera would see from a car
that has drifted off the centre, and so teach a recovery that the expert never has to show.
"""

from __future__ import annotations

import math

from sim.camera import Camera, CameraConfig, Image

__all__ = ["CAMERAS", "CHASE_CAMERA", "Camera", "CameraConfig", "Image"]

# At x = 1.4 m, over the front axle, the lens sees no part of the car.
CAMERAS = (
    CameraConfig("front", (1.4, 0.0, 1.0)),
    CameraConfig("left", (1.4, 0.6, 1.0)),
    CameraConfig("right", (1.4, -0.6, 1.0)),
)
# For people, not for policies: the car from behind.
CHASE_CAMERA = CameraConfig("chase", (-3.2, 0.0, 2.2), pitch_rad=math.radians(20.0), width=320, height=240)
