"""Where Nova looks for drivers. Nothing lives here: see ``compute_hyperv.nova.driver``."""
