"""``make demo``: a real OpenStack whose two compute hosts are simulated Hyper-V servers."""
