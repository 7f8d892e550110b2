"""Shielded machines: the files they are provisioned by, and the service that does it."""
