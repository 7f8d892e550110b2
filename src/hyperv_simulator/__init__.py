"""Simulated Hyper-V hosts: real protocols, real files, real guests, no Windows."""
