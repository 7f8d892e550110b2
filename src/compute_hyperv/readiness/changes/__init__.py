"""What ``prepare`` can change on a host: one file per kind of change, each of which reads, changes and restores."""
