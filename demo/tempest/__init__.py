"""OpenStack's own tests of the compute API (tempest) against a real cloud on simulated hosts: ``make tempest``."""
