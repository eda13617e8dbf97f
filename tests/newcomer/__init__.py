"""A day with Rheo as a newcomer has it: from install to trust, outside of the repository. See `__main__`."""
