"""A small real OpenStack on loopback: its processes, configuration, tables and services."""
