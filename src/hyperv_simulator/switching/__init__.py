"""What a virtual switch is made of: ports and wires, features, extensions, endpoints, what it tells of itself."""
