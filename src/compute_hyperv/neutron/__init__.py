"""The ML2 mechanism driver."""
