"""CIM over WS-Management: codec, transport, session."""
