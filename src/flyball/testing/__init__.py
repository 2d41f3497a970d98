"""Public conformance suites: every implementation of a port, ours or a plugin's, inherits the port's promises as tests."""
