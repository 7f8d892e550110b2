"""Virtual machines: their settings, their life, their devices, and the memory they share."""
