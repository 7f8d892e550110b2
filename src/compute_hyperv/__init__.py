"""Hyper-V hosts as OpenStack compute nodes, managed remotely over WS-Management and SMB.

PYTEST_DONT_REWRITE: pytest rewrites the asserts of a distribution with a plugin (the simulator's), and complains of
what is imported already, as this package is in every process (``nova.finder``).
"""
