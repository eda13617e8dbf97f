class Reactor:
    """The class form: made without arguments, then called."""

    def __call__(self, input_map, output, params):  # type: ignore[no-untyped-def]
        self.seen = list(input_map)
