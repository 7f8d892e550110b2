"""The CIM repository: which classes a host knows, which instances exist, and how they are linked."""
