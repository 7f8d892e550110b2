"""What nova.conf says about a Hyper-V host, without Nova: for nova-compute, and for ``compute-hyperv`` at a terminal.

``options`` has every option that there is, ``host_settings`` what they mean together, ``connection`` makes a
``HyperVHost`` of that. Nothing here imports Nova.
"""
