"""root/Microsoft/Windows/SMB: the host as SMB server (configuration, shares) and as SMB client (mappings, channels)."""

SMB = "root/microsoft/windows/smb"
