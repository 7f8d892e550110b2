"""What runs inside a simulated machine: nothing (state machines only) or QEMU (a real guest)."""
