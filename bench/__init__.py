"""What the product costs: requests, seconds, bytes per second, memory. ``python -m bench.run``, or ``make bench``."""
