"""One file per command; each returns an Answer. Heavy imports stay inside the functions."""
