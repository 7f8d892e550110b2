"""What Hyper-V measures of machines: which metrics there are, for which elements they are on, and their values."""
