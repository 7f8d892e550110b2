"""``python -m hyperv_simulator``: the command ``hyperv-simulator``."""

import sys

from hyperv_simulator.cli import main

sys.exit(main())
