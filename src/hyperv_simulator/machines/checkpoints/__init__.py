"""Checkpoints: copies of a machine's settings, the files below its disks, and how they come and go.

``tree`` knows which there are, ``settings`` makes the copies, ``disks`` the files, ``merging`` puts files together
again that nobody needs apart, and ``operations`` is what the snapshot service asks for.
"""
