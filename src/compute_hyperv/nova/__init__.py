"""Nova's words to the host's. The only place, with ``neutron``, that imports OpenStack's services."""
