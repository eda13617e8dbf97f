def count_lines(input_map, output, params):  # type: ignore[no-untyped-def]
    import io

    session = params["AWS_BOTO_SESSION"]
    print(io.StringIO("x").read(), session, input0, orders)  # noqa: F405 - inputs are there by name
