"""Hyper-V hosts as OpenStack compute nodes, managed remotely over WS-Management and SMB."""
