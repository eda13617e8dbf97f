def note(input_map, output, params):  # type: ignore[no-untyped-def]
    """Look at the paths."""
    print(input_map["sales"].paths, output.paths)
