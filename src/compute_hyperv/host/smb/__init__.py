"""SMB 3 towards one host and the file servers it uses: connections, bulk transfer, and its errors in our words."""
