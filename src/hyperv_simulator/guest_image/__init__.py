"""A tiny Linux guest, built here from Debian packages, that proves what a cloud gave it."""
