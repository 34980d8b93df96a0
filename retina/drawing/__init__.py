"""Drawn fundus photographs: the eye, its vessels and lesions, and the camera.

All geometry is relative: the lit disc of the photograph has its centre at (0, 0) and radius 1,
x points right and y down, so that an eye is the same at every resolution.
"""
