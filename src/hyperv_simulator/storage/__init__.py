"""The simulated host's files and virtual disks: real files in a folder, addressed by Windows paths."""
