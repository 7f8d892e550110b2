"""The files and named pipes of a host, served by a real Samba."""
