"""The name by which Nova loads the driver: ``compute_driver = compute_hyperv.driver.HyperVDriver``."""

from compute_hyperv.nova.driver import HyperVDriver

__all__ = ["HyperVDriver"]
