"""Every history of small scenes: see `explorer`."""
