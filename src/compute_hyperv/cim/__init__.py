"""CIM over WS-Management. Knows nothing of Hyper-V, Nova or files."""
